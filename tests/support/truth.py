"""After any disaster: is everything that was acknowledged where it must be, once and in order?"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import cycle, pairwise

from dev.clients.wait import wait_until
from dev.clients.wire import insist, sync_all
from dev.clients.ws import WebSocketClient
from dev.store import Shard, Stored
from proto import im_pb2
from tests.support.chatter import TEXT, Acked, Chatter
from tests.support.cluster import Cluster


class Load:
    """Some users on all shards who write to each other; they change `webs` as they reconnect."""

    def __init__(
        self,
        cluster: Cluster,
        *,
        users: int = 6,
        window: int = 8,
        webs: tuple[str, ...] = ("web",),
    ) -> None:
        self.cluster = cluster
        self.supervise: tuple[str, ...] = ()
        """Processes that are started again when they end."""
        self.users = _spread(cluster, users)
        for user in self.users:
            cluster.token(user)  # the user centre is not part of what breaks
        self.chatters = [
            Chatter(
                user,
                [peer for peer in self.users if peer != user],
                partial(_connect, cluster, user, cycle(webs)),
                window=window,
            )
            for user in self.users
        ]

    def __enter__(self) -> "Load":
        for chatter in self.chatters:
            chatter.start()
        return self

    def __exit__(self, *_: object) -> None:
        for chatter in self.chatters:
            chatter.end()

    @property
    def acked(self) -> list[Acked]:
        return [acked for chatter in self.chatters for acked in tuple(chatter.acked.values())]

    def wait_acks(self, more: int = 200) -> None:
        """Return when so many more sends of everybody together are acknowledged."""
        wanted = len(self.acked) + more
        wait_until(lambda: self._check() and len(self.acked) >= wanted, what=f"{more} more acks")

    def check(self) -> None:
        """Let everything come to rest, then hold it against the promise."""
        for chatter in self.chatters:
            chatter.hush()
        wait_until(
            lambda: self._check() and all(chatter.idle for chatter in self.chatters),
            what="an ack for every send",
        )
        self.check_delivered()
        rows = self.cluster.store.rows("1 = 1")
        mine = [row for row in rows if row.sender in self.users]
        check_stored(self.cluster, self.acked, mine)
        for chatter in self.chatters:
            check_mailbox(self.cluster, chatter)
            check_contacts(self.cluster, chatter.user)
        check_logs(self.cluster, TEXT)

    def check_delivered(self) -> None:
        """Wait until the logs are delivered and every device shows its whole mailbox."""
        store = self.cluster.store
        wait_until(lambda: self._check() and store.undelivered() == 0, what="delivery")
        for chatter in self.chatters:
            wanted = {row.id: row.withdraw_time for row in store.mailbox(chatter.user)}
            wait_until(
                lambda c=chatter, w=wanted: (  # type: ignore[misc]
                    self._check()
                    and {m.id: m.withdraw_time for m in tuple(c.messages.values())} == w
                ),
                what=f"the device of {chatter.user} showing all of its mailbox",
            )

    def _check(self) -> bool:
        self.cluster.revive(*self.supervise)
        for chatter in self.chatters:
            if chatter.failure is not None:
                raise AssertionError(f"{chatter.user} failed") from chatter.failure
        return True


def _connect(cluster: Cluster, user: str, webs: Iterator[str]) -> WebSocketClient:
    return cluster.connect(user, next(webs))


def _spread(cluster: Cluster, count: int) -> list[str]:
    """New users, evenly over the shards."""
    free = [shard for n in range(count) for shard in (cluster.store.mailbox_shards()[n % 4],)]
    users: list[str] = []
    while free:
        user = cluster.person()
        if (shard := cluster.store.shard_of(user)) in free:
            free.remove(shard)
            users.append(user)
    return users


def check_stored(cluster: Cluster, acked: Sequence[Acked], rows: Sequence[Stored]) -> None:
    """Each acknowledged message lies once in both mailboxes and nowhere else, in order."""
    places: dict[str, list[Stored]] = defaultdict(list)
    for row in rows:
        places[row.id].append(row)
    assert {one.id for one in acked} == places.keys(), "acknowledged and stored differ"
    shard_of = cluster.store.shard_of
    for one in acked:
        found = places[one.id]
        assert {(r.sender, r.receiver, r.sequence) for r in found} == {one[1:]}
        homes = {shard_of(one.sender), shard_of(one.receiver)}
        assert sorted(r.shard for r in found) == sorted(homes), f"{one.sequence} lies wrong"
        assert len({(r.content, r.send_time, r.withdraw_time) for r in found}) == 1
        if not found[0].withdraw_time:
            content = im_pb2.Content.FromString(found[0].content)
            number = int(one.sequence.rpartition("/")[2])
            assert content.text.text == f"{TEXT} {number}"
    _check_order(rows)


def _check_order(rows: Iterable[Stored]) -> None:
    """In every shard each sender's messages lie in the order they were sent."""
    by_sender: dict[tuple[Shard, str], list[Stored]] = defaultdict(list)
    for row in rows:
        by_sender[row.shard, row.sender].append(row)
    for group in by_sender.values():
        kept = [row for row in group if not row.withdraw_time]  # a recall moves the row
        assert all(a.sequence < b.sequence for a, b in pairwise(kept)), "order by version"
        by_id = sorted(group, key=lambda row: row.id)
        assert all(a.sequence < b.sequence for a, b in pairwise(by_id)), "order by id"
        assert all(a.send_time <= b.send_time for a, b in pairwise(by_id)), "order by time"


def check_mailbox(cluster: Cluster, chatter: Chatter) -> None:
    """Sync reads exactly what MySQL holds; the device showed it in that order."""
    stored = cluster.store.mailbox(chatter.user)
    with cluster.connect(chatter.user) as client:
        synced = sync_all(client, limit=200, patient=True)
    assert [(m.id, m.version) for m in synced] == [(row.id, row.version) for row in stored]
    shown = [m.id for m in chatter.messages.values() if not m.withdraw_time]
    assert shown == [row.id for row in stored if not row.withdraw_time], "order on screen"


def check_contacts(cluster: Cluster, user: str) -> None:
    """Last messages and unread counts are those a recount in MySQL gives."""
    store = cluster.store
    with cluster.connect(user) as client:
        contacts = insist(client, im_pb2.ContactsRequest()).contacts
    expected: dict[str, str] = {}
    for row in store.mailbox(user):
        peer = row.receiver if row.sender == user else row.sender
        expected[peer] = max(expected.get(peer, ""), row.id)
    assert {c.peer: c.last.id for c in contacts} == expected
    counted = {peer: store.unread(user, peer) for peer in expected}
    assert {c.peer: c.unread for c in contacts} == counted


def check_logs(cluster: Cluster, secret: str) -> None:
    """No process wrote this into its log."""
    for name, text in cluster.logs().items():
        assert secret not in text, f"{name} logs bodies"
