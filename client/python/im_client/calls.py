"""The commands as methods: everything that is a question to the server, or an order to it.

`Calls` needs `call`, `_local` and `_watched` from the class it is mixed into. All of these raise
`ServerError` when the server refuses, and `NotConnected` when no answer comes in time.
"""

import uuid
from typing import Any

from google.protobuf.message import Message as Body

from im_client._proto import im_pb2
from im_client.local import Local
from im_client.model import Conversation

PAGE = 200
Target = Conversation | str
"""A conversation, or the user one talks to."""


def conversation_of(target: Target) -> Conversation:
    """A user id stands for the conversation with that user."""
    return Conversation.person(target) if isinstance(target, str) else target


class Calls:
    """See the module."""

    user: str
    _local: Local
    _watched: set[str]

    async def call(self, request: Body, timeout_s: float | None = None) -> Any:
        """The answer to any request of the protocol."""
        raise NotImplementedError

    # ------------------------------------------------------------ messages and conversations

    async def recall(self, message_id: str) -> None:
        """Wipe an own message for everybody; the log then shows it as recalled."""
        await self.call(im_pb2.RecallRequest(id=message_id))

    async def mark_read(self, target: Target, message_id: str = "") -> int:
        """Mark a conversation read up to a message (default: the newest here); what is left."""
        conversation = conversation_of(target)
        conversations = self._local.store.conversations
        newest = message_id or await self._local.read(conversations.newest, conversation)
        if not newest:
            return 0
        answer = await self.call(
            im_pb2.ReadRequest(
                type=conversation.type,
                peer=conversation.id,
                id=newest,
            )
        )
        await self._local.write(conversations.read, conversation, self.user, newest)
        return int(answer.unread)

    async def delete_conversation(self, target: Target) -> None:
        """Hide what a conversation holds now, on all of this user's devices."""
        conversation = conversation_of(target)
        await self.call(
            im_pb2.DeleteConversationRequest(
                type=conversation.type,
                peer=conversation.id,
            )
        )

    async def mute(self, target: Target, muted: bool = True) -> None:
        """Whether this user wants to be notified of a conversation."""
        conversation = conversation_of(target)
        await self.call(
            im_pb2.SetConversationRequest(
                type=conversation.type,
                peer=conversation.id,
                muted=muted,
            )
        )

    async def typing(self, user: str, stopped: bool = False) -> None:
        """Show a user that one is typing."""
        await self.call(im_pb2.TypingRequest(receiver=user, stopped=stopped))

    # ------------------------------------------------------------ people

    async def block(self, user: str) -> None:
        """Take no messages from a user."""
        await self.call(im_pb2.BlockRequest(user=user))

    async def unblock(self, user: str) -> None:
        await self.call(im_pb2.UnblockRequest(user=user))

    async def blocked(self) -> list[str]:
        """Whom this user blocks, ascending."""
        found: list[str] = []
        more = True
        while more:
            after = found[-1] if found else ""
            answer = await self.call(im_pb2.BlockedRequest(after=after, limit=PAGE))
            found += answer.users
            more = answer.more
        return found

    async def presence(self, *users: str, watch: bool = False) -> list[im_pb2.Presence]:
        """Who of up to 100 users is there; `watch`: changes come as events from now on.

        At most 200 are watched, and not over long polls.
        """
        if watch:
            self._watched.update(users)
            answer = await self.call(im_pb2.PresenceSubscribeRequest(users=users))
        else:
            answer = await self.call(im_pb2.PresenceRequest(users=users))
        return list(answer.presences)

    async def unwatch(self, *users: str) -> None:
        """No more events about these users; none named: about anybody."""
        self._watched.difference_update(users or set(self._watched))
        await self.call(im_pb2.PresenceUnsubscribeRequest(users=users))

    async def devices(self) -> list[im_pb2.Device]:
        """Where this user is connected, and where they were seen before."""
        return list((await self.call(im_pb2.DevicesRequest())).devices)

    async def log_out(self, device: str) -> None:
        """End one of this user's devices; the token it used is refused from then on."""
        await self.call(im_pb2.LogOutRequest(device=device))

    # ------------------------------------------------------------ groups

    async def create_group(
        self, name: str, users: list[str] | None = None, **more: Any
    ) -> im_pb2.GroupInfo:
        """Make a group of this user and others; `more`: fields of GroupCreateRequest."""
        request = im_pb2.GroupCreateRequest(
            sequence=more.pop("sequence", "") or uuid.uuid4().hex,
            name=name,
            users=users or [],
            **more,
        )
        info: im_pb2.GroupInfo = (await self.call(request)).group
        return info

    async def join_group(self, group: str, reason: str = "") -> bool:
        """Come in, or ask to: False while somebody must decide."""
        answer = await self.call(im_pb2.GroupJoinRequest(group=group, reason=reason))
        return not answer.pending

    async def leave_group(self, group: str) -> None:
        await self.call(im_pb2.GroupLeaveRequest(group=group))

    async def invite(self, group: str, *users: str) -> None:
        """Bring up to 100 users in."""
        await self.call(im_pb2.GroupInviteRequest(group=group, users=users))

    async def remove(self, group: str, *users: str) -> None:
        """Take users out."""
        await self.call(im_pb2.GroupRemoveRequest(group=group, users=users))

    async def members(self, group: str) -> list[im_pb2.GroupMember]:
        """Who is in it, asked now and kept for `known_members`."""
        found: list[im_pb2.GroupMember] = []
        more = True
        while more:
            after = found[-1].user if found else ""
            request = im_pb2.GroupMembersRequest(group=group, after=after, limit=PAGE)
            answer = await self.call(request)
            found += answer.members
            more = answer.more
        await self._local.write(self._local.store.groups.set_members, group, found)
        return found

    async def known_members(self, group: str) -> list[im_pb2.GroupMember]:
        """Who was in it when they were last asked for."""
        return await self._local.read(self._local.store.groups.members, group)

    async def groups(self) -> list[im_pb2.GroupInfo]:
        """This user's groups, as the store knows them."""
        return await self._local.read(self._local.store.groups.all)
