"""What the logs do not tell: the contact list, deleted conversations, what groups are called."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from google.protobuf.message import Message

from im_client._proto import im_pb2
from im_client.errors import ServerError
from im_client.local import Local
from im_client.model import Conversation

PAGE = 200
AT_ONCE = 8
"""Conversations that are looked at side by side."""

DOUBTFUL_AT_ONCE = 2
"""After a server's restart all its clients do this, for each conversation that moved."""

Ask = Callable[[Message], Awaitable[Any]]


class Tidying:
    """Asks the server through `ask` and writes what it says into the store."""

    def __init__(self, ask: Ask, local: Local) -> None:
        self._ask = ask
        self._local = local
        self._store = local.store

    async def refresh_contacts(self) -> bool:
        """Read positions, names and settings of all conversations; forget deleted ones.

        Whether anything was new.
        """
        contacts: list[im_pb2.Contact] = []
        more = True
        while more:
            before = contacts[-1].last.id if contacts else ""
            answer = await self._ask(im_pb2.ContactsRequest(limit=PAGE, before=before))
            assert isinstance(answer, im_pb2.ContactsResponse)
            contacts += answer.contacts
            more = answer.more and bool(answer.contacts)
        take = self._store.conversations.take
        unlisted, changed = await self._local.write(take, contacts)
        await self._clear_each(unlisted)
        return changed or bool(unlisted)

    async def clear_all(self) -> bool:
        """Every conversation was deleted on some device; whether anything of them was here."""
        contacts = await self._local.read(self._store.conversations.contacts)
        return await self._clear_each([contact.conversation for contact in contacts])

    async def clear_doubtful(self) -> bool:
        """Forget what was deleted on another device without our being told; whether anything was.

        A conversation that was deleted is in the contact list again with its next message, so all
        that hold something new are looked at: one small question each, in most cases.
        """
        doubtful = await self._local.read(self._store.conversations.doubtful)
        return await self._clear_each(doubtful, DOUBTFUL_AT_ONCE)

    async def _clear_each(self, conversations: list[Conversation], at_once: int = AT_ONCE) -> bool:
        found: list[bool | BaseException] = []
        for start in range(0, len(conversations), at_once):
            some = map(self.clear, conversations[start : start + at_once])
            found += await asyncio.gather(*some, return_exceptions=True)
        for one in found:
            if isinstance(one, BaseException):
                raise one
        return any(found)

    async def clear(self, conversation: Conversation) -> bool:
        """Forget what the server does not show of a conversation any more; whether it was any."""
        conversations = self._store.conversations
        ids = await self._local.read(conversations.ids, conversation)
        try:
            hidden = await self._count_hidden(conversation, ids)
        except ServerError:
            return False  # e.g. a group the user is not in any more
        if hidden:
            before = ids[hidden] if hidden < len(ids) else f"{ids[-1]}g"  # g: behind every digit
            await self._local.write(conversations.clear, conversation, before)
        if ids:
            await self._local.write(conversations.settle, conversation, ids[-1])
        return hidden > 0

    async def _count_hidden(self, conversation: Conversation, ids: list[str]) -> int:
        """How many of these messages, ascending, are hidden: a deletion hides the oldest.

        Mostly none or all of them are, so both ends are looked at before the middle.
        """
        if not ids or await self._shows(conversation, ids[0]):
            return 0
        least, most, middle = 1, len(ids), len(ids) - 1
        while least < most:
            if await self._shows(conversation, ids[middle]):
                most = middle
            else:
                least = middle + 1
            middle = (least + most) // 2
        return least

    async def _shows(self, conversation: Conversation, message_id: str) -> bool:
        """Whether the server shows this message, or an older one."""
        request = im_pb2.HistoryRequest(
            type=conversation.type,
            peer=conversation.id,
            before=f"{int(message_id, 16) + 1:032x}",
            limit=1,
        )
        return bool((await self._ask(request)).messages)

    async def refresh_groups(self) -> None:
        """Ask about the groups whose log shows that something changed."""
        for group in await self._local.read(self._store.groups.stale):
            with suppress(ServerError):  # gone meanwhile: its log will say so
                answer = await self._ask(im_pb2.GroupInfoRequest(group=group))
                await self._local.write(self._store.groups.set_info, answer.group)
