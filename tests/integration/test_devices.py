"""Many devices of one user: how many of a class, who gives way, what each of them hears."""

from collections.abc import Iterator

import pytest

from dev.clients.device import Closed, Device
from dev.clients.wait import wait_until
from dev.clients.wire import ok, refused, text_to
from proto import im_pb2
from tests.support.cluster import Cluster
from tests.support.joining import Way, by_every_way, ended, join, online
from tests.support.polls import EventDevice

SMALL = {
    "IM_DEVICES_WEB_MAX": "2",
    "IM_DEVICES_MOBILE_MAX": "1",
    "IM_DEVICES_DESKTOP_MAX": "1",
}
KICKED_CODE = {"ws": 4401, "json": 4401, "comet": 4401, "tcp": 1000, "events": 1000}


@pytest.fixture(scope="module")
def small(shared_cluster: Cluster) -> Iterator[None]:
    """Beside the usual processes some that let few devices in."""
    platform = shared_cluster.platform
    platform.start("web.small", "gateway.small", env=SMALL)
    platform.start("web.strict", "gateway.strict", env={**SMALL, "IM_DEVICES_POLICY": "refuse"})
    yield
    platform.stop("web.small", "gateway.small", "web.strict", "gateway.strict")


@pytest.mark.usefixtures("small")
class TestCaps:
    @by_every_way
    @pytest.mark.parametrize("newcomer", ["ws", "tcp", "events", "comet"])
    def test_the_longest_connected_of_the_class_is_kicked(
        self, cluster: Cluster, way: Way, newcomer: Way
    ) -> None:
        # Given: a class that is full, in processes other than the newcomer's, and a phone
        alice = cluster.person("alice")
        phone = join(cluster, "tcp", alice, device="phone", platform="ios")
        longest = join(cluster, way, alice, device="longest")
        stays = join(cluster, "ws", alice, ".2", device="stays")

        # When
        third = join(cluster, newcomer, alice, ".small", device="third")

        # Then: told why before it ends, and nobody else hears of it
        assert ended(longest) == ("KICKED", KICKED_CODE[way])
        assert online(cluster, alice) == {"phone", "stays", "third"}
        note = ok(stays.call(text_to(alice, "still here"))).id
        for client in (phone, stays, third):
            client.wait_message(note)
            assert all(push.cmd == im_pb2.CMD_PUSH_MESSAGES for push in client.pushes)

    @pytest.mark.parametrize(
        ("platforms", "stays"),
        [
            (("ios", "android"), False),
            (("Windows", "macOS"), False),
            (("ios", "windows"), True),
            (("android", "web"), True),
            (("h5", "mini-program"), True),  # both are browsers, of which two may be connected
        ],
    )
    def test_each_class_has_a_cap_of_its_own(
        self, cluster: Cluster, platforms: tuple[str, str], stays: bool
    ) -> None:
        alice = cluster.person("alice")
        first = join(cluster, "ws", alice, ".small", device="first", platform=platforms[0])
        join(cluster, "tcp", alice, ".small", device="second", platform=platforms[1])
        if stays:
            first.settle()
            assert online(cluster, alice) == {"first", "second"}
        else:
            assert ended(first) == ("KICKED", 4401)
            assert online(cluster, alice) == {"second"}

    def test_who_was_kicked_may_come_back_on_purpose(self, cluster: Cluster) -> None:
        alice = cluster.person("alice")
        for name in ("one", "two", "one", "two"):
            client = join(cluster, "ws", alice, ".small", device=name, platform="ios")
            client.settle()
            assert online(cluster, alice) == {name}

    def test_other_users_take_no_room(self, cluster: Cluster) -> None:
        people = [cluster.person() for _ in range(4)]
        clients = [
            join(cluster, "ws", user, ".small", device="phone", platform="ios") for user in people
        ]
        for client in clients:
            client.settle()

    @by_every_way
    def test_policy_refuse_turns_the_newcomer_away(self, cluster: Cluster, way: Way) -> None:
        # Given
        alice = cluster.person("alice")
        there = [join(cluster, "ws", alice, place, device=f"b{place}") for place in ("", ".2")]

        # When
        assert _attempt(cluster, way, alice) == "LIMIT_EXCEEDED"

        # Then: those who are there stay, and one that is known may reconnect
        for client in there:
            client.settle()
        assert online(cluster, alice) == {"b", "b.2"}
        join(cluster, way, alice, ".strict", device="b.2")
        assert ended(there[1]) == ("KICKED", 4401)
        # Then: once one has left there is room
        there[0].close()
        wait_until(lambda: online(cluster, alice) == {"b.2"})
        join(cluster, way, alice, ".strict", device="newcomer")
        assert online(cluster, alice) == {"b.2", "newcomer"}


@by_every_way
@pytest.mark.parametrize("old", ["ws", "tcp", "events", "comet"])
def test_a_device_that_reconnects_replaces_its_half_open_connection(
    cluster: Cluster, way: Way, old: Way
) -> None:
    # Given: a connection whose client is gone, as far as the client is concerned
    alice, bob = cluster.pair()
    other = join(cluster, "ws", alice, device="other")
    half_open = join(cluster, old, alice, device="phone", platform="web")

    # When: through another process
    again = join(cluster, way, alice, ".2", device="phone", platform="web")

    # Then: only the old one ends
    if (way, old) != ("comet", "comet"):  # a device that polls is one, wherever it does
        assert ended(half_open) == ("KICKED", KICKED_CODE[old])
    sent = ok(other.call(text_to(bob))).id
    again.wait_message(sent)
    other.wait_message(sent)
    assert online(cluster, alice) == {"other", "phone"}


def test_every_device_gets_everything(cluster: Cluster) -> None:
    # Given: both with devices of every class by every transport, in different processes
    alice, bob = cluster.pair("other database")
    ways: list[tuple[Way, str, str]] = [
        ("ws", "", "web"),
        ("json", ".2", "mini-program"),
        ("tcp", "", "ios"),
        ("tcp", ".2", "windows"),
        ("events", ".2", "web"),
        ("comet", "", "web"),
    ]
    clients: list[Device] = []
    mine: list[Device] = []
    for user in (alice, bob):
        mine = clients[:]
        clients += [
            join(cluster, way, user, place, device=f"d{n}", platform=platform)
            for n, (way, place, platform) in enumerate(ways)
        ]

    # When: each of Alice's sends one
    sent = [ok(client.call(text_to(bob, f"{n}"))).id for n, client in enumerate(mine)]

    # Then: all devices of both sides show all of them in one order, once
    for client in clients:
        for identifier in sent:
            client.wait_message(identifier)
        assert [m.id for m in client.messages()] == sent


@pytest.mark.parametrize(
    ("platform", "heartbeat_s"),
    [("web", 50), ("", 50), ("fridge", 50), ("iOS", 210), ("android", 210), ("Linux", 120)],
)
def test_the_advised_heartbeat_is_that_of_the_class(
    cluster: Cluster, platform: str, heartbeat_s: int
) -> None:
    for client in (cluster.connect_bare(), cluster.tcp()):
        answer = client.auth(cluster.token(cluster.person()), platform=platform)
        assert answer.heartbeat_s == heartbeat_s
        assert answer.idle_timeout_s == 900
    stream = cluster.events(cluster.person(), platform=platform)
    assert stream.opening.heartbeat_s == heartbeat_s


@pytest.mark.parametrize(
    ("device", "platform"), [("x" * 65, ""), ("", "x" * 33), ("ä", ""), ("a\nb", ""), ("", "\0")]
)
def test_names_that_cannot_be_kept_are_refused(
    cluster: Cluster, device: str, platform: str
) -> None:
    request = im_pb2.AuthRequest(
        token=cluster.token(cluster.person()), device=device, platform=platform
    )
    assert refused(cluster.connect_bare().call(request)) == "BAD_REQUEST"


def _attempt(cluster: Cluster, way: Way, user: str) -> str:
    """Why another device is refused where the policy is to refuse."""
    if way == "events":
        stream = cluster.events(user, "web.strict", device="newcomer")
        return _reason_of(stream)
    if way == "comet":
        poll = cluster.polls(user, "web.strict")
        answer = poll.poll(0, device="newcomer")
        assert poll.status == 409
        return refused(answer)
    client: Device
    if way == "tcp":
        client = cluster.tcp(gateway="gateway.strict")
    else:
        client = cluster.connect_bare("web.strict", json=way == "json")
    request = im_pb2.AuthRequest(token=cluster.token(user), device="newcomer", platform="web")
    name = refused(client.call(request))
    assert client.wait_closed().code == KICKED_CODE[way]
    return name


def _reason_of(stream: EventDevice) -> str:
    assert stream.opening.error.code, "the stream stays"
    assert isinstance(stream.wait_closed(), Closed)
    return refused(stream.opening)
