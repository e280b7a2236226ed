"""Contact list, read positions, deleting conversations, typing.

What concerns a conversation with a group is in models/usecases/groupconversations.py.
"""

from collections.abc import Sequence

from models import keys
from models.contacts import Entry
from models.conversations import Marks, write_marks, write_quiet
from models.core import Core
from models.downlink import publish
from models.errors import Code, IMError
from models.groups import membership
from models.ids import LAST_ID, NO_ID, check_message_id, check_user
from models.log import newest_versions
from models.mailbox import count_unread_with, find, newest_ids, newest_ids_with
from models.redisclient import RedisError
from models.shards import Shard
from models.usecases.groupconversations import (
    clear_groups,
    group_contacts,
    read_group,
    set_quiet,
    visible_groups,
)
from models.usecases.reading import check_type, fit, page_limit
from proto import im_pb2

RECOUNTS_MAX = 3
AGAIN = b"again"
"""What read.lua answers when another read went further meanwhile."""


def contacts(core: Core, user: str, request: im_pb2.ContactsRequest) -> im_pb2.ContactsResponse:
    """The user's conversations, newest first, with last message, unread count and profile."""
    before = check_message_id(request.before or LAST_ID)
    limit = page_limit(request.limit)
    people = {entry.last_id: entry for entry in core.contacts.entries(user)}
    groups = {one.group.last_id.hex(): one for one in visible_groups(core, user)}
    older = sorted((id_ for id_ in (*people, *groups) if id_ < before), reverse=True)
    page = older[:limit]
    contact_of = {
        **_people(core, user, [people[id_] for id_ in page if id_ in people]),
        **group_contacts(core, user, [groups[id_] for id_ in page if id_ in groups]),
    }
    shown = [contact_of[id_] for id_ in page]
    shown = shown[: fit(shown)]
    return im_pb2.ContactsResponse(contacts=shown, more=len(shown) < len(older))


def _people(core: Core, user: str, entries: Sequence[Entry]) -> dict[str, im_pb2.Contact]:
    """Conversations with users, by the id of the last message."""
    peers = [entry.peer for entry in entries]
    read_by = core.contacts.peers_read(user, peers)
    profiles = core.profiles.get(peers)
    return {
        entry.last_id: im_pb2.Contact(
            type=im_pb2.PERSON,
            peer=entry.peer,
            last=im_pb2.Message.FromString(entry.last.SerializeToString()),
            unread=entry.unread,
            read=entry.read,
            peer_read=read_by.get(entry.peer, ""),
            profile=profiles.get(entry.peer),
            muted=entry.quiet,
        )
        for entry in entries
    }


def read(core: Core, user: str, request: im_pb2.ReadRequest) -> im_pb2.ReadResponse:
    """Mark a conversation read up to a message; other devices and the peer are told.

    The position is kept in MySQL first; dying behind that leaves the caches stale only until the
    next read or rebuild, and the client repeats.
    """
    check_type(request.type)
    if request.type == im_pb2.GROUP:
        return read_group(core, user, request)
    peer = check_user(request.peer)
    message = bytes.fromhex(check_message_id(request.id))
    shard = core.shards.of_user(user)
    row = find(shard, message)
    if row is None or {row.sender, row.receiver} != {user, peer}:
        raise IMError(Code.NOT_FOUND, "no such message in this conversation")
    if row.sender == user != row.receiver:
        message = _received_before(shard, user, peer, message)
    write_marks(shard.database, user, [(peer, Marks(message, NO_ID, NO_ID))])
    unread, reached = _recount(core, shard, user, peer)
    publish(
        core.redis,
        {user, peer},
        im_pb2.CMD_PUSH_READ,
        im_pb2.ReadPush(reader=user, type=im_pb2.PERSON, peer=peer, id=reached, unread=unread),
    )
    return im_pb2.ReadResponse(unread=unread)


def _received_before(shard: Shard, user: str, peer: str, message: bytes) -> bytes:
    """The newest message from `peer` at or before an own one: reading up to it means this one."""
    ((found,),) = shard.database.query(
        f"SELECT MAX(id) FROM {shard.table} WHERE sender = %s AND receiver = %s AND id < %s",
        (peer, user, message),
    )
    return found or NO_ID


def _recount(core: Core, shard: Shard, user: str, peer: str) -> tuple[int, str]:
    """Count what is unread and record it, with the read position, in the caches."""
    names = [keys.contacts(user), keys.unread(user), keys.marks(user), keys.lease(user)]
    field = keys.conversation(im_pb2.PERSON, peer)
    try:
        cached = core.redis.hget(keys.contacts(user), keys.AS_OF)
        for _ in range(RECOUNTS_MAX):
            as_of = int(cached) if cached else newest_versions([shard])[shard.number]
            count, position = count_unread_with(shard, user, peer, as_of)
            answer = core.scripts.read(keys=names, args=[field, position.hex(), as_of, count])
            if not answer or answer == cached:
                return count, position.hex()
            if answer != AGAIN:
                cached = answer
        core.redis.delete(*names)  # deliveries kept overtaking us: rebuilt on next use
        return count, position.hex()
    except RedisError as error:
        raise stale() from error


def delete_conversation(
    core: Core, user: str, request: im_pb2.DeleteConversationRequest
) -> im_pb2.Reply:
    """Hide what the conversation holds now from this user; it comes back with the next message."""
    check_type(request.type)
    peer = check_user(request.peer)
    if request.type == im_pb2.GROUP:
        clear_groups(core, user, [membership(core.shards, user, peer)])
        push = im_pb2.ConversationsPush(type=im_pb2.GROUP, peer=peer)
        _tell_devices(core, user, push)
        return im_pb2.Reply()
    shard = core.shards.of_user(user)
    sent, received = newest_ids_with(shard, user, peer)
    if sent == received == NO_ID:
        raise IMError(Code.NOT_FOUND, "no such conversation")
    write_marks(shard.database, user, [(peer, Marks(received, sent, received))])
    _forget(core, user)
    _tell_devices(core, user, im_pb2.ConversationsPush(type=im_pb2.PERSON, peer=peer))
    return im_pb2.Reply()


def clear_conversations(
    core: Core, user: str, request: im_pb2.ClearConversationsRequest
) -> im_pb2.Reply:
    """Hide what every conversation holds now from this user."""
    shard = core.shards.of_user(user)
    newest = newest_ids(shard, user)
    write_marks(
        shard.database,
        user,
        [(peer, Marks(received, sent, received)) for peer, (sent, received) in newest.items()],
    )
    clear_groups(core, user, visible_groups(core, user))
    _forget(core, user)
    _tell_devices(core, user, im_pb2.ConversationsPush(all=True))
    return im_pb2.Reply()


def set_conversation(core: Core, user: str, request: im_pb2.SetConversationRequest) -> im_pb2.Reply:
    """Change how a conversation is shown to this user."""
    check_type(request.type)
    peer = check_user(request.peer)
    if request.type == im_pb2.GROUP:
        set_quiet(core, user, peer, request.muted)
    else:
        write_quiet(core.shards.of_user(user).database, user, peer, request.muted)
        _forget(core, user)
    _tell_devices(core, user, im_pb2.ConversationsPush(type=request.type, peer=peer, changed=True))
    return im_pb2.Reply()


def typing(core: Core, user: str, request: im_pb2.TypingRequest) -> im_pb2.Reply:
    """Show the receiver that the user is typing; never stored, and dropped for who blocks them."""
    if request.type != im_pb2.PERSON:
        raise IMError(Code.BAD_REQUEST, "typing is shown to a user, not to a group")
    receiver = check_user(request.receiver)
    if core.blacklist.blocked([(receiver, user)])[0] is False:
        push = im_pb2.TypingPush(type=im_pb2.PERSON, sender=user, stopped=request.stopped)
        publish(core.redis, {receiver}, im_pb2.CMD_PUSH_TYPING, push)
    return im_pb2.Reply()


def _forget(core: Core, user: str) -> None:
    """Drop the user's hashes; they are rebuilt on next use."""
    names = [keys.contacts(user), keys.unread(user), keys.marks(user), keys.lease(user)]
    try:
        core.redis.delete(*names)
    except RedisError as error:
        raise stale() from error


def stale() -> IMError:
    """Stored, but Redis could not be told: repeating the command mends that."""
    return IMError(Code.UNAVAILABLE, "stored, but not shown yet: repeat", retry_after_ms=1000)


def _tell_devices(core: Core, user: str, push: im_pb2.ConversationsPush) -> None:
    publish(core.redis, {user}, im_pb2.CMD_PUSH_CONVERSATIONS, push)
