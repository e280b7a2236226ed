"""Groups and their members, as MySQL holds them: in the database of the group's log.

What a user may do in a group is decided here and nowhere else: by the row of `member`, read
together with the group's row in one statement, so both are of one moment.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from models.errors import Code, IMError
from models.ids import NO_ID, born_version, check_user
from models.mysql import Connection, Database, Rows, placeholders
from models.shards import Shard, ShardMap
from proto import im_pb2

GROUPS_PER_STATEMENT = 500
_COLUMNS = (
    "g.id, g.name, g.announcement, g.avatar, g.join_mode, g.mute_all, g.members, g.created,"
    " g.disbanded, g.version, g.latest, g.last_id"
)
_LEAN = _COLUMNS.replace("g.announcement", "''")
_OWN = "m.role, m.joined, m.join_id, m.read_id, m.cleared_id, m.muted_until, m.quiet"


class Group(NamedTuple):
    """A row of `chat_group`."""

    id: str
    name: str
    announcement: str
    avatar: str
    join_mode: int
    mute_all: int
    members: int
    created: int  # ms
    disbanded: int  # ms; 0: it lives
    version: int  # of the log, at the last change of the group or its members
    latest: int  # version of the newest row
    last_id: bytes  # of the youngest row


class Own(NamedTuple):
    """A row of `member`: what a group is to one of its members."""

    role: int
    joined: int  # ms
    join_id: bytes  # nothing before it is shown
    read_id: bytes
    cleared_id: bytes  # nothing up to it is shown
    muted_until: int  # ms
    quiet: int  # no notifications are wanted

    @property
    def bound(self) -> bytes:
        """What is unread has a greater id."""
        return max(self.read_id, self.cleared_id, self.join_id)

    def sees(self, message: bytes) -> bool:
        """Whether the message with this id is shown to the member."""
        return message >= self.join_id and message > self.cleared_id


class View(NamedTuple):
    """What sync shows a member of a group, or who was one."""

    latest: int  # version of the newest row, or of the one the user went by
    join_id: bytes
    cleared_id: bytes = NO_ID

    def sees(self, message: bytes) -> bool:
        """As `Own.sees`."""
        return message >= self.join_id and message > self.cleared_id

    @property
    def hidden(self) -> int:
        """Nothing is shown up to this version."""
        return max(born_version(self.join_id) - 1, born_version(self.cleared_id), 0)


class Membership(NamedTuple):
    """A group, and what it is to one of its members, at one moment."""

    group: Group
    own: Own

    def to_proto(self) -> im_pb2.GroupInfo:
        """As the member sees it."""
        group, own = self
        return im_pb2.GroupInfo(
            group=group.id,
            name=group.name,
            announcement=group.announcement,
            avatar=group.avatar,
            join_mode=im_pb2.JoinMode.Name(group.join_mode),
            mute_all=bool(group.mute_all),
            members=group.members,
            create_time=group.created,
            disband_time=group.disbanded,
            group_version=group.version,
            version=group.latest,
            role=im_pb2.GroupRole.Name(own.role),
            muted_until=own.muted_until,
            muted=bool(own.quiet),
        )


def unknown() -> IMError:
    """The same for a group that does not exist and for one the user is not in."""
    return IMError(Code.NOT_FOUND, "no such group")


def check_group(group: str) -> str:
    """Return `group`, or refuse what cannot be the id of one."""
    return check_user(group)


def select_memberships(pairs: Sequence[tuple[str, str]]) -> tuple[str, list[str]]:
    """The statement (and its arguments) for `read_memberships`; (group, user) pairs."""
    wanted = " OR ".join(["(m.group_id = %s AND m.user = %s)"] * len(pairs))
    return (
        f"SELECT m.user, {_OWN}, {_LEAN} FROM member m JOIN chat_group g ON g.id = m.group_id"
        f" WHERE {wanted}",
        [value for pair in pairs for value in pair],
    )


def read_memberships(rows: Rows) -> dict[tuple[str, str], Membership]:
    """The answer of `select_memberships` by (group, user); who is not in a group is not in it."""
    found = {}
    for user, *values in rows:
        own, group = Own(*values[: len(Own._fields)]), Group(*values[len(Own._fields) :])
        found[group.id, user] = Membership(group, own)
    return found


def memberships(
    shards: ShardMap, user: str, groups: Iterable[str], *, whole: bool = False
) -> dict[str, Membership]:
    """Those of the groups the user is in: one statement per database.

    Without announcements, which may be long, unless the `whole` is asked for.
    """
    columns = f"m.user, {_OWN}, {_COLUMNS if whole else _LEAN}"
    rows = _select_own(shards, user, groups, columns)
    return {group: one for (group, _), one in read_memberships(rows).items()}


def views(shards: ShardMap, user: str, groups: Iterable[str]) -> dict[str, View]:
    """As `memberships`, no more than sync needs: a fifth of the columns, and of the time."""
    columns = "m.group_id, g.latest, m.join_id, m.cleared_id"
    rows = _select_own(shards, user, groups, columns)
    return {group: View(*values) for group, *values in rows}


def _select_own(shards: ShardMap, user: str, groups: Iterable[str], columns: str) -> Rows:
    found: list[tuple[Any, ...]] = []
    for database, names in shards.groups_by_database(groups).items():
        for start in range(0, len(names), GROUPS_PER_STATEMENT):
            chunk = names[start : start + GROUPS_PER_STATEMENT]
            found += database.query(
                f"SELECT {columns} FROM member m JOIN chat_group g ON g.id = m.group_id"
                f" WHERE m.user = %s AND m.group_id IN ({placeholders(len(chunk))})",
                [user, *chunk],
            )
    return found


def membership(shards: ShardMap, user: str, group: str) -> Membership:
    """What the group is to the user; raises NOT_FOUND for who is not in it."""
    found = memberships(shards, user, [check_group(group)], whole=True).get(group)
    if found is None:
        raise unknown()
    return found


def find_group(connection: Connection, group: str) -> Group | None:
    """The group's row."""
    rows = connection.query(f"SELECT {_COLUMNS} FROM chat_group g WHERE g.id = %s", (group,))
    return Group(*rows[0]) if rows else None


def find_members(connection: Connection, group: str, users: Sequence[str]) -> dict[str, Own]:
    """Those of the users who are in the group."""
    if not users:
        return {}
    rows = connection.query(
        f"SELECT m.user, {_OWN} FROM member m"
        f" WHERE m.group_id = %s AND m.user IN ({placeholders(len(users))})",
        [group, *users],
    )
    return {user: Own(*values) for user, *values in rows}


def page_members(shard: Shard, group: str, after: str, limit: int) -> list[tuple[str, Own]]:
    """Up to `limit` members sorting after a user, ascending."""
    rows = shard.database.query(
        f"SELECT m.user, {_OWN} FROM member m WHERE m.group_id = %s AND m.user > %s"
        " ORDER BY m.user LIMIT %s",
        (group, after, limit),
    )
    return [(user, Own(*values)) for user, *values in rows]


def member_names(shard: Shard, group: str, after: str, limit: int) -> list[str]:
    """As `page_members`, the names alone."""
    rows = shard.database.query(
        "SELECT user FROM member WHERE group_id = %s AND user > %s ORDER BY user LIMIT %s",
        (group, after, limit),
    )
    return [user for (user,) in rows]


def count_living(shards: ShardMap, groups: Iterable[str]) -> int:
    """How many of the groups are not disbanded."""
    count = 0
    for database, names in shards.groups_by_database(groups).items():
        ((living,),) = database.query(
            "SELECT COUNT(*) FROM chat_group"
            f" WHERE disbanded = 0 AND id IN ({placeholders(len(names))})",
            names,
        )
        count += living
    return count


def member_counts(database: Database, groups: Sequence[str]) -> dict[str, int]:
    """How many members each group has (groups of one database)."""
    return dict(
        database.query(
            f"SELECT id, members FROM chat_group WHERE id IN ({placeholders(len(groups))})", groups
        )
    )


def managers(shard: Shard, group: str) -> list[str]:
    """Owner and admins."""
    rows = shard.database.query(
        "SELECT user FROM member WHERE group_id = %s AND role > %s", (group, im_pb2.MEMBER)
    )
    return [user for (user,) in rows]
