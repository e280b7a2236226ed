"""The user's side of a group: in the contact list, read, cleared, without notifications."""

from collections.abc import Iterable, Sequence

from models.core import Core
from models.downlink import publish
from models.errors import Code, IMError
from models.groups import Membership, membership, memberships
from models.mailbox import rows_by_id
from models.messages import encode_group_row
from models.mysql import Connection, Database
from models.shards import Shard
from models.usecases.groupreading import find_message
from proto import im_pb2
from proto.views_pb2 import MessagesView


def visible_groups(core: Core, user: str) -> list[Membership]:
    """The user's groups that hold something they have not cleared."""
    found = memberships(core.shards, user, core.memberships.of(user))
    return [one for one in found.values() if one.own.sees(one.group.last_id)]


def group_contacts(
    core: Core, user: str, members: Sequence[Membership]
) -> dict[str, im_pb2.Contact]:
    """Conversations with groups, by the id of the last message."""
    unread = core.group_unread.of(user, members)
    last = _last_entries(core, members)
    contacts = {}
    for one in members:
        group = one.group
        contacts[group.last_id.hex()] = im_pb2.Contact(
            type=im_pb2.GROUP,
            peer=group.id,
            last=im_pb2.Message.FromString(
                MessagesView.FromString(last[group.id]).messages[0].SerializeToString()
            ),
            unread=unread[group.id].messages,
            mentions=unread[group.id].mentions,
            read=one.own.read_id.hex(),
            muted=bool(one.own.quiet),
            group=one.to_proto(),
        )
    return contacts


def _last_entries(core: Core, members: Iterable[Membership]) -> dict[str, bytes]:
    """The newest message of each group as an encoded entry."""
    wanted = {one.group.id: (one.group.last_id, one.group.latest) for one in members}
    found = core.group_cache.newest(wanted)
    missing: dict[Shard, list[bytes]] = {}
    for group, (identifier, _) in wanted.items():
        if group not in found:
            missing.setdefault(core.shards.of_group(group), []).append(identifier)
    for shard, ids in missing.items():
        for row in rows_by_id(shard, ids).values():
            found[row.receiver] = encode_group_row(row)
    return found


def read_group(core: Core, user: str, request: im_pb2.ReadRequest) -> im_pb2.ReadResponse:
    """Mark a group read up to a message; the user's devices are told, nobody else.

    What has been counted is true for the read position it was counted with, so dying anywhere
    leaves nothing wrong behind.
    """
    one = membership(core.shards, user, request.peer)
    shard = core.shards.of_group(one.group.id)
    row = find_message(shard, one, request.id)
    shard.database.execute(
        "UPDATE member SET read_id = GREATEST(read_id, %s) WHERE group_id = %s AND user = %s",
        (row.id, one.group.id, user),
    )
    one = membership(core.shards, user, one.group.id)
    unread = core.group_unread.of(user, [one])[one.group.id].messages
    publish(
        core.redis,
        {user},
        im_pb2.CMD_PUSH_READ,
        im_pb2.ReadPush(
            reader=user,
            type=im_pb2.GROUP,
            peer=one.group.id,
            id=one.own.read_id.hex(),
            unread=unread,
        ),
    )
    return im_pb2.ReadResponse(unread=unread)


def clear_groups(core: Core, user: str, members: Iterable[Membership]) -> None:
    """Hide what these groups hold now from the user."""
    by_database: dict[Database, list[Membership]] = {}
    for one in members:
        database = core.shards.of_group(one.group.id).database
        by_database.setdefault(database, []).append(one)

    for database, ones in by_database.items():

        def work(connection: Connection, ones: Sequence[Membership] = ones) -> None:
            connection.run(
                [
                    connection.sql(
                        "UPDATE member SET cleared_id = GREATEST(cleared_id, %s)"
                        " WHERE group_id = %s AND user = %s",
                        (one.group.last_id, one.group.id, user),
                    )
                    for one in sorted(ones, key=lambda one: one.group.id)
                ]
            )

        database.retried(work)


def set_quiet(core: Core, user: str, group: str, quiet: bool) -> None:
    """Set whether the user wants notifications of a group."""
    found = core.shards.of_group(group).database.execute(
        "UPDATE member SET quiet = %s WHERE group_id = %s AND user = %s", (int(quiet), group, user)
    )
    if not found:
        raise IMError(Code.NOT_FOUND, "no such group")
