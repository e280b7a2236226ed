"""Members come and go: by themselves, let in, brought in, taken out."""

from collections.abc import Sequence
from functools import partial

from models.downlink import publish
from models.errors import Code, IMError
from models.groupchange import Turn
from models.groups import (
    check_group,
    find_group,
    find_members,
    managers,
    membership,
    memberships,
    unknown,
)
from models.ids import check_user
from models.mysql import Connection, placeholders
from models.usecases.groupcommands import GroupCommands, take_requests
from models.usecases.grouprules import (
    REASON_BYTES_MAX,
    access,
    check_above,
    check_role,
    check_text,
    check_users,
)
from proto import im_pb2

REQUESTS_MAX = 1000


class MemberCommands(GroupCommands):
    """Who is in a group."""

    def join(self, user: str, request: im_pb2.GroupJoinRequest) -> im_pb2.GroupResponse:
        """Come in where that is open to everybody, else ask to be let in."""
        check_text("reason", request.reason, REASON_BYTES_MAX)
        core, name = self._core, check_group(request.group)
        mine = memberships(core.shards, user, [name], whole=True).get(name)
        if mine is not None:
            return im_pb2.GroupResponse(group=mine.to_proto())
        group = core.shards.of_group(name).database.retried(partial(find_group, group=name))
        if group is None or group.disbanded or group.join_mode == im_pb2.INVITATION:
            raise unknown()
        if group.join_mode == im_pb2.APPROVAL:
            return self._ask(user, request)

        def work(turn: Turn) -> im_pb2.System | None:
            if turn.group is None:
                raise unknown()
            if user in find_members(turn.connection, turn.group.id, [user]):
                return None
            if turn.group.disbanded or turn.group.join_mode != im_pb2.OPEN:
                raise unknown()
            self._add(turn, turn.group.id, [user])
            return im_pb2.System(kind=im_pb2.JOINED, actor=user, users=[user])

        core.memberships.check_room([user], core.settings.groups_per_user_max)
        return self._change(user, name, work, by_member=False)

    def _ask(self, user: str, request: im_pb2.GroupJoinRequest) -> im_pb2.GroupResponse:
        """Leave a request to join for owner and admins, and tell them."""
        group = request.group
        shard = self._core.shards.of_group(group)
        self._check_pace(user)
        outcome = shard.database.transact(partial(_leave_request, user=user, request=request))
        if isinstance(outcome, IMError):
            raise outcome
        if not outcome:  # somebody brought them in meanwhile
            one = membership(self._core.shards, user, group)
            return im_pb2.GroupResponse(group=one.to_proto())
        push = im_pb2.GroupsPush(requests=group)
        publish(self._core.redis, set(managers(shard, group)), im_pb2.CMD_PUSH_GROUPS, push)
        return im_pb2.GroupResponse(pending=True)

    def decide(self, user: str, request: im_pb2.GroupDecideRequest) -> im_pb2.GroupResponse:
        """Let in who asked to join, or refuse them; owner and admins may."""
        wanted = check_user(request.user)

        def work(turn: Turn) -> im_pb2.System | None:
            group, _ = access(turn, user, im_pb2.ADMIN)
            if wanted in find_members(turn.connection, group.id, [wanted]):
                return None
            if not take_requests(turn.connection, group.id, [wanted]):
                raise IMError(Code.NOT_FOUND, "this user does not ask to join")
            self._add(turn, group.id, [wanted])
            return im_pb2.System(kind=im_pb2.JOINED, actor=user, users=[wanted])

        one = membership(self._core.shards, user, request.group)
        check_role(one.own, im_pb2.ADMIN)  # before anything is told of others
        if request.accept:
            if not memberships(self._core.shards, wanted, [request.group]):  # no repetition
                most = self._core.settings.groups_per_user_max
                self._core.memberships.check_room([wanted], most)
            return self._change(user, request.group, work)
        self._core.shards.of_group(request.group).database.transact(
            lambda connection: take_requests(connection, request.group, [wanted])
        )
        return im_pb2.GroupResponse(group=one.to_proto())

    def invite(self, user: str, request: im_pb2.GroupInviteRequest) -> im_pb2.GroupResponse:
        """Bring users in; in a group by approval only owner and admins may."""
        asked = check_users(request.users)

        def work(turn: Turn) -> im_pb2.System | None:
            group, own = access(turn, user, im_pb2.MEMBER)
            if group.join_mode == im_pb2.APPROVAL:
                check_role(own, im_pb2.ADMIN)
            there = find_members(turn.connection, group.id, asked)
            new = [name for name in asked if name not in there]
            if not new:
                return None
            self._add(turn, group.id, new)
            return im_pb2.System(kind=im_pb2.INVITED, actor=user, users=new)

        membership(self._core.shards, user, request.group)  # before anything is told of others
        there = self._core.shards.of_group(request.group).database.retried(
            lambda connection: find_members(connection, request.group, asked)
        )
        asked = self._invited(user, [name for name in asked if name not in there])
        return self._change(user, request.group, work)

    def leave(self, user: str, request: im_pb2.GroupLeaveRequest) -> im_pb2.GroupResponse:
        """Go; the owner only as the last one, which ends the group."""

        def work(turn: Turn) -> im_pb2.System:
            group, own = access(turn, user, im_pb2.MEMBER, alive=False)
            if own.role == im_pb2.OWNER and not group.disbanded:
                if group.members > 1:
                    raise IMError(Code.FORBIDDEN, "the owner transfers the group first")
                turn.connection.execute(
                    "UPDATE chat_group SET disbanded = %s WHERE id = %s", (turn.clock_ms, group.id)
                )
            _drop(turn, group.id, [user])
            return im_pb2.System(kind=im_pb2.LEFT, actor=user, users=[user])

        return self._change(user, request.group, work)

    def remove(self, user: str, request: im_pb2.GroupRemoveRequest) -> im_pb2.GroupResponse:
        """Take members out: the owner anybody, admins who is neither."""
        asked = check_users(request.users)
        if user in asked:
            raise IMError(Code.BAD_REQUEST, "who wants to go leaves")

        def work(turn: Turn) -> im_pb2.System | None:
            group, own = access(turn, user, im_pb2.ADMIN)
            there = find_members(turn.connection, group.id, asked)
            for other in there.values():
                check_above(own, other)
            gone = [name for name in asked if name in there]
            if not gone:
                return None
            _drop(turn, group.id, gone)
            return im_pb2.System(kind=im_pb2.REMOVED, actor=user, users=gone)

        return self._change(user, request.group, work)


def _leave_request(
    connection: Connection, user: str, request: im_pb2.GroupJoinRequest
) -> IMError | bool:
    """Under the lock of the group's row, which whoever lets the user in changes as well.

    So no request is left behind for who is in already, which is False, or for a group that has
    ended.
    """
    group = request.group
    ended, own, ((waiting,),) = connection.run(
        [
            connection.sql("SELECT disbanded FROM chat_group WHERE id = %s FOR UPDATE", [group]),
            connection.sql("SELECT 1 FROM member WHERE group_id = %s AND user = %s", [group, user]),
            connection.sql(
                "SELECT COUNT(*) FROM join_request WHERE group_id = %s AND user <> %s",
                [group, user],
            ),
        ]
    )
    if not ended or ended[0][0]:
        return unknown()
    if own:
        return False
    if waiting >= REQUESTS_MAX:
        return IMError(Code.LIMIT_EXCEEDED, "too many ask to join this group already")
    connection.execute(
        "INSERT INTO join_request (group_id, user, reason, time)"
        " VALUES (%s, %s, %s, CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS UNSIGNED))"
        " ON DUPLICATE KEY UPDATE reason = VALUES(reason), time = VALUES(time)",
        (group, user, request.reason),
    )
    return True


def _drop(turn: Turn, group: str, users: Sequence[str]) -> None:
    named = f"group_id = %s AND user IN ({placeholders(len(users))})"
    turn.connection.execute(
        "INSERT INTO departed (group_id, user, cleared_id, muted_until)"
        f" SELECT group_id, user, cleared_id, muted_until FROM member WHERE {named}"
        " AND (muted_until > %s OR cleared_id >= join_id)",
        [group, *users, turn.clock_ms],
    )
    turn.connection.execute(f"DELETE FROM member WHERE {named}", [group, *users])
    turn.connection.execute(
        "UPDATE chat_group SET members = members - %s WHERE id = %s", (len(users), group)
    )
