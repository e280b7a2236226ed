"""Conversations as the local store has them, filled up from the server where it has more."""

from contextlib import suppress

from im_client._proto import im_pb2
from im_client.calls import Calls, Target, conversation_of
from im_client.errors import ImError
from im_client.model import Contact, Conversation, Message

HISTORY_PAGE = 200


class Reading(Calls):
    """`contacts` and `history`; needs what `Calls` needs, and to know whether it is online."""

    @property
    def online(self) -> bool:
        """Whether there is an authenticated connection now."""
        raise NotImplementedError

    async def contacts(self, limit: int = 0) -> list[Contact]:
        """The contact list from the local store, newest first; 0: all of it."""
        return await self._local.read(self._local.store.conversations.contacts, limit)

    async def history(self, target: Target, *, before: str = "", limit: int = 50) -> list[Message]:
        """The newest messages before an id (empty: the end), oldest first.

        From the local store; the server is asked where that holds fewer, if there is a connection.
        """
        conversation = conversation_of(target)
        logs, conversations = self._local.store.logs, self._local.store.conversations
        found = await self._local.read(logs.messages, conversation, before, limit)
        if len(found) >= limit or not self.online:
            return found
        if await self._local.read(conversations.whole, conversation):
            return found
        with suppress(ImError):  # what is here is still true
            await self._fetch(conversation, found[0].id if found else before)
        return await self._local.read(logs.messages, conversation, before, limit)

    async def _fetch(self, conversation: Conversation, before: str) -> None:
        page = await self.call(
            im_pb2.HistoryRequest(
                type=conversation.type,
                peer=conversation.id,
                before=before,
                limit=HISTORY_PAGE,
            )
        )
        await self._local.write(self._local.store.logs.take_history, conversation, page.messages)
        if not page.more:
            await self._local.write(self._local.store.conversations.set_whole, conversation)
