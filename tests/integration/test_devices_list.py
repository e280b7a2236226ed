"""A user's own devices: listed while connected and afterwards, logged out one by one."""

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from dev.clients.device import Closed
from dev.clients.wait import DEADLINE_S, wait_until
from dev.clients.wire import Caller, ok, refused, text_to
from proto import im_pb2
from tests.support.cluster import Cluster
from tests.support.joining import Way, by_every_way, devices, ended, join, online
from tests.support.polls import Comet

PLACES = ("", ".2")
CLASSES = {"ios": im_pb2.MOBILE, "macos": im_pb2.DESKTOP, "h5": im_pb2.WEB}
LASTING: tuple[Way, ...] = ("ws", "tcp", "events")
"""A device that polls counts as connected for a minute after its last poll."""


@by_every_way
def test_a_connected_device_is_listed(cluster: Cluster, way: Way) -> None:
    # Given
    alice = cluster.person("alice")
    before = _now_ms()
    for n, platform in enumerate(CLASSES):
        join(cluster, way, alice, PLACES[n % 2], device=f"on {platform}", platform=platform)
    after = _now_ms()

    # Then: with all that is known of it, by every process
    for place in PLACES:
        for caller in (cluster.connect(alice, f"web{place}"), cluster.tcp(alice)):
            listed = [d for d in _listed(caller) if not d.device.startswith("~")]
            assert [d.device for d in listed] == ["on h5", "on macos", "on ios"]
            for item in listed:
                assert item.online
                assert item.device_class == CLASSES[item.platform]
                assert before <= item.connect_time <= after
                assert item.last_seen == 0


@pytest.mark.parametrize("way", LASTING)
def test_a_device_that_left_is_listed_with_the_time(cluster: Cluster, way: Way) -> None:
    # Given
    alice = cluster.person("alice")
    join(cluster, "ws", alice, device="stays")
    first = join(cluster, way, alice, device="first", platform="android")
    second = join(cluster, way, alice, ".2", device="second", platform="linux")

    # When
    before = _now_ms()
    first.close()
    wait_until(lambda: not devices(cluster, alice)["first"].online)
    between = _now_ms()
    second.close()
    wait_until(lambda: not devices(cluster, alice)["second"].online)

    # Then
    listed = devices(cluster, alice)
    assert list(listed) == ["stays", "second", "first"]
    assert before <= listed["first"].last_seen <= between <= listed["second"].last_seen
    assert (listed["first"].platform, listed["first"].connect_time) == ("android", 0)
    assert listed["second"].device_class == im_pb2.DESKTOP
    # Then: it is listed as connected when it is back, once
    join(cluster, way, alice, device="first")
    assert online(cluster, alice) == {"first", "stays"}


def test_devices_without_a_name_are_not_remembered_one_by_one(cluster: Cluster) -> None:
    # Given: two of them
    alice = cluster.person("alice")
    clients = [cluster.connect_bare(), cluster.tcp()]
    names = [client.auth(cluster.token(alice)).device for client in clients]

    # Then: they are two, and do not replace each other
    assert len(set(names)) == 2
    assert online(cluster, alice) == set(names)
    for client in clients:
        client.settle()
    # Then: when they are gone only that the user was seen is known
    before = _now_ms()
    for client in clients:
        client.close()
    wait_until(lambda: devices(cluster, alice) == {})
    request = im_pb2.PresenceRequest(users=[alice])
    short = cluster.short(cluster.token(cluster.person()))
    (presence,) = ok(short.call(request)).presences
    assert not presence.online
    assert presence.last_seen >= before


def test_a_stranger_has_none(cluster: Cluster) -> None:
    caller = cluster.short(cluster.token(cluster.person()), json=True)
    assert not ok(caller.call(im_pb2.DevicesRequest())).devices


@by_every_way
def test_logging_a_device_out_ends_it_and_its_token(cluster: Cluster, way: Way) -> None:
    # Given: two devices, each with a token of its own
    alice = cluster.person("alice")
    token = cluster.new_token(alice)
    lost = join(cluster, way, alice, device="lost", token=token)
    stays = join(cluster, "tcp", alice, ".2", device="stays", platform="ios")
    other = join(cluster, way, cluster.person(), device="lost")

    # When: from the other one, in another process
    ok(stays.call(im_pb2.LogOutRequest(device="lost")))

    # Then
    name, code = ended(lost)
    assert name == "TOKEN_REVOKED"
    assert code == {"ws": 4401, "json": 4401, "comet": 4401}.get(way, 1000)
    _wait_refused(cluster, token)
    for request in (
        im_pb2.AuthRequest(token=token, device="lost"),
        im_pb2.AuthRequest(token=token),
    ):
        again = cluster.tcp(gateway="gateway.2")
        assert refused(again.call(request)) == "TOKEN_REVOKED"
        again.wait_closed()
    # Then: nobody else hears of it, and the device may come back with another token
    wait_until(lambda: online(cluster, alice) == {"stays"})
    ok(stays.call(text_to(alice)))
    ok(other.call(im_pb2.DevicesRequest()))
    assert not other.closed
    join(cluster, way, alice, device="lost", token=cluster.new_token(alice))


def test_a_device_that_is_not_connected_is_logged_out(cluster: Cluster) -> None:
    # Given
    alice = cluster.person("alice")
    token = cluster.new_token(alice)
    join(cluster, "ws", alice, device="lost", token=token).close()
    wait_until(lambda: not devices(cluster, alice)["lost"].online)

    # When: twice, which changes nothing
    caller = cluster.short(cluster.token(alice))
    for _ in range(2):
        ok(caller.call(im_pb2.LogOutRequest(device="lost")))

    # Then
    _wait_refused(cluster, token)
    ok(caller.call(im_pb2.DevicesRequest()))


def test_other_connections_with_the_token_end_as_well(cluster: Cluster) -> None:
    """A token that was copied is worth nothing either, wherever it is used."""
    # Given: the token is in use under other names too, as a poll that waits among others
    alice = cluster.person("alice")
    token = cluster.new_token(alice)
    join(cluster, "ws", alice, device="lost", token=token)
    thieves = [
        join(cluster, way, alice, ".2", device=f"thief {way}", token=token)
        for way in ("ws", "tcp", "events")
    ]
    poll = Comet(cluster.platform.url("web.2"), token)
    with ThreadPoolExecutor(1) as pool, closing(poll):
        waiting = pool.submit(poll.poll, 0, wait_s=25, device="thief comet")
        wait_until(lambda: "thief comet" in online(cluster, alice))

        # When
        caller = cluster.short(cluster.token(alice))
        ok(caller.call(im_pb2.LogOutRequest(device="lost")))

        # Then
        assert {ended(client)[0] for client in thieves} == {"TOKEN_REVOKED"}
        assert refused(waiting.result(DEADLINE_S)) == "TOKEN_REVOKED"


def test_a_device_without_a_name_is_logged_out_while_it_is_connected(cluster: Cluster) -> None:
    alice = cluster.person("alice")
    client = cluster.connect_bare()
    name = client.auth(cluster.new_token(alice)).device
    ok(cluster.short(cluster.token(alice)).call(im_pb2.LogOutRequest(device=name)))
    assert ended(client) == ("TOKEN_REVOKED", 4401)


@pytest.mark.parametrize("device", ["", "unknown", "x" * 1000, "~"])
def test_no_such_device(cluster: Cluster, device: str) -> None:
    # Given: somebody else has one of that name
    cluster.connect_bare().auth(cluster.token(cluster.person()), device=device[:64])
    alice = cluster.connect(cluster.person())

    # Then
    assert refused(alice.call(im_pb2.LogOutRequest(device=device))) == "NOT_FOUND"
    alice.settle()


def _wait_refused(cluster: Cluster, token: str) -> None:
    """Wait until no process takes the token any more."""
    for web in ("web", "web.2"):
        short = cluster.short(token, web)

        def is_refused(caller: Caller = short) -> bool:
            answer = caller.call(im_pb2.DevicesRequest())
            return bool(answer.error.code) and refused(answer) == "TOKEN_REVOKED"

        wait_until(is_refused, what=f"the token refused by {web}")
    for gateway in ("gateway", "gateway.2"):

        def is_closed(name: str = gateway) -> bool:
            client = cluster.tcp(gateway=name)
            try:
                answer = client.call(im_pb2.AuthRequest(token=token, device="attempt"))
            except Closed:  # it had been let in, and the process heard before it was told
                assert ended(client)[0] == "TOKEN_REVOKED"
                return False
            finally:
                client.close()
            return bool(answer.error.code) and refused(answer) == "TOKEN_REVOKED"

        wait_until(is_closed, what=f"the token refused by {gateway}")


def _listed(caller: Caller) -> list[im_pb2.Device]:
    return list(ok(caller.call(im_pb2.DevicesRequest())).devices)


def _now_ms() -> int:
    return int(time.time() * 1000)
