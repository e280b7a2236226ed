"""Who is what in a group, and who may not speak."""

from models.errors import Code, IMError
from models.groupchange import Turn
from models.usecases.groupcommands import GroupCommands
from models.usecases.grouprules import access, check_above, check_role, find_other
from proto import im_pb2

MUTE_MAX_S = 30 * 24 * 3600


class RoleCommands(GroupCommands):
    """Owner, admins, members."""

    def set_role(self, user: str, request: im_pb2.GroupSetRoleRequest) -> im_pb2.GroupResponse:
        """Make a member an admin, or an admin a member; the owner may."""
        if request.role not in (im_pb2.MEMBER, im_pb2.ADMIN):
            raise IMError(Code.BAD_REQUEST, "a role is MEMBER or ADMIN; an owner transfers")

        def work(turn: Turn) -> im_pb2.System | None:
            group, _ = access(turn, user, im_pb2.OWNER)
            other = find_other(turn, group, request.user)
            if other.role == im_pb2.OWNER:
                raise IMError(Code.FORBIDDEN, "the owner transfers the group instead")
            if other.role == request.role:
                return None
            _set_role(turn, group.id, request.user, request.role)
            return im_pb2.System(
                kind=im_pb2.ROLE,
                actor=user,
                users=[request.user],
                role=im_pb2.GroupRole.Name(request.role),
            )

        return self._change(user, request.group, work)

    def transfer(self, user: str, request: im_pb2.GroupTransferRequest) -> im_pb2.GroupResponse:
        """Make another member the owner, and the owner a member."""

        def work(turn: Turn) -> im_pb2.System | None:
            group, own = access(turn, user, im_pb2.MEMBER)
            if find_other(turn, group, request.user).role == im_pb2.OWNER:
                return None  # a repetition
            check_role(own, im_pb2.OWNER)
            _set_role(turn, group.id, user, im_pb2.MEMBER)
            _set_role(turn, group.id, request.user, im_pb2.OWNER)
            return im_pb2.System(kind=im_pb2.TRANSFERRED, actor=user, users=[request.user])

        return self._change(user, request.group, work)

    def mute(self, user: str, request: im_pb2.GroupMuteRequest) -> im_pb2.GroupResponse:
        """Let a member not speak for a time; owner and admins may, towards who is below them."""
        if request.duration_s > MUTE_MAX_S:
            raise IMError(Code.BAD_REQUEST, f"duration_s is at most {MUTE_MAX_S}")

        def work(turn: Turn) -> im_pb2.System | None:
            group, own = access(turn, user, im_pb2.ADMIN)
            other = find_other(turn, group, request.user)
            check_above(own, other)
            until = turn.clock_ms + 1000 * request.duration_s if request.duration_s else 0
            if not until and other.muted_until <= turn.clock_ms:
                return None
            turn.connection.execute(
                "UPDATE member SET muted_until = %s WHERE group_id = %s AND user = %s",
                (until, group.id, request.user),
            )
            return im_pb2.System(
                kind=im_pb2.MUTED, actor=user, users=[request.user], muted_until=until
            )

        return self._change(user, request.group, work)


def _set_role(turn: Turn, group: str, user: str, role: int) -> None:
    turn.connection.execute(
        "UPDATE member SET role = %s, muted_until = 0 WHERE group_id = %s AND user = %s",
        (role, group, user),
    )
