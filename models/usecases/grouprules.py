"""What the commands of groups check: limits of their requests, and who may do what."""

import re
from collections.abc import Sequence

from models.content import check_ref
from models.errors import Code, IMError
from models.groupchange import Turn
from models.groups import Group, Own, find_members, unknown
from models.ids import check_user
from proto import im_pb2

USERS_MAX = 100
NAME_BYTES_MAX = 128
ANNOUNCEMENT_BYTES_MAX = 4096
REASON_BYTES_MAX = 256
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def access(turn: Turn, user: str, role: int, *, alive: bool = True) -> tuple[Group, Own]:
    """The group and the user's place in it; raises for who is not in it, or below the role."""
    group = turn.group
    own = find_members(turn.connection, group.id, [user]).get(user) if group else None
    if group is None or own is None:
        raise unknown()
    check_role(own, role)
    if alive and group.disbanded:
        raise IMError(Code.DISBANDED, "the group was disbanded")
    return group, own


def check_role(own: Own, role: int) -> None:
    """Refuse who is below the role."""
    if own.role < role:
        who = "the owner" if role == im_pb2.OWNER else "owner and admins"
        raise IMError(Code.FORBIDDEN, f"only {who} may do that")


def check_above(own: Own, other: Own) -> None:
    """Refuse what goes against somebody of the same rank, or a higher one."""
    if own.role <= other.role:
        raise IMError(Code.FORBIDDEN, "only towards members below you")


def find_other(turn: Turn, group: Group, user: str) -> Own:
    """Another member; raises NOT_FOUND."""
    own = find_members(turn.connection, group.id, [check_user(user)]).get(user)
    if own is None:
        raise IMError(Code.NOT_FOUND, "no such member")
    return own


def full() -> IMError:
    """The refusal of who is one too many."""
    return IMError(Code.LIMIT_EXCEEDED, "the group is full")


def check_users(users: Sequence[str], least: int = 1) -> list[str]:
    """The users, each once."""
    if not least <= len(users) <= USERS_MAX:
        raise IMError(Code.BAD_REQUEST, f"name {least} to {USERS_MAX} users")
    return list(dict.fromkeys(check_user(user) for user in users))


def check_line(field: str, value: str, bytes_max: int) -> None:
    """Refuse what is no single line that can be shown."""
    check_text(field, value, bytes_max)
    if not value.strip() or "\n" in value or "\t" in value:
        raise IMError(Code.BAD_REQUEST, f"{field} is one line, not empty")


def check_text(field: str, value: str, bytes_max: int) -> None:
    """Refuse what is too long, or would not show as it is."""
    if len(value.encode()) > bytes_max:
        raise IMError(Code.TOO_LARGE, f"{field} is longer than {bytes_max} bytes")
    if _CONTROL.search(value):
        raise IMError(Code.BAD_REQUEST, f"{field} holds a control character")


def check_avatar(ref: str) -> None:
    """Refuse what is no reference; empty is none."""
    if ref:
        check_ref("avatar", ref)


def check_mode(mode: int) -> None:
    """Refuse join modes this server does not have."""
    if mode not in im_pb2.JoinMode.values():
        raise IMError(Code.BAD_REQUEST, "unknown join mode")
