"""Groups: create, change, end; with its bases, every command that changes one.

Who may do what is decided under the lock of the group's log (models/groupchange.py).
"""

import hashlib

from models.errors import Code, IMError
from models.groupchange import Turn
from models.groups import memberships
from models.ids import check_sequence
from models.usecases.groupmembers import MemberCommands
from models.usecases.grouproles import RoleCommands
from models.usecases.grouprules import (
    ANNOUNCEMENT_BYTES_MAX,
    NAME_BYTES_MAX,
    access,
    check_avatar,
    check_line,
    check_mode,
    check_text,
    check_users,
    full,
)
from proto import im_pb2


class Groups(MemberCommands, RoleCommands):
    """The group itself."""

    def create(self, user: str, request: im_pb2.GroupCreateRequest) -> im_pb2.GroupResponse:
        """Make a group with the user as its owner; its id comes from user and sequence.

        So a repetition finds the group that is there.
        """
        check_sequence(request.sequence)
        check_line("name", request.name, NAME_BYTES_MAX)
        check_text("announcement", request.announcement, ANNOUNCEMENT_BYTES_MAX)
        check_avatar(request.avatar)
        check_mode(request.join_mode)
        others = [name for name in check_users(request.users, least=0) if name != user]
        digest = hashlib.sha256(f"{user}\n{request.sequence}".encode()).hexdigest()
        group = f"g{digest[:24]}"
        system = im_pb2.System(
            kind=im_pb2.CREATED,
            actor=user,
            name=request.name,
            announcement=request.announcement,
            avatar=request.avatar,
            join_mode=im_pb2.JoinMode.Name(request.join_mode),
        )

        def work(turn: Turn) -> im_pb2.System | None:
            if turn.group is not None:
                del system.users[:]
                _check_same(turn, self._core.shards.of_group(group).table, system)
                return None
            if len(others) >= self._core.settings.group_members_max:
                raise full()
            system.users[:] = [user, *others]  # the transaction may be repeated
            turn.connection.execute(
                "INSERT INTO chat_group (id, name, announcement, avatar, join_mode, mute_all,"
                " members, created, version, latest, last_id)"
                " VALUES (%s, %s, %s, %s, %s, 0, 0, %s, %s, %s, %s)",
                (group, request.name, request.announcement, request.avatar, request.join_mode)
                + (turn.clock_ms, turn.version, turn.version, turn.id),
            )
            self._add(turn, group, [user], im_pb2.OWNER)
            self._add(turn, group, others)
            return system

        if not memberships(self._core.shards, user, [group]):  # no repetition
            others = self._invited(user, others)
            self._core.memberships.check_room([user], self._core.settings.groups_per_user_max)
        return self._change(user, group, work, by_member=False)

    def edit(self, user: str, request: im_pb2.GroupEditRequest) -> im_pb2.GroupResponse:
        """Change what is set in the request; owner and admins may."""
        if request.HasField("name"):
            check_line("name", request.name, NAME_BYTES_MAX)
        check_text("announcement", request.announcement, ANNOUNCEMENT_BYTES_MAX)
        check_avatar(request.avatar)
        check_mode(request.join_mode)

        def work(turn: Turn) -> im_pb2.System | None:
            group, _ = access(turn, user, im_pb2.ADMIN)
            system = im_pb2.System(kind=im_pb2.EDITED, actor=user)
            for field in ("name", "announcement", "avatar", "join_mode", "mute_all"):
                value = getattr(request, field)
                if request.HasField(field) and value != getattr(group, field):
                    setattr(system, field, value)
                    turn.connection.execute(
                        f"UPDATE chat_group SET {field} = %s WHERE id = %s", (value, group.id)
                    )
            return system if system.ListFields()[2:] else None

        return self._change(user, request.group, work)

    def disband(self, user: str, request: im_pb2.GroupDisbandRequest) -> im_pb2.GroupResponse:
        """End a group; members may still read what it holds."""

        def work(turn: Turn) -> im_pb2.System | None:
            group, _ = access(turn, user, im_pb2.OWNER, alive=False)
            if group.disbanded:
                return None
            turn.connection.execute(
                "UPDATE chat_group SET disbanded = %s WHERE id = %s", (turn.clock_ms, group.id)
            )
            turn.connection.execute("DELETE FROM join_request WHERE group_id = %s", (group.id,))
            return im_pb2.System(kind=im_pb2.DISBANDED, actor=user)

        return self._change(user, request.group, work)


def _check_same(turn: Turn, table: str, system: im_pb2.System) -> None:
    """Refuse a repetition that asks for another group than the one that is there."""
    assert turn.group is not None
    ((content,),) = turn.connection.query(
        f"SELECT content FROM {table} WHERE receiver = %s ORDER BY id LIMIT 1", (turn.group.id,)
    )
    there = im_pb2.Content.FromString(content).system
    there.ClearField("users")  # who was passed over may be another one now
    if there != system:
        raise IMError(Code.SEQUENCE_CONFLICT, "this sequence was used for a different group")
