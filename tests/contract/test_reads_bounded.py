"""A page costs what is on it, however long the mailbox or the group: the server walks no further.

MariaDB counts what it walks past in an index as well, and the tables on disk it sorts in
(docs/decisions/020-pages-cost-what-is-on-them.md).
"""

from collections.abc import Callable, Sequence

import pytest

from models import grouplog, groupunread
from models.append import append
from models.conversations import NO_MARKS
from models.core import Core
from models.grouplog import Range, read_ranges
from models.groupunread import Counted, GroupUnread
from models.log import Row
from models.mailbox import history, sync
from models.shards import Shard
from models.usecases.groupconversations import read_group
from proto import im_pb2
from tests.contract.conftest import Chat
from tests.support.groupstore import GroupStore, someone

ROWS = 6000
PAGE = 20
PARTS = (0.02, 0.5, 0.98)
"""How far into all rows a page lies."""

WALKED_MAX = 4 * PAGE
"""As many in either direction, each row of the page in the table, and the ends of ranges."""

WALKED = "'Handler_icp_attempts', 'Handler_read_next', 'Handler_read_prev', 'Handler_read_key'"
ON_DISK = "'Created_tmp_disk_tables'"


def counted(shard: Shard, names: str) -> tuple[int, int]:
    """The connection that asks, and the sum of its counters."""
    ((connection, count),) = shard.database.query(
        "SELECT CONNECTION_ID(), SUM(VARIABLE_VALUE) FROM information_schema.SESSION_STATUS"
        f" WHERE VARIABLE_NAME IN ({names})"
    )
    return int(connection), int(count)


def growth(shard: Shard, names: str, ask: Callable[[], object]) -> int:
    """By how much the counters grow for what is asked, beside the reading of them."""
    connection, start = counted(shard, names)
    idle = counted(shard, names)[1] - start
    _, before = counted(shard, names)
    ask()
    same, after = counted(shard, names)
    assert same == connection
    return after - before - idle


def read_cheaply(shard: Shard, read: Callable[[], Sequence[Row]]) -> list[int]:
    """The versions on a page, once it is known that it costs no more than that."""
    assert growth(shard, WALKED, read) < WALKED_MAX
    assert growth(shard, ON_DISK, read) == 0
    return [row.version for row in read()]


@pytest.fixture
def conversation(core: Core, user_in: Callable[[int], str]) -> tuple[Shard, str, str]:
    """Two users of one shard who wrote to each other in turn, while a third wrote to both."""
    chat, alice, bob, carol = Chat(core), user_in(0), user_in(0), user_in(0)
    turns = [(alice, bob), (bob, alice), (carol, alice), (carol, bob)]
    drafts = [chat.draft(*turns[turn % len(turns)], "hi") for turn in range(ROWS)]
    append(drafts[0].shard.database, drafts)
    return core.shards.of_user(bob), alice, bob


def numbered(shard: Shard, where: str, *args: str) -> list[tuple[int, bytes]]:
    """Versions and ids of the rows there, ascending."""
    rows = shard.database.query(
        f"SELECT version, id FROM {shard.table} WHERE {where} ORDER BY version", args
    )
    return [(version, identifier) for version, identifier in rows]


@pytest.mark.parametrize("part", PARTS)
def test_sync(conversation: tuple[Shard, str, str], part: float) -> None:
    shard, alice, _ = conversation
    mailbox = [version for version, _ in numbered(shard, "%s IN (sender, receiver)", alice)]
    at = int(len(mailbox) * part)
    page = read_cheaply(shard, lambda: sync(shard, alice, mailbox[at - 1], PAGE))
    assert page == mailbox[at : at + PAGE]


@pytest.mark.parametrize("part", PARTS)
def test_history(conversation: tuple[Shard, str, str], part: float) -> None:
    shard, alice, bob = conversation
    rows = numbered(shard, "sender IN (%s, %s) AND receiver IN (%s, %s)", alice, bob, alice, bob)
    at = int(len(rows) * part)
    page = read_cheaply(shard, lambda: history(shard, bob, alice, rows[at][1], NO_MARKS, PAGE))
    assert page == [version for version, _ in reversed(rows[max(at - PAGE, 0) : at])]


@pytest.fixture
def group(core: Core) -> tuple[GroupStore, str, str]:
    """A group in which its owner said much, and the other member."""
    store, owner, member = GroupStore(core), someone(), someone()
    group = store.make(owner, member)
    store.send(*(store.draft(group, owner) for _ in range(ROWS)))
    return store, group, member


@pytest.mark.parametrize("part", PARTS)
def test_group_sync(group: tuple[GroupStore, str, str], part: float) -> None:
    store, name, member = group
    shard, end = store.shard(name), store.member(member, name).group.latest
    log = [row.version for row in store.log(name)]
    at = int(len(log) * part)
    asked = [Range(name, log[at - 1], end, PAGE)]
    assert read_cheaply(shard, lambda: read_ranges(shard, asked)[0]) == log[at : at + PAGE]


@pytest.mark.parametrize("part", PARTS)
def test_group_history(group: tuple[GroupStore, str, str], part: float) -> None:
    store, name, member = group
    shard, one, log = store.shard(name), store.member(member, name), store.log(name)
    at = int(len(log) * part)
    page = read_cheaply(shard, lambda: grouplog.history(shard, one, log[at].id, PAGE))
    assert page == [row.version for row in reversed(log[at - PAGE : at])]


@pytest.mark.parametrize("forward", [False, True], ids=["anew", "forward"])
def test_what_is_unread(core: Core, group: tuple[GroupStore, str, str], forward: bool) -> None:
    """Counted behind the read position, or forward from a count made shortly before."""
    store, name, member = group
    shard, last = store.shard(name), store.log(name)[-PAGE - 1]
    read_group(core, member, im_pb2.ReadRequest(type=im_pb2.GROUP, peer=name, id=last.id.hex()))
    one, unread = store.member(member, name), GroupUnread(core.shards, core.redis)
    half = Counted(one.group.latest - PAGE // 2, PAGE // 2, 0, one.own.bound.hex())

    def count() -> None:
        counts = unread.count(member, [one], {name: half} if forward else {})
        assert counts[name].messages == PAGE

    assert growth(shard, WALKED, count) < WALKED_MAX


def test_counting_ends_where_it_says(
    core: Core, group: tuple[GroupStore, str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of many unread messages no more are looked at than are counted."""
    monkeypatch.setattr(groupunread, "COUNT_MAX", PAGE)
    store, name, member = group
    shard, early = store.shard(name), store.log(name)[ROWS // 10]
    read_group(core, member, im_pb2.ReadRequest(type=im_pb2.GROUP, peer=name, id=early.id.hex()))
    one, unread = store.member(member, name), GroupUnread(core.shards, core.redis)
    assert growth(shard, WALKED, lambda: unread.count(member, [one])) < WALKED_MAX
