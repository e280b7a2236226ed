"""Who is connected is kept in Redis alone: it may die, and so may those who write it."""

from collections.abc import Iterator
from functools import partial

import pytest

from dev.clients.device import Device
from dev.clients.wait import DEADLINE_S, wait_until
from dev.clients.wire import Caller, ok, refused, sync_all, text_to
from models import keys
from models.redisguard import forget_another_time
from proto import im_pb2
from tests.support.cluster import Cluster
from tests.support.joining import Way, devices, join, online

pytestmark = pytest.mark.chaos

BURIED_S = 15.0 + DEADLINE_S
"""A process that died is taken for dead after `models.registry.ALIVE_MS`."""

WAYS: tuple[Way, ...] = ("ws", "tcp", "events", "comet")


@pytest.fixture
def doomed(cluster: Cluster) -> Iterator[str]:
    """Suffix of a web and a gateway process that are about to die."""
    names = ("web.doomed", "gateway.doomed")
    cluster.platform.start(*names)
    yield ".doomed"
    cluster.hang_up()  # or they wait for them
    cluster.platform.stop(*names)


@pytest.mark.slow
def test_who_died_with_a_process_goes_offline(cluster: Cluster, doomed: str) -> None:
    # Given: users in processes that will die, by every transport, one of them elsewhere too
    people = {way: cluster.person(way) for way in WAYS}
    for way, user in people.items():
        join(cluster, way, user, doomed, device="phone", platform="web")
    lucky = cluster.person("lucky")
    join(cluster, "ws", lucky, doomed, device="phone")
    join(cluster, "tcp", lucky, device="tablet")
    # Given: one who comes back before anybody noticed
    back = cluster.person("back")
    token = cluster.new_token(back)
    join(cluster, "ws", back, doomed, device="lost", token=token)
    watcher = cluster.connect(cluster.person(), "web.2")
    request = im_pb2.PresenceSubscribeRequest(users=[*people.values(), lucky, back])
    assert all(presence.online for presence in ok(watcher.call(request)).presences)

    # When
    for kind in ("web", "gateway"):
        cluster.platform.kill(f"{kind}{doomed}")
    join(cluster, "ws", back, device="new")

    # Then: the watcher hears of those that are gone, and of nobody else's going
    gone = set(people.values())
    while gone:
        presence = watcher.wait_push(im_pb2.CMD_PUSH_PRESENCE, BURIED_S).presence
        assert presence.online == (presence.user == back)
        assert presence.online or presence.last_seen
        gone.discard(presence.user)
    assert online(cluster, lucky) == {"tablet"}
    # Then: all that were connected are remembered, and can be logged out
    for user in people.values():
        wait_until(partial(_knows, cluster, user, "phone"), what="the device kept")
    caller = cluster.short(cluster.token(back))
    wait_until(lambda: set(devices(cluster, back)) == {"lost", "new"})
    ok(caller.call(im_pb2.LogOutRequest(device="lost")))
    wait_until(lambda: _is_refused(cluster, token))


def test_the_registry_comes_back_by_itself(fragile: Cluster) -> None:
    # Given
    people = {way: fragile.person(way) for way in WAYS}
    clients = {way: join(fragile, way, user, device="d") for way, user in people.items()}
    watcher = fragile.connect(fragile.person())
    subscribe = im_pb2.PresenceSubscribeRequest(users=list(people.values()))
    ok(watcher.call(subscribe))

    # When
    fragile.redis.flush()

    # Then: everybody is counted in again; what lasts was not cut
    wait_until(lambda: all(p.online for p in ok(watcher.call(subscribe)).presences))
    for user in people.values():
        wait_until(partial(_knows, fragile, user, "d", is_online=True))
    _still_works(clients["ws"], clients["tcp"])
    # Then: who leaves is counted out
    clients["tcp"].close()
    _wait_offline(watcher, people["tcp"])


def test_who_leaves_while_caches_are_dropped_goes_offline(fragile: Cluster) -> None:
    # Given: everybody is counted in again, and no worker has noticed the loss yet
    alice = fragile.person("alice")
    client = join(fragile, "tcp", alice, device="d")
    watcher = fragile.connect(fragile.person())
    subscribe = im_pb2.PresenceSubscribeRequest(users=[alice])
    fragile.redis.flush()
    wait_until(lambda: ok(watcher.call(subscribe)).presences[0].online)

    # When
    with fragile.redis_client() as redis:
        redis.delete(keys.SERVER)
        forget_another_time(redis)
    client.close()

    # Then
    _wait_offline(watcher, alice)


def test_without_redis_users_connect_and_chat(fragile: Cluster) -> None:
    # Given: one device that is open, and one whose user is watched
    alice, bob = fragile.pair("other database")
    opened = join(fragile, "ws", alice, device="opened")
    leaver = join(fragile, "ws", bob, device="leaver")
    watcher = fragile.connect(fragile.person())
    subscribe = im_pb2.PresenceSubscribeRequest(users=[alice, bob])
    ok(watcher.call(subscribe))

    # When
    fragile.redis.kill()

    # Then: nobody is turned away, by any transport, however many there are
    newcomers: list[Device] = []
    for n in range(4):
        client = fragile.tcp()
        client.auth(fragile.token(alice), device=f"new {n}", platform="ios")
        newcomers.append(client)
    sent = [ok(client.call(text_to(bob))).id for client in (opened, *newcomers)]
    assert [m.id for m in sync_all(newcomers[0])] == sent
    # Then: who is connected is not known, and that is said
    for request in (im_pb2.DevicesRequest(), im_pb2.PresenceRequest(users=[bob])):
        answer = opened.call(request)
        assert refused(answer) == "UNAVAILABLE"
        assert answer.error.retryable
    leaver.close()

    # When
    fragile.redis.start()

    # Then: the truth is known again, though nobody said anything
    names = {"opened", *(f"new {n}" for n in range(4))}
    wait_until(lambda: _online(opened) == names, what="everybody counted in")
    wait_until(lambda: not ok(watcher.call(subscribe)).presences[1].online)
    wait_until(lambda: "leaver" in devices(fragile, bob))
    _still_works(opened, *newcomers)


def test_the_newer_connection_of_a_device_survives_a_loss_of_redis(fragile: Cluster) -> None:
    # Given: a half-open connection in one process
    alice = fragile.person("alice")
    old = join(fragile, "ws", alice, device="phone")

    # When: the device comes back through another while nobody could tell the first
    fragile.redis.kill()
    new = fragile.tcp()
    new.auth(fragile.token(alice), device="phone")
    fragile.redis.start()

    # Then
    assert old.wait_push(im_pb2.CMD_PUSH_KICKED).error.name == "KICKED"
    old.wait_closed()
    wait_until(lambda: _online(new) == {"phone"})
    _still_works(new)


@pytest.mark.slow
def test_a_process_that_was_frozen_counts_its_people_in_again(
    cluster: Cluster, doomed: str
) -> None:
    # Given
    alice = cluster.person("alice")
    client = join(cluster, "tcp", alice, doomed, device="phone")
    watcher = cluster.connect(cluster.person())
    ok(watcher.call(im_pb2.PresenceSubscribeRequest(users=[alice])))

    # When: it is taken for dead, and was not
    cluster.platform.pause(f"gateway{doomed}")
    try:
        _wait_offline(watcher, alice)
    finally:
        cluster.platform.resume(f"gateway{doomed}")

    # Then
    assert watcher.wait_push(im_pb2.CMD_PUSH_PRESENCE).presence.online
    assert online(cluster, alice) == {"phone"}
    _still_works(client)


def test_a_process_that_stops_leaves_nothing_in_redis(cluster: Cluster, doomed: str) -> None:
    # Given
    people = [cluster.person() for _ in range(3)]
    for way, user in zip(("ws", "tcp", "events"), people, strict=True):
        join(cluster, way, user, doomed, device="d")  # type: ignore[arg-type]
    with cluster.redis_client() as redis:
        before = redis.smembers(keys.PROCESSES)

        # When
        cluster.platform.stop(f"web{doomed}", f"gateway{doomed}", timeout_s=DEADLINE_S)

        # Then: at once, without waiting for anybody to notice
        assert not redis.exists(*(keys.devices(user) for user in people))
        assert len(redis.smembers(keys.PROCESSES)) == len(before) - 2
    for user in people:
        assert devices(cluster, user)["d"].last_seen


def _wait_offline(watcher: Device, user: str) -> None:
    def fits(push: object) -> bool:
        body = getattr(push, "body", None)
        presence = getattr(body, "presence", None)
        return presence is not None and presence.user == user and not presence.online

    watcher.wait_push(fits, BURIED_S)


def _still_works(*clients: Device) -> None:
    for client in clients:
        ok(client.call(text_to(client.user)))


def _knows(cluster: Cluster, user: str, name: str, *, is_online: bool = False) -> bool:
    """Whether the device is listed, and as connected if it must be."""
    found = devices(cluster, user).get(name)
    return found is not None and (found.online or not is_online)


def _online(caller: Caller) -> set[str]:
    """The caller's connected devices; nobody while that is not known."""
    return {d.device for d in caller.call(im_pb2.DevicesRequest()).devices if d.online}


def _is_refused(cluster: Cluster, token: str) -> bool:
    answer = cluster.short(token).call(im_pb2.DevicesRequest())
    return bool(answer.error.code) and refused(answer) == "TOKEN_REVOKED"
