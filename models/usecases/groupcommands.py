"""The steps every command that changes a group takes."""

from collections.abc import Sequence
from contextlib import suppress

from models.core import Core
from models.errors import Code, IMError
from models.groupchange import Turn, Work, change, first_seen
from models.groups import check_group, memberships, unknown
from models.mysql import Connection, placeholders
from models.ratelimit import too_fast
from models.redisclient import RedisError
from models.usecases.grouprules import full
from models.wake import Waker
from proto import im_pb2


class GroupCommands:
    """See the module."""

    def __init__(self, core: Core, waker: Waker) -> None:
        self._core = core
        self._waker = waker

    def _change(
        self, user: str, group: str, work: Work, *, by_member: bool = True
    ) -> im_pb2.GroupResponse:
        """Make the change, see to its delivery, and show what the group is to the user then.

        Everybody in the shard waits while it is judged: so strangers are turned away before, and
        changes count as sends. Dying behind the commit leaves the index to the delivery, and that
        to the sweep.
        """
        core = self._core
        shard = core.shards.of_group(check_group(group))
        self._check_pace(user)
        if by_member and not memberships(core.shards, user, [group]):
            raise unknown()
        done = change(shard, group, work, core.settings.group_history)
        if done.is_stored:
            with suppress(RedisError, IMError):
                core.memberships.write(done.changes)
            self._waker.wake({shard.number})
        one = memberships(core.shards, user, [group], whole=True).get(group)
        return im_pb2.GroupResponse(group=None if one is None else one.to_proto())

    def _check_pace(self, user: str) -> None:
        """Raise RATE_LIMITED for who does more than they may send."""
        (wait_ms,) = self._core.send_rate.refused([user])
        if wait_ms:
            raise too_fast(wait_ms)

    def _add(self, turn: Turn, group: str, users: Sequence[str], role: int = im_pb2.MEMBER) -> None:
        if not users:
            return
        most = self._core.settings.group_members_max
        if turn.group is not None and turn.group.members + len(users) > most:
            raise full()
        join_id = first_seen(turn.id, self._core.settings.group_history)
        values = ",".join(["(%s,%s,%s,%s,%s,%s)"] * len(users))
        turn.connection.execute(
            f"INSERT INTO member (group_id, user, role, joined, join_id, read_id) VALUES {values}",
            [v for name in users for v in (group, name, role, turn.clock_ms, join_id, turn.id)],
        )
        turn.connection.execute(
            "UPDATE chat_group SET members = members + %s WHERE id = %s", (len(users), group)
        )
        take_requests(turn.connection, group, users)
        _restore(turn.connection, group, users)

    def _invited(self, user: str, invited: list[str]) -> list[str]:
        """Who may be brought in by the user; refuses when one is in too many groups.

        Who blocks the user is refused or passed over, as `blocked_policy` says.
        """
        blocked = self._core.blacklist.blocked([(name, user) for name in invited])
        if None in blocked:
            raise IMError(Code.UNAVAILABLE, "block lists cannot be read now", retry_after_ms=1000)
        if True in blocked and self._core.settings.blocked_policy == "error":
            name = invited[blocked.index(True)]
            raise IMError(Code.BLOCKED, f"{name} does not take invitations from you")
        taken = [name for name, known in zip(invited, blocked, strict=True) if not known]
        self._core.memberships.check_room(taken, self._core.settings.groups_per_user_max)
        return taken


def _restore(connection: Connection, group: str, users: Sequence[str]) -> None:
    """Who was here before is muted as they were, and what they hid stays hidden."""
    named = f"d.group_id = %s AND d.user IN ({placeholders(len(users))})"
    restored = connection.execute(
        "UPDATE member m JOIN departed d ON d.group_id = m.group_id AND d.user = m.user"
        f" SET m.cleared_id = d.cleared_id, m.muted_until = d.muted_until WHERE {named}",
        [group, *users],
    )
    if restored:
        connection.execute(f"DELETE d FROM departed d WHERE {named}", [group, *users])


def take_requests(connection: Connection, group: str, users: Sequence[str]) -> int:
    """Delete the users' requests to join; how many there were."""
    return connection.execute(
        f"DELETE FROM join_request WHERE group_id = %s AND user IN ({placeholders(len(users))})",
        [group, *users],
    )
