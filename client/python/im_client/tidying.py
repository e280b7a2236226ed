"""What the logs do not tell: the contact list, deleted conversations, what groups are called."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from google.protobuf.message import Message

from im_client._proto import im_pb2
from im_client.errors import ServerError
from im_client.local import Local
from im_client.model import Conversation

PAGE = 200
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
        for conversation in unlisted:
            await self.clear(conversation)
        return changed or bool(unlisted)

    async def clear_all(self) -> None:
        """Every conversation was deleted on some device."""
        for contact in await self._local.read(self._store.conversations.contacts):
            await self.clear(contact.conversation)

    async def clear(self, conversation: Conversation) -> None:
        """Forget what the server does not show of a conversation any more."""
        newest = await self._local.read(self._store.conversations.newest, conversation)
        request = im_pb2.HistoryRequest(
            type=conversation.type,
            peer=conversation.id,
            limit=PAGE,
        )
        try:
            page = await self._ask(request)
        except ServerError:
            return  # e.g. a group the user is not in any more
        if page.more or not newest:
            return
        before = page.messages[-1].id if page.messages else f"{newest}g"  # g: behind every digit
        await self._local.write(self._store.conversations.clear, conversation, before)

    async def refresh_groups(self) -> None:
        """Ask about the groups whose log shows that something changed."""
        for group in await self._local.read(self._store.groups.stale):
            with suppress(ServerError):  # gone meanwhile: its log will say so
                answer = await self._ask(im_pb2.GroupInfoRequest(group=group))
                await self._local.write(self._store.groups.set_info, answer.group)
