"""Who may not change a group does not hold up those who talk in it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from models.core import Core
from models.errors import Code, IMError
from models.ratelimit import SendRate
from models.shards import Shard
from models.usecases.groups import Groups
from proto import im_pb2
from tests.support.groupstore import GroupStore, someone

Change = Callable[[Groups, str, str], object]
CHANGES: dict[str, Change] = {
    "edit": lambda groups, user, group: groups.edit(
        user, im_pb2.GroupEditRequest(group=group, name="mine")
    ),
    "disband": lambda groups, user, group: groups.disband(
        user, im_pb2.GroupDisbandRequest(group=group)
    ),
    "leave": lambda groups, user, group: groups.leave(user, im_pb2.GroupLeaveRequest(group=group)),
    "join": lambda groups, user, group: groups.join(user, im_pb2.GroupJoinRequest(group=group)),
    "invite": lambda groups, user, group: groups.invite(
        user, im_pb2.GroupInviteRequest(group=group, users=[someone()])
    ),
    "remove": lambda groups, user, group: groups.remove(
        user, im_pb2.GroupRemoveRequest(group=group, users=[someone()])
    ),
    "set_role": lambda groups, user, group: groups.set_role(
        user, im_pb2.GroupSetRoleRequest(group=group, user=someone(), role=im_pb2.ADMIN)
    ),
    "transfer": lambda groups, user, group: groups.transfer(
        user, im_pb2.GroupTransferRequest(group=group, user=someone())
    ),
    "mute": lambda groups, user, group: groups.mute(
        user, im_pb2.GroupMuteRequest(group=group, user=someone(), duration_s=60)
    ),
    "decide": lambda groups, user, group: groups.decide(
        user, im_pb2.GroupDecideRequest(group=group, user=someone(), accept=True)
    ),
}


@contextmanager
def busy(shard: Shard) -> Iterator[None]:
    """Somebody has the log's lock."""
    with shard.database._connection() as connection:
        connection.execute("BEGIN")
        connection.query(
            "SELECT version FROM shard_log WHERE shard = %s FOR UPDATE", (shard.number,)
        )
        try:
            yield
        finally:
            connection.execute("ROLLBACK")


def refusal(work: Callable[[], object]) -> Code:
    with pytest.raises(IMError) as caught:
        work()
    return caught.value.code


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_strangers_are_turned_away_before_the_lock(core: Core, change: Change) -> None:
    # Given a group nobody joins by themselves, whose log is being written to
    store = GroupStore(core)
    owner = someone()
    group = store.make(owner)
    store.groups.edit(owner, im_pb2.GroupEditRequest(group=group, join_mode=im_pb2.INVITATION))

    # Then a stranger is answered all the same, and so is who means a group that is none
    with busy(store.shard(group)):
        assert refusal(lambda: change(store.groups, someone(), group)) is Code.NOT_FOUND
        nowhere = f"{group}-not"
        assert refusal(lambda: change(store.groups, someone(), nowhere)) is Code.NOT_FOUND


def test_changes_count_as_sends(core: Core) -> None:
    # Given somebody who may do three things at once
    core = replace(core, send_rate=SendRate(core.scripts, 0.001, 3))
    store = GroupStore(core)
    owner, guest = someone(), someone()
    group = store.make(owner)
    leave, join = CHANGES["leave"], CHANGES["join"]
    for step in (join, leave, join):
        step(store.groups, guest, group)
    log = store.log(group)

    # Then the fourth is refused, and leaves nothing
    assert refusal(lambda: leave(store.groups, guest, group)) is Code.RATE_LIMITED
    assert store.log(group) == log
    # Then so are requests to join, which are told to owner and admins
    closed = store.make(owner)
    store.groups.edit(owner, im_pb2.GroupEditRequest(group=closed, join_mode=im_pb2.APPROVAL))
    assert refusal(lambda: join(store.groups, guest, closed)) is Code.RATE_LIMITED
