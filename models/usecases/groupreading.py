"""Reading groups: what there is, who is in them, sync of their logs, who has read a message."""

from collections.abc import Collection, Sequence
from contextlib import suppress

from models import keys
from models.core import Core
from models.errors import Code, IMError
from models.groupcache import Entry
from models.grouplog import Range
from models.groups import (
    Membership,
    check_group,
    membership,
    memberships,
    page_members,
    views,
)
from models.ids import check_message_id, check_user
from models.log import Row, delivered_versions
from models.mailbox import find
from models.membership import CURSORS_MAX
from models.mysql import placeholders
from models.redisclient import RedisError
from models.shards import Shard
from models.usecases.reading import ANSWER_BYTES_MAX, check_cursor, fit, page_limit
from proto import im_pb2
from proto.groupsversion import groups_version as fingerprint

FEW_READERS = 1000
"""So many are found by how far they have read; more are met walking through all members."""


def info(core: Core, user: str, request: im_pb2.GroupInfoRequest) -> im_pb2.GroupResponse:
    """One of the user's groups."""
    return im_pb2.GroupResponse(group=membership(core.shards, user, request.group).to_proto())


def groups(core: Core, user: str, request: im_pb2.GroupsRequest) -> im_pb2.GroupsResponse:
    """The user's groups in pages, by id."""
    if request.after:
        check_group(request.after)
    limit = page_limit(request.limit)
    found = memberships(core.shards, user, core.memberships.of(user))
    alive = sorted(
        one.group.id
        for one in found.values()
        if one.group.id > request.after and not one.group.disbanded
    )
    shown = [found[group].to_proto() for group in alive[:limit]]
    shown = shown[: fit(shown)]
    return im_pb2.GroupsResponse(groups=shown, more=len(shown) < len(alive))


def members(
    core: Core, user: str, request: im_pb2.GroupMembersRequest
) -> im_pb2.GroupMembersResponse:
    """A group's members in pages, by id."""
    if request.after:
        check_user(request.after)
    membership(core.shards, user, request.group)
    limit = page_limit(request.limit)
    shard = core.shards.of_group(request.group)
    page = page_members(shard, request.group, request.after, limit + 1)
    profiles = core.profiles.get([name for name, _ in page[:limit]])
    shown = [
        im_pb2.GroupMember(
            user=name,
            role=im_pb2.GroupRole.Name(own.role),
            join_time=own.joined,
            muted_until=own.muted_until,
            profile=profiles.get(name),
        )
        for name, own in page[:limit]
    ]
    shown = shown[: fit(shown)]
    return im_pb2.GroupMembersResponse(members=shown, more=len(shown) < len(page))


def requests(
    core: Core, user: str, request: im_pb2.GroupRequestsRequest
) -> im_pb2.GroupRequestsResponse:
    """Who asks to join, in pages, by id; owner and admins may know."""
    if request.after:
        check_user(request.after)
    own = membership(core.shards, user, request.group).own
    if own.role < im_pb2.ADMIN:
        raise IMError(Code.FORBIDDEN, "only owner and admins may do that")
    limit = page_limit(request.limit)
    rows = core.shards.of_group(request.group).database.query(
        "SELECT user, reason, time FROM join_request WHERE group_id = %s AND user > %s"
        " ORDER BY user LIMIT %s",
        (request.group, request.after, limit + 1),
    )
    profiles = core.profiles.get([name for name, *_ in rows[:limit]])
    shown = [
        im_pb2.JoinRequest(user=name, reason=reason, time=time, profile=profiles.get(name))
        for name, reason, time in rows[:limit]
    ]
    shown = shown[: fit(shown)]
    return im_pb2.GroupRequestsResponse(requests=shown, more=len(shown) < len(rows))


def readers(
    core: Core, user: str, request: im_pb2.GroupReadersRequest
) -> im_pb2.GroupReadersResponse:
    """Who has read a message: counted from read positions, the names in pages, by id."""
    if request.after:
        check_user(request.after)
    one = membership(core.shards, user, request.group)
    shard = core.shards.of_group(request.group)
    row = find_message(shard, one, request.id)
    limit = page_limit(request.limit)
    later = (row.receiver, row.send_time)
    has_read = (row.receiver, row.id, row.send_time, row.sender)
    database = shard.database
    ((count, others, sender),) = database.query(
        "SELECT (SELECT COUNT(*) FROM member WHERE group_id = %s AND read_id >= %s"
        " AND joined <= %s AND user <> %s),"
        " (SELECT COUNT(*) FROM member WHERE group_id = %s AND joined > %s),"
        " (SELECT COUNT(*) FROM member WHERE group_id = %s AND user = %s AND joined <= %s)",
        (*has_read, *later, row.receiver, row.sender, row.send_time),
    )
    few = count <= FEW_READERS  # else they lie densely enough in the order of their names
    names = database.query(
        f"SELECT user FROM member {'FORCE INDEX (by_read)' if few else 'FORCE INDEX (PRIMARY)'}"
        " WHERE group_id = %s AND read_id >= %s AND joined <= %s"
        " AND user <> %s AND user > %s ORDER BY user LIMIT %s",
        (*has_read, request.after, limit + 1),
    )
    return im_pb2.GroupReadersResponse(
        count=count,
        members=max(0, one.group.members - others - sender),
        users=[name for (name,) in names[:limit]],
        more=len(names) > limit,
    )


def find_message(shard: Shard, one: Membership, identifier: str) -> Row:
    """A message of a group that the member may see; raises NOT_FOUND."""
    row = find(shard, bytes.fromhex(check_message_id(identifier)))
    if row is None or row.receiver != one.group.id or not one.own.sees(row.id):
        raise IMError(Code.NOT_FOUND, "no such message in this conversation")
    return row


# ---------------------------------------------------------------- sync


def sync(core: Core, user: str, request: im_pb2.GroupSyncRequest) -> im_pb2.GroupSyncResponse:
    """What entered the user's groups behind the cursors, ascending, without what was cleared.

    Membership and the end of each log are of one moment, so nothing later than a removal is shown.
    Of groups the user is not in any more: what came before.
    """
    cursors = _cursors(request)
    limit = page_limit(request.limit)
    index = core.memberships.of(user)
    found = views(core.shards, user, {*cursors, *index})
    left = core.memberships.left(user, [group for group in cursors if group not in found])
    bounds = left | {group: found[group] for group in cursors if group in found}
    ends = {group: one.latest for group, one in bounds.items()}
    moved = [group for group, cursor in cursors.items() if ends.get(group, 0) > cursor]
    share = max(1, limit // max(1, len(moved)))
    ranges = [
        Range(group, max(cursors[group], bounds[group].hidden), ends[group], share + 1)
        for group in moved[:limit]
    ]
    entries = _read(core, ranges)
    answer = im_pb2.GroupSyncResponse(
        joined=sorted(group for group in found if group not in cursors)
    )
    answer.more = len(moved) > len(ranges)
    size = answer.ByteSize()
    for one in ranges:
        page = entries[one.group]
        shown = [entry for entry in page[:share] if bounds[one.group].sees(entry.id)]
        count = _fitting(shown, ANSWER_BYTES_MAX - size, first=not answer.groups)
        if count < len(shown):
            answer.more = True
            if not count:
                continue
        if count < len(shown):
            reached = shown[count - 1].version
        else:
            reached = page[share - 1].version if len(page) > share else one.end
        whole = reached == one.end
        part = im_pb2.GroupMessages(
            group=one.group,
            cursor=reached,
            more=not whole,
            gone=whole and one.group in left,
        )
        part.MergeFromString(b"".join(entry.blob for entry in shown[:count]))
        size += part.ByteSize() + 4
        answer.groups.append(part)
        answer.more = answer.more or not whole
    for group, cursor in cursors.items():  # the index may not know yet where a log ended
        if group not in found and group not in index and ends.get(group, 0) <= cursor:
            part = im_pb2.GroupMessages(group=group, cursor=cursor, gone=True)
            size += part.ByteSize() + 4
            if size > ANSWER_BYTES_MAX and answer.groups:
                answer.more = True
                break
            answer.groups.append(part)
    return answer


def _cursors(request: im_pb2.GroupSyncRequest) -> dict[str, int]:
    if len(request.cursors) > CURSORS_MAX:
        raise IMError(Code.BAD_REQUEST, f"at most {CURSORS_MAX} cursors")
    cursors = {check_group(item.group): check_cursor(item.cursor) for item in request.cursors}
    if len(cursors) != len(request.cursors):
        raise IMError(Code.BAD_REQUEST, "a group is named twice")
    return cursors


def _read(core: Core, ranges: Sequence[Range]) -> dict[str, list[Entry]]:
    """The rows of each range: from the window in Redis, else from MySQL."""
    found: dict[str, list[Entry]] = {}
    missing: dict[Shard, list[Range]] = {}
    for one, cached in zip(ranges, core.group_cache.read(ranges), strict=True):
        if cached is not None:
            found[one.group] = cached
        else:
            missing.setdefault(core.shards.of_group(one.group), []).append(one)
    for shard, asked in missing.items():
        for one, entries in zip(asked, core.group_cache.read_log(shard, asked), strict=True):
            found[one.group] = entries
    return found


def _fitting(entries: Sequence[Entry], room: int, *, first: bool) -> int:
    """How many of the entries fit into the answer; at least one when it is still empty."""
    size = 0
    for count, entry in enumerate(entries):
        size += len(entry.blob)
        if size > room and not (first and count == 0):
            return count
    return len(entries)


def groups_version(core: Core, user: str, listed: Collection[str] | None = None) -> int:
    """How far the user's groups are, as one number a client compares with its own.

    `listed` are the groups, for who knows them.
    """
    names = core.memberships.of(user) if listed is None else [*listed]
    if not names:
        return 0
    cached: list[bytes | None] = [None] * len(names)
    with suppress(RedisError):
        cached = core.redis.mget([keys.group_version(group) for group in names])
    versions = {g: int(v) for g, v in zip(names, cached, strict=True) if v is not None}
    missing = [group for group in names if group not in versions]
    return fingerprint(versions | _find_versions(core, missing))


def _find_versions(core: Core, names: Sequence[str]) -> dict[str, int]:
    """The newest versions of these groups from MySQL; those that are delivered are cached.

    One that is not would keep the delivery from publishing it (group_apply.lua).
    """
    by_shard: dict[Shard, list[str]] = {}
    for group in names:
        by_shard.setdefault(core.shards.of_group(group), []).append(group)
    found: dict[str, int] = {}
    for shard, asked in by_shard.items():
        delivered = delivered_versions([shard])[shard.number]
        rows = shard.database.query(
            f"SELECT id, latest FROM chat_group WHERE id IN ({placeholders(len(asked))})", asked
        )
        with suppress(RedisError):
            pipe = core.redis.pipeline(transaction=False)
            for group, latest in rows:
                if latest <= delivered:
                    pipe.set(keys.group_version(group), latest, nx=True, ex=keys.USER_TTL_S)
            pipe.execute()
        found |= dict(rows)
    return found
