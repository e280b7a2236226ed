"""The client of docs/protocol.md, run as it is printed there, while pushes get lost."""

import random
import re
import uuid
from collections import Counter
from typing import Any

import pytest

from dev.clients.device import Push
from dev.clients.wait import wait_until
from dev.clients.wire import ok, text_to
from dev.clients.ws import WebSocketClient
from dev.docs.__main__ import PROTOCOL
from proto import im_pb2
from proto.commands import BY_NAME
from tests.support.cluster import Cluster
from tests.support.groups import make_group, say
from tests.support.people import Person

ROUNDS = 60
_LISTING = re.compile(r"```python\n(.*?)```", re.DOTALL)


class Printed:
    """The printed client on a WebSocket; pushes may be lost, come late, or twice."""

    def __init__(self, device: WebSocketClient, seed: int) -> None:
        (listing,) = _LISTING.findall(PROTOCOL.read_text())
        names: dict[str, Any] = {}
        exec(compile(listing, str(PROTOCOL), "exec"), names)
        self.device = device
        self.shown: list[im_pb2.Message] = []
        self.client = names["Client"](self._call, self.shown.append)
        self.fate: Counter[str] = Counter()
        self._chance = random.Random(seed)
        self._late: list[Push] = []

    def _call(self, name: str, **fields: Any) -> Any:
        type_ = BY_NAME[name].request
        assert type_ is not None
        return ok(self.device.call(type_(**fields)))

    def take_in(self) -> None:
        """Hand over what was pushed so far, or not."""
        self.device.settle()
        came, self.device.pushes[:] = [*self.device.pushes], []
        late, self._late = self._late, []
        for push in came:
            fate = self._chance.choices(["lost", "late", "twice", "fine"], [3, 2, 2, 3])[0]
            self.fate[fate] += 1
            if fate == "late":
                self._late.append(push)
            for _ in range({"lost": 0, "late": 0, "twice": 2, "fine": 1}[fate]):
                self._hand_over(push)
        for push in late:
            self._hand_over(push)

    def _hand_over(self, push: Push) -> None:
        handlers: dict[int, Any] = {
            im_pb2.CMD_PUSH_MESSAGES: self.client.on_messages,
            im_pb2.CMD_PUSH_GROUPS: self.client.on_groups,
            im_pb2.CMD_PUSH_RESYNC: self.client.on_resync,
        }
        if push.cmd in handlers:
            handlers[push.cmd](push.body)

    def heartbeat(self) -> None:
        """One ping, whose answer says what was missed."""
        self.client.on_versions(ok(self.device.call(im_pb2.PingRequest())))


@pytest.mark.parametrize("seed", range(3))
def test_the_printed_client_misses_nothing_and_shows_nothing_twice(
    cluster: Cluster, seed: int
) -> None:
    # Given: bob, with the printed client
    alice, bob = (Person(cluster, name, "web.2") for name in cluster.pair("other database"))
    device = cluster.connect_bare()
    printed = Printed(device, seed)
    printed.client.on_versions(device.auth(cluster.token(bob.name)))
    chance = random.Random(1000 + seed)
    groups: list[str] = []
    own: list[str] = []
    said: set[str] = set()  # in groups, while he was in them

    # When: alice writes to him and to groups, recalls some, brings him in and takes him out
    for turn in range(ROUNDS):
        what = chance.choices(["write", "say", "recall", "group", "remove"], [8, 8, 3, 1, 1])[0]
        if what == "group" or not groups:
            groups.append(make_group(alice, [bob.name]))
        elif what == "write":
            own.append(alice.do(text_to(bob.name, f"number {turn}")).id)
        elif what == "say":
            own.append(alice.do(say(groups[-1], f"number {turn}")).id)
            said.add(own[-1])
        elif what == "recall" and own:
            alice.do(im_pb2.RecallRequest(id=chance.choice(own)))
        elif what == "remove" and len(groups) > 1:
            alice.do(im_pb2.GroupRemoveRequest(group=groups[0], users=[bob.name]))
        if turn % 5 == 4:
            printed.take_in()
    assert min(printed.fate.values()) > 0
    assert len(printed.fate) == 4

    # Then: some heartbeats later it has what a client has that lost nothing
    wait_until(lambda: not cluster.store.undelivered(), what="delivery")
    printed.take_in()
    printed.heartbeat()
    bob.reader.sync()
    wanted = {row.id: row.withdraw_time for row in cluster.store.mailbox(bob.name)}
    for kept in bob.reader.messages.values():
        wanted |= {message.id: message.withdraw_time for message in kept.values()}
    has = {one.id: one.withdraw_time for one in printed.client.messages.values()}
    assert {id_: at for id_, at in has.items() if id_ in wanted} == wanted
    assert printed.client.groups == bob.reader.cursors
    # Then: besides that only what happened in the group he is not in any more
    assert has.keys() - wanted.keys() <= said | system_ids(printed)
    # Then: each was shown once, and once more when it was recalled
    times = Counter((message.id, bool(message.withdraw_time)) for message in printed.shown)
    assert set(times.values()) == {1}
    assert {id_ for id_, _ in times} == has.keys()
    # Then: a heartbeat with nothing missed asks for nothing
    printed.heartbeat()
    assert printed.client.groups_version() == bob.reader.version


def system_ids(printed: Printed) -> set[str]:
    """What happened to groups, as the client knows it."""
    return {one.id for one in printed.client.messages.values() if not one.sender}


def test_a_restart_goes_on_where_it_was(cluster: Cluster) -> None:
    # Given: a client that has kept its state, and is away
    alice, bob = (Person(cluster, name) for name in cluster.pair())
    first = Printed(cluster.connect(bob.name), 0)
    group = make_group(alice, [bob.name])
    alice.do(text_to(bob.name, "before"))
    wait_until(lambda: not cluster.store.undelivered(), what="delivery")
    first.heartbeat()
    cluster.hang_up()

    # When: something comes meanwhile, and it starts again
    bob, alice = Person(cluster, bob.name), Person(cluster, alice.name)
    ids = [
        alice.do(text_to(bob.name, "after")).id,
        alice.do(say(group, sequence=uuid.uuid4().hex)).id,
    ]
    wait_until(lambda: not cluster.store.undelivered(), what="delivery")
    device = cluster.connect_bare()
    second = Printed(device, 0)
    for name in ("cursor", "groups", "messages"):
        setattr(second.client, name, getattr(first.client, name))
    second.client.on_versions(device.auth(cluster.token(bob.name)))

    # Then: it shows what is new, and nothing else
    assert sorted(message.id for message in second.shown) == sorted(ids)
