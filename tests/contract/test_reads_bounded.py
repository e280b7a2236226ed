"""A page costs what is on it, however long the mailbox or the group: the server walks no further.

MariaDB counts what it walks past in an index as well. Without being told which index to use it
begins at the first row of the user or group and skips what is below the cursor.
"""

from collections.abc import Callable, Sequence

import pytest

from models import mailbox
from models.append import append
from models.conversations import NO_MARKS
from models.core import Core
from models.grouplog import Range, history, read_ranges
from models.groupunread import Counted, GroupUnread
from models.log import Row
from models.shards import Shard
from models.usecases.groupconversations import read_group
from proto import im_pb2
from tests.contract.conftest import Chat
from tests.support.groupstore import GroupStore, someone

ROWS = 6000
PAGE = 20
WALKED_MAX = 3 * PAGE
"""Each row in its index and in the table, and the ends of two ranges."""

COUNTERS = "'Handler_icp_attempts', 'Handler_read_next', 'Handler_read_prev', 'Handler_read_key'"
Read = Callable[[], Sequence[Row]]


def walked(shard: Shard, read: Read) -> int:
    """Index entries and rows the server looks at to read a page."""
    pages = []
    count = looked_at(shard, lambda: pages.append(read()))
    assert len(pages[0]) == PAGE
    return count


def looked_at(shard: Shard, ask: Callable[[], object]) -> int:
    """Index entries and rows the server looks at for whatever is asked."""

    def counted() -> tuple[int, int]:
        ((connection, count),) = shard.database.query(
            "SELECT CONNECTION_ID(), SUM(VARIABLE_VALUE) FROM information_schema.SESSION_STATUS"
            f" WHERE VARIABLE_NAME IN ({COUNTERS})"
        )
        return int(connection), int(count)

    connection, before = counted()
    ask()
    same, after = counted()
    assert same == connection
    return after - before


@pytest.fixture
def conversation(core: Core, user_in: Callable[[int], str]) -> tuple[Shard, str, str]:
    """Two users of one shard with a long conversation from the first to the second."""
    chat, alice, bob = Chat(core), user_in(0), user_in(0)
    append(core.shards.of_user(bob).database, [chat.draft(alice, bob, "hi") for _ in range(ROWS)])
    return core.shards.of_user(bob), alice, bob


@pytest.mark.parametrize("part", [0.02, 0.5, 0.98])
@pytest.mark.parametrize("side", ["sender", "receiver"])
def test_sync(conversation: tuple[Shard, str, str], side: str, part: float) -> None:
    shard, alice, bob = conversation
    user = alice if side == "sender" else bob
    first = mailbox.sync(shard, user, 0, 1)[0].version
    cursor = first + int(ROWS * part)
    assert walked(shard, lambda: mailbox.sync(shard, user, cursor, PAGE)) < WALKED_MAX


@pytest.mark.parametrize("part", [0.02, 0.5, 0.98])
def test_history(conversation: tuple[Shard, str, str], part: float) -> None:
    shard, alice, bob = conversation
    before = mailbox.sync(shard, bob, 0, ROWS)[int(ROWS * part)].id

    def read() -> Sequence[Row]:
        return mailbox.history(shard, bob, alice, before, NO_MARKS, PAGE)

    assert walked(shard, read) < WALKED_MAX


@pytest.fixture
def group(core: Core) -> tuple[GroupStore, str, str]:
    """A group in which its owner said much, and the other member."""
    store, owner, member = GroupStore(core), someone(), someone()
    group = store.make(owner, member)
    store.send(*(store.draft(group, owner) for _ in range(ROWS)))
    return store, group, member


@pytest.mark.parametrize("part", [0.02, 0.5, 0.98])
def test_group_sync(group: tuple[GroupStore, str, str], part: float) -> None:
    store, name, member = group
    shard, end = store.shard(name), store.member(member, name).group.latest
    cursor = end - ROWS + int(ROWS * part)
    assert (
        walked(shard, lambda: read_ranges(shard, [Range(name, cursor, end, PAGE)])[0]) < WALKED_MAX
    )


@pytest.mark.parametrize("part", [0.02, 0.5, 0.98])
def test_group_history(group: tuple[GroupStore, str, str], part: float) -> None:
    store, name, member = group
    shard, one = store.shard(name), store.member(member, name)
    before = store.log(name)[int(ROWS * part)].id
    assert walked(shard, lambda: history(shard, one, before, PAGE)) < WALKED_MAX


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

    assert looked_at(shard, count) < WALKED_MAX
