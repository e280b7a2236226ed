"""Presence by subscription: told when a user's first connection comes and the last one goes."""

import time

import pytest

from dev.clients.device import Device
from dev.clients.wait import wait_until
from dev.clients.wire import Caller, ok, refused, text_to
from proto import im_pb2
from tests.support.cluster import Cluster
from tests.support.joining import Way, by_every_way, devices, join, online

WATCHED_MAX = 200
ASKED_MAX = 100
LASTING: tuple[Way, ...] = ("ws", "json", "tcp", "events")
"""A device that polls counts as connected for a minute after its last poll."""


def subscribe(client: Caller, *users: str) -> dict[str, im_pb2.Presence]:
    """The state at the start, which must name the users as they were asked for."""
    presences = ok(client.call(im_pb2.PresenceSubscribeRequest(users=users))).presences
    assert [presence.user for presence in presences] == list(users)
    return {presence.user: presence for presence in presences}


def changes(cluster: Cluster, client: Device) -> list[tuple[str, bool]]:
    """Who came and went as the device was told, up to now; each is given once.

    Somebody who comes now is watched too: what was published before is heard before that.
    """
    marker = cluster.person("marker")
    subscribe(client, marker)
    cluster.connect(marker)
    told = []
    while (presence := client.wait_push(im_pb2.CMD_PUSH_PRESENCE).presence).user != marker:
        assert bool(presence.last_seen) is not presence.online
        told.append((presence.user, presence.online))
    ok(client.call(im_pb2.PresenceUnsubscribeRequest(users=[marker])))
    return told


def test_who_is_blocked_hears_no_more(cluster: Cluster) -> None:
    # Given: one who watches
    alice, bob = cluster.pair()
    watcher = cluster.connect(bob, "web.2")
    assert not subscribe(watcher, alice)[alice].online

    # When: blocked, and the other comes
    blocker = cluster.short(cluster.token(alice))
    ok(blocker.call(im_pb2.BlockRequest(user=bob)))
    cluster.connect(alice)

    # Then
    assert changes(cluster, watcher) == []


def leave(cluster: Cluster, user: str, name: str, client: Device) -> None:
    """Hang up, and wait until that is known."""
    client.close()
    wait_until(lambda: name not in online(cluster, user), what=f"{name} gone")


@by_every_way
def test_the_answer_tells_the_state(cluster: Cluster, way: Way) -> None:
    # Given: one who is here, one who was, one who never was
    here, was, never = (cluster.person(name) for name in ("here", "was", "never"))
    join(cluster, way, here, device="d")
    before = int(time.time() * 1000)
    leave(cluster, was, "d", join(cluster, "tcp", was, device="d"))
    after = int(time.time() * 1000)
    watcher = cluster.connect(cluster.person(), "web.2")

    # When: asked once, or subscribed
    asked = im_pb2.PresenceRequest(users=[never, here, was, here])
    short = cluster.short(cluster.token(cluster.person()), json=True)
    listed = ok(short.call(asked)).presences
    told = subscribe(watcher, never, here, was)

    # Then
    assert [presence.user for presence in listed] == list(asked.users)
    assert {presence.user: presence for presence in listed} == told
    assert (told[here].online, told[here].last_seen) == (True, 0)
    assert (told[never].online, told[never].last_seen) == (False, 0)
    assert not told[was].online
    assert before <= told[was].last_seen <= after


@pytest.mark.parametrize("watching", ["ws", "json", "tcp"])
@pytest.mark.parametrize("way", LASTING)
def test_the_first_and_the_last_connection_are_told(
    cluster: Cluster, watching: Way, way: Way
) -> None:
    # Given
    alice, bob = cluster.pair()
    watcher = join(cluster, watching, bob, ".2", device="watcher")
    assert not subscribe(watcher, alice)[alice].online

    # When the first comes, then others elsewhere, and all but one go
    first = join(cluster, way, alice, device="first")
    assert watcher.wait_push(im_pb2.CMD_PUSH_PRESENCE).presence.online
    second = join(cluster, "tcp", alice, ".2", device="second")
    third = join(cluster, "ws", alice, ".2", device="third")
    leave(cluster, alice, "first", first)
    leave(cluster, alice, "third", third)

    # Then: nothing more
    assert changes(cluster, watcher) == []

    # When the last goes
    before = int(time.time() * 1000)
    second.close()

    # Then
    presence = watcher.wait_push(im_pb2.CMD_PUSH_PRESENCE).presence
    assert (presence.user, presence.online) == (alice, False)
    assert before <= presence.last_seen <= int(time.time() * 1000)
    # Then: the same for the next time
    join(cluster, way, alice, device="first")
    assert changes(cluster, watcher) == [(alice, True)]


def test_a_device_that_polls_is_online_between_polls(cluster: Cluster) -> None:
    alice, bob = cluster.pair()
    watcher = cluster.connect(bob)
    subscribe(watcher, alice)
    poll = cluster.polls(alice, "web.2")
    for _ in range(3):
        ok(poll.poll(0, device="tab"))
        assert changes(cluster, watcher) in ([(alice, True)], [])
        assert subscribe(watcher, alice)[alice].online
    # Then: logged out it is gone at once, once it hears of it
    waiting = cluster.comet(alice, device="tab")
    ok(cluster.short(cluster.new_token(alice)).call(im_pb2.LogOutRequest(device="tab")))
    waiting.wait_closed()
    wait_until(lambda: not subscribe(watcher, alice)[alice].online)
    assert changes(cluster, watcher) == [(alice, False)]
    wait_until(lambda: "tab" in devices(cluster, alice), what="the device remembered")


def test_who_is_kicked_for_another_stays_online(cluster: Cluster) -> None:
    alice, bob = cluster.pair()
    watcher = cluster.connect(bob, "web.2")
    join(cluster, "ws", alice, device="phone")
    assert subscribe(watcher, alice)[alice].online
    join(cluster, "tcp", alice, ".2", device="phone").settle()
    assert changes(cluster, watcher) == []


def test_unsubscribing_ends_it(cluster: Cluster) -> None:
    # Given
    alice, bob = cluster.pair()
    carol = cluster.person("carol")
    watcher = cluster.connect(cluster.person())
    subscribe(watcher, alice, bob, carol)

    # When: one of them, and one that was never watched
    ok(watcher.call(im_pb2.PresenceUnsubscribeRequest(users=[alice, "nobody"])))

    # Then
    clients = {user: join(cluster, "ws", user, device="d") for user in (alice, bob, carol)}
    assert changes(cluster, watcher) == [(bob, True), (carol, True)]
    # When: all
    ok(watcher.call(im_pb2.PresenceUnsubscribeRequest()))
    for user, client in clients.items():
        leave(cluster, user, "d", client)
    assert changes(cluster, watcher) == []


def test_a_connection_watches_for_itself(cluster: Cluster) -> None:
    # Given: two devices of one user; the first to watch is gone, the second watches on
    alice, bob = cluster.pair()
    first, second, third = (cluster.connect(bob) for _ in range(3))
    for client in (first, second):
        subscribe(client, alice, bob)
    first.close()

    # When
    join(cluster, "tcp", alice, device="d")

    # Then
    assert second.wait_push(im_pb2.CMD_PUSH_PRESENCE).presence.user == alice
    third.settle()
    assert not third.pushes


def test_whom_one_blocks_sees_nothing(cluster: Cluster) -> None:
    # Given
    alice, bob = cluster.pair()
    watcher = cluster.connect(bob)
    phone = join(cluster, "tcp", alice, device="phone")
    ok(phone.call(im_pb2.BlockRequest(user=bob)))

    # Then: not whether she is there, nor when she was
    hidden = im_pb2.Presence(user=alice)
    assert subscribe(watcher, alice)[alice] == hidden
    leave(cluster, alice, "phone", phone)
    assert changes(cluster, watcher) == []
    (asked,) = ok(watcher.call(im_pb2.PresenceRequest(users=[alice]))).presences
    assert asked == hidden
    # Then: she sees him; and he her again, when she lets him
    browser = join(cluster, "ws", alice, device="browser")
    assert subscribe(browser, bob)[bob].online
    ok(browser.call(im_pb2.UnblockRequest(user=bob)))
    assert subscribe(watcher, alice)[alice].online


def test_presence_is_not_for_polls_and_short_calls(cluster: Cluster) -> None:
    for json in (True, False):
        short = cluster.short(cluster.token(cluster.person()), json=json)
        request = im_pb2.PresenceSubscribeRequest(users=[cluster.person()])
        assert refused(short.call(request)) == "BAD_REQUEST"


class TestLimits:
    @pytest.mark.parametrize(
        "users", [[], [""], ["x" * 65], ["a b"], [f"u{n}" for n in range(ASKED_MAX + 1)]]
    )
    def test_what_is_no_list_of_users_is_refused(self, cluster: Cluster, users: list[str]) -> None:
        client = cluster.connect(cluster.person())
        for request in (
            im_pb2.PresenceRequest(users=users),
            im_pb2.PresenceSubscribeRequest(users=users),
        ):
            assert refused(client.call(request)) == "BAD_REQUEST"

    def test_a_connection_hears_of_so_many_at_most(self, cluster: Cluster) -> None:
        # Given: all it may have, asked for twice
        client = cluster.connect(cluster.person())
        people = [cluster.person() for _ in range(WATCHED_MAX)]
        for _ in range(2):
            for start in range(0, WATCHED_MAX, ASKED_MAX):
                subscribe(client, *people[start : start + ASKED_MAX])

        # Then: no other, until it drops one; another connection has its own share
        one_more = im_pb2.PresenceSubscribeRequest(users=[cluster.person()])
        assert refused(client.call(one_more)) == "LIMIT_EXCEEDED"
        ok(cluster.connect(cluster.person()).call(one_more))
        ok(client.call(im_pb2.PresenceUnsubscribeRequest(users=people[:1])))
        ok(client.call(one_more))

    def test_requests_side_by_side_do_not_go_beyond_it(self, cluster: Cluster) -> None:
        client = cluster.connect(cluster.person())
        posted = [
            client.post(
                im_pb2.PresenceSubscribeRequest(users=[cluster.person() for _ in range(ASKED_MAX)])
            )
            for _ in range(4)
        ]
        answers = [client.answer(seq).body.error.name for seq in posted]
        assert sorted(answers) == ["", "", "LIMIT_EXCEEDED", "LIMIT_EXCEEDED"]


def test_messages_and_presence_share_a_connection(cluster: Cluster) -> None:
    alice, bob = cluster.pair()
    watcher = cluster.tcp(bob)
    subscribe(watcher, alice)
    sent = ok(join(cluster, "ws", alice, device="d").call(text_to(bob))).id
    watcher.wait_message(sent)
    assert changes(cluster, watcher) == [(alice, True)]
