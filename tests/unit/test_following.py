"""The order of things inside one process: who comes and goes while their list is being read.

The hub and the list are made by hand, because no process can be stopped between two of its lines;
everything else about following is tested through processes (test_group_races.py).
"""

from collections.abc import Iterable, Sequence
from typing import Any, cast

import gevent
import pytest
from gevent.event import Event

from models import keys
from models.membership import Memberships
from proto import im_pb2
from web.codec import Downlink, read_group_channel
from web.following import Following

USER, GROUP, OTHER = "alice", "g1", "g2"


class Channels:
    """Channels that are subscribed when the test says so."""

    def __init__(self) -> None:
        self.connected = True
        self.wanted: dict[str, Event] = {}

    def subscribe(self, channel: str) -> Event:
        return self.wanted.setdefault(channel, Event())

    def unsubscribe(self, channel: str) -> None:
        self.wanted.pop(channel).set()

    def confirm(self) -> None:
        """Everything asked for is subscribed."""
        for event in self.wanted.values():
            event.set()


class Hub:
    """Who is here, and what they are told."""

    def __init__(self) -> None:
        self.channels = Channels()
        self.here = {USER}
        self.told: list[im_pb2.GroupsPush] = []
        self.resyncs = 0

    def users(self) -> Iterable[str]:
        return self.here

    def is_here(self, user: str) -> bool:
        return user in self.here

    def offer_user(self, user: str, downlink: Downlink) -> None:
        if downlink.number == im_pb2.CMD_PUSH_RESYNC:
            self.resyncs += 1
        else:
            self.told.append(im_pb2.GroupsPush.FromString(downlink.body))


class Lists:
    """Lists that are read when the test says so, as they are at the beginning of that."""

    def __init__(self) -> None:
        self.now: dict[str, int] = {}
        self.go_on = Event()
        self.go_on.set()
        self.reads = 0
        self.failures = 0
        """So many reads are going to fail."""

    def joins(self, users: Sequence[str]) -> list[dict[str, int]]:
        self.reads += 1
        found = dict(self.now)
        self.go_on.wait()
        if self.failures:
            self.failures -= 1
            raise ConnectionError
        return [found for _ in users]


class World:
    def __init__(self) -> None:
        self.hub, self.lists = Hub(), Lists()
        self.following = Following(cast(Any, self.hub), cast(Memberships, self.lists))

    def members(self, previous: int = 100, version: int = 101) -> set[str]:
        """Who gets a message with this version, and this one before it."""
        entry = im_pb2.MessagesPush(messages=[im_pb2.Message(id="x", version=version)])
        payload = b"m%d \n%s" % (previous, entry.SerializeToString())
        downlink, before, _ = read_group_channel(GROUP, payload)
        return set(self.following.members(GROUP, before, downlink))

    def open(self, user: str, listed: dict[str, int] | None = None) -> Any:
        """A greenlet in which the user connects."""
        following = self.following
        return gevent.spawn(following.begin, user, listed, following.moment)

    def settle(self) -> None:
        """Let everything run that can; pings of the loop, no time passes."""
        for _ in range(10):
            gevent.sleep(0)


@pytest.fixture
def world() -> World:
    return World()


def test_who_is_named_as_leaving_while_the_list_is_read_is_not_in_it(world: World) -> None:
    # Given: the channel is subscribed, and the list is read once more
    world.lists.now = {GROUP: 1, OTHER: 2}
    world.hub.channels.subscribe(keys.group_channel(GROUP)).set()
    world.hub.channels.subscribe(keys.group_channel(OTHER)).set()
    world.lists.go_on.clear()
    opening = world.open(USER)
    world.settle()
    # When
    world.following.leave(GROUP, [USER])
    world.lists.go_on.set()
    opening.get()
    # Then
    assert world.members() == set()
    assert set(world.hub.channels.wanted) == {keys.group_channel(OTHER)}


def test_a_list_that_was_asked_for_before_somebody_went_does_not_undo_it(world: World) -> None:
    # Given: another connection keeps the channel subscribed
    world.hub.channels.subscribe(keys.group_channel(GROUP)).set()
    moment = world.following.moment
    # When: they are named between the asking and the answer
    world.following.leave(GROUP, [USER])
    world.following.begin(USER, {GROUP: 1}, moment)
    # Then
    assert world.members() == set()


def test_a_list_from_before_the_subscription_is_read_again(world: World) -> None:
    # Given: a list that the cache gave, whose channels are not subscribed yet
    opening = world.open(USER, {GROUP: 1})
    world.settle()
    assert world.members() == set(), "nobody is in anything before that"
    # When: the user goes before the subscription, so nobody names them any more
    world.lists.now = {}
    world.hub.channels.confirm()
    opening.get()
    # Then
    assert world.members() == set()
    assert not world.hub.channels.wanted


def test_who_comes_back_while_the_list_is_read_is_in_it(world: World) -> None:
    # Given
    world.lists.now = {GROUP: 1}
    world.hub.channels.subscribe(keys.group_channel(GROUP)).set()
    world.lists.go_on.clear()
    opening = world.open(USER)
    world.settle()
    # When
    world.following.leave(GROUP, [USER])
    world.lists.now = {GROUP: 50}
    world.following.look_again(USER)
    world.lists.go_on.set()
    opening.get()
    world.settle()
    # Then: for what came behind their coming back
    assert world.members(previous=50, version=51) == {USER}
    assert world.members(previous=49, version=50) == {USER}
    assert world.members(previous=10, version=11) == set()
    assert world.lists.reads == 2


def test_what_was_lost_meanwhile_makes_the_list_be_read_again(world: World) -> None:
    # Given
    world.lists.now = {GROUP: 1}
    world.hub.channels.subscribe(keys.group_channel(GROUP)).set()
    world.lists.go_on.clear()
    opening = world.open(USER)
    world.settle()
    # When: the subscription breaks, and the user goes unheard
    world.following.lose()
    world.lists.now = {}
    world.lists.go_on.set()
    opening.get()
    # Then
    assert world.members() == set()


def test_who_hangs_up_while_the_list_is_read_leaves_nothing_behind(world: World) -> None:
    # Given
    world.lists.now = {GROUP: 1}
    opening = world.open(USER)
    world.settle()
    # When
    world.hub.here.clear()
    world.following.end(USER)
    world.hub.channels.confirm()
    opening.get()
    # Then
    assert world.members() == set()
    assert not world.hub.channels.wanted


def test_two_in_one_group_share_its_channel(world: World) -> None:
    # Given
    world.hub.here = {USER, "bob"}
    world.lists.now = {GROUP: 1}
    for user in ("bob", USER):
        opening = world.open(user)
        world.settle()
        world.hub.channels.confirm()
        opening.get()
    # When
    world.following.leave(GROUP, ["bob"])
    # Then
    assert [push.left for push in world.hub.told] == [GROUP]
    assert world.members() == {USER}
    assert set(world.hub.channels.wanted) == {keys.group_channel(GROUP)}
    world.following.end(USER)
    assert not world.hub.channels.wanted


def test_who_connects_while_a_read_fails_is_followed_all_the_same(world: World) -> None:
    # Given: a connection whose list is being read, and another one that waits for that
    world.lists.now = {GROUP: 1}
    world.hub.channels.subscribe(keys.group_channel(GROUP)).set()
    world.lists.go_on.clear()
    first = world.open(USER)
    world.settle()
    second = world.open(USER)
    world.settle()
    # When
    world.lists.failures = 1
    world.lists.go_on.set()
    first.get()
    second.get()
    # Then
    assert world.members() == {USER}


def test_who_comes_back_does_not_wait_for_channels_that_were_given_up(world: World) -> None:
    # Given: a connection that waits for its channel, and ends
    world.lists.now = {GROUP: 1}
    first = world.open(USER)
    world.settle()
    world.hub.here.clear()
    world.following.end(USER)
    # When: the user is back
    world.hub.here.add(USER)
    second = world.open(USER)
    world.settle()
    world.hub.channels.confirm()
    first.get()
    second.get()
    # Then
    assert world.members() == {USER}


def test_who_joins_during_their_own_log_in_is_told_to_sync(world: World) -> None:
    # Given
    world.lists.now = {GROUP: 1}
    for group in (GROUP, OTHER):
        world.hub.channels.subscribe(keys.group_channel(group)).set()
    world.lists.go_on.clear()
    opening = world.open(USER)
    world.settle()
    # When
    world.lists.now = {GROUP: 1, OTHER: 2}
    world.following.look_again(USER)
    world.lists.go_on.set()
    opening.get()
    # Then: the list they logged in with may have lacked it
    assert world.hub.resyncs == 1
    assert world.lists.reads == 2


def test_who_logged_in_between_a_join_and_its_word_is_told_to_sync(world: World) -> None:
    # Given: a list that has the group already
    world.lists.now = {GROUP: 1}
    world.hub.channels.subscribe(keys.group_channel(GROUP)).set()
    world.open(USER).get()
    assert world.hub.resyncs == 0
    # When the word of the join comes, with what was published behind it
    world.following.look_again(USER)
    world.settle()
    # Then: what was published together with the join did not reach them
    assert world.hub.resyncs == 1


def test_without_a_subscription_nobody_waits_for_one(world: World) -> None:
    # Given
    channels = world.hub.channels
    channels.connected = False
    world.lists.now = {GROUP: 1}
    # When
    opening = world.open(USER)
    world.settle()
    # Then: the user is in, and gets what is sent once there is one
    assert opening.ready()
    assert world.members() == set()
    channels.connected = True
    channels.confirm()
    world.following.restore()
    assert world.members() == {USER}
