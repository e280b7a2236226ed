"""Keeps the store level with the server over one link: pushes where they fit, syncs where not.

A push names the version before it; when that is beyond our cursor something was missed, and the
log is read from the cursor instead. Pongs carry the newest versions, so a hole shows even when
nothing more is pushed. All of it happens in one task, one thing after the other, so the logs enter
the store in their order.
"""

import asyncio
import logging
import random
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from google.protobuf.message import Message

from im_client._proto import im_pb2
from im_client.backoff import Backoff
from im_client.errors import NotConnected, ServerError
from im_client.events import (
    ContactsEvent,
    Event,
    JoinRequestEvent,
    PresenceEvent,
    TypingEvent,
)
from im_client.groupsversion import groups_version
from im_client.links import Call, Cursors, Link, Push
from im_client.local import Local
from im_client.model import Conversation
from im_client.tidying import Tidying

log = logging.getLogger("im_client")

CURSORS_MAX = 1000
CALL_TIMEOUT_S = 15.0
WATCHED_MAX = 100


class Syncer:
    """See the module; made anew for each link."""

    def __init__(
        self,
        link: Link,
        call: Call,
        local: Local,
        tell: Callable[[Event], None],
        tidy_within_s: float,
    ) -> None:
        self._link = link
        self._call = call
        self._local = local
        self._store = local.store
        self._tell = tell
        self._tidying = Tidying(self.ask, local)
        self._tidy_within_s = tidy_within_s
        self._doubted = asyncio.Event()
        self._cursor = 0
        self._groups: dict[str, int] = {}
        self._handlers: dict[int, Callable[[Any], Any]] = {
            im_pb2.CMD_PUSH_MESSAGES: self._messages,
            im_pb2.CMD_PUSH_READ: self._read,
            im_pb2.CMD_PUSH_CONVERSATIONS: self._conversations,
            im_pb2.CMD_PUSH_TYPING: self._typing,
            im_pb2.CMD_PUSH_RESYNC: self._resync,
            im_pb2.CMD_PUSH_PRESENCE: self._presence,
            im_pb2.CMD_PUSH_GROUPS: self._groups_changed,
            im_pb2.CMD_PING: self._pong,
        }

    @property
    def cursors(self) -> Cursors:
        """How far the store is."""
        return Cursors(self._cursor, groups_version(self._groups))

    async def catch_up(self, auth: im_pb2.AuthResponse) -> None:
        """Bring the store level with the server after a connection was made."""
        await self._local.write(self._store.logs.first_seen, auth.version)
        self._cursor = await self._local.read(lambda: self._store.logs.cursor)
        self._groups = await self._local.read(self._store.logs.group_cursors)
        fresh = not self._cursor and not self._groups
        if auth.version > self._cursor:
            await self._sync_own()
        met = await self._local.read(self._store.get, "met_groups")
        if not met or auth.groups_version != self.cursors.groups_version:
            await self._sync_groups()
        if fresh:  # all of it was read just now
            await self._local.write(self._store.conversations.settle_all)
        self._doubted.set()
        await self._tidying.refresh_contacts()
        self._tell(ContactsEvent())

    async def watch(self, users: list[str]) -> None:
        """Subscribe to the presence of users again, and tell how they are now."""
        for start in range(0, len(users), WATCHED_MAX):
            request = im_pb2.PresenceSubscribeRequest(users=users[start : start + WATCHED_MAX])
            with suppress(ServerError):  # long polls have none
                for one in (await self.ask(request)).presences:
                    self._tell(PresenceEvent(one.user, one.online, one.last_seen))

    async def tidy(self) -> None:
        """Clear what was deleted elsewhere without our being told, a while after each loss of news.

        Beside the pushes, and at a moment of its own: after a server's restart all clients do it.
        """
        while True:
            await self._doubted.wait()
            self._doubted.clear()
            await asyncio.sleep(random.uniform(0, self._tidy_within_s))
            if await self._tidying.clear_doubtful():
                self._tell(ContactsEvent())

    async def handle(self, push: Push) -> None:
        """Take in one thing the server said."""
        handler = self._handlers.get(push.cmd)
        if handler is not None:
            await handler(push.body)

    async def ask(self, request: Message) -> Any:
        """The answer to a request that must succeed; repeated while the server says it may."""
        backoff = Backoff(0.2, 5.0)
        while True:
            try:
                answer = await self._call(request, CALL_TIMEOUT_S)
            except NotConnected:
                if self._link.over.is_set():
                    raise
                await asyncio.sleep(backoff.next_s())
                continue
            if not answer.error.code:
                return answer
            error = ServerError(answer.error)
            if not error.retryable:
                raise error
            await asyncio.sleep(backoff.next_s(error.retry_after_s))

    # ------------------------------------------------------------ logs

    async def _messages(self, push: im_pb2.MessagesPush) -> None:
        if push.group:
            await self._group_messages(push)
        elif push.previous > self._cursor:
            await self._sync_own()
        elif push.messages and push.messages[-1].version > self._cursor:
            self._cursor = await self._local.write(self._store.logs.take, push.messages)
            self._tell(ContactsEvent())

    async def _group_messages(self, push: im_pb2.MessagesPush) -> None:
        cursor = self._groups.get(push.group)
        if cursor is None or push.previous > cursor:
            await self._sync_groups()
        elif push.messages and push.messages[-1].version > cursor:
            take = self._store.logs.take_group
            self._groups[push.group] = await self._local.write(take, push.group, push.messages)
            self._tell(ContactsEvent())
            if any(not message.sender for message in push.messages):
                await self._tidying.refresh_groups()

    async def _sync_own(self) -> None:
        """Read the user's own log to its end."""
        more = True
        while more:
            answer = await self.ask(im_pb2.SyncRequest(cursor=self._cursor))
            assert isinstance(answer, im_pb2.SyncResponse)
            before = self._cursor
            take = self._store.logs.take
            self._cursor = await self._local.write(take, answer.messages, answer.cursor)
            more = answer.more and self._cursor > before
        self._tell(ContactsEvent())

    async def _sync_groups(self) -> None:
        """Read the logs of all groups to their ends; hear of joined ones and of those gone."""
        if not await self._local.read(self._store.get, "met_groups"):
            await self._meet_groups()
        synced: set[str] = set()
        while True:  # at least once: a user without groups may have been brought into one
            names = sorted(set(self._groups) - synced)[:CURSORS_MAX]
            synced |= await self._sync_batch(names)
            if not set(self._groups) - synced:
                break
        await self._tidying.refresh_groups()
        self._tell(ContactsEvent())

    async def _sync_batch(self, names: list[str]) -> set[str]:
        """Read these groups' logs, and those of groups heard of meanwhile; all that were read."""
        synced = set(names)
        while True:
            request = im_pb2.GroupSyncRequest()
            for group in names:
                request.cursors.add(group=group, cursor=self._groups[group])
            answer = await self.ask(request)
            assert isinstance(answer, im_pb2.GroupSyncResponse)
            joined = [group for group in answer.joined if group not in self._groups]
            for group in joined:
                await self._join(group)
            room = CURSORS_MAX - len(names)
            names += joined[:room]
            synced.update(joined[:room])
            moved = False
            for part in answer.groups:
                moved = await self._take_part(part) or moved
            names = [group for group in names if group in self._groups]
            if not joined[:room] and not (answer.more and moved):
                return synced

    async def _take_part(self, part: im_pb2.GroupMessages) -> bool:
        """What a sync says of one group; whether that leads further."""
        before = self._groups.get(part.group, 0)
        cursor = await self._local.write(
            self._store.logs.take_group, part.group, part.messages, part.cursor, part.gone
        )
        if part.gone:
            self._groups.pop(part.group, None)
        else:
            self._groups[part.group] = cursor
        return part.gone or cursor > before

    async def _join(self, group: str) -> None:
        await self._local.write(self._store.logs.join, group)
        self._groups[group] = 0

    async def _meet_groups(self) -> None:
        """Groups the user was in before this store existed: neither told nor what they hold."""
        after, more = "", True
        while more:
            answer = await self.ask(im_pb2.GroupsRequest(after=after, limit=200))
            assert isinstance(answer, im_pb2.GroupsResponse)
            for info in answer.groups:
                await self._local.write(self._store.logs.join, info.group, info.version)
                await self._local.write(self._store.groups.set_info, info)
                after = info.group
            more = answer.more
        self._groups = await self._local.read(self._store.logs.group_cursors)
        request = im_pb2.GroupSyncRequest(limit=1)
        request.cursors.extend(
            im_pb2.GroupCursor(group=group) for group in sorted(self._groups)[:CURSORS_MAX]
        )
        for group in (await self.ask(request)).joined:  # disbanded ones are not listed
            with suppress(ServerError):  # gone meanwhile
                info = (await self.ask(im_pb2.GroupInfoRequest(group=group))).group
                await self._local.write(self._store.logs.join, group, info.version)
                self._groups.setdefault(group, 0)
        await self._local.write(self._store.set, "met_groups", "1")

    # ------------------------------------------------------------ everything else

    async def _pong(self, pong: im_pb2.PingResponse) -> None:
        if pong.version > self._cursor:
            await self._sync_own()
        if pong.groups_version != self.cursors.groups_version:
            await self._sync_groups()

    async def _resync(self, push: im_pb2.ResyncPush) -> None:
        await self._sync_own()
        await self._sync_groups()
        self._doubted.set()  # receipts and deletions were among what was lost
        await self._tidying.refresh_contacts()

    async def _read(self, push: im_pb2.ReadPush) -> None:
        conversation = Conversation(push.type, push.peer)
        if push.reader != self._store.user and push.type == im_pb2.PERSON:
            conversation = Conversation(push.type, push.reader)
        await self._local.write(self._store.conversations.read, conversation, push.reader, push.id)
        self._tell(ContactsEvent())

    async def _conversations(self, push: im_pb2.ConversationsPush) -> None:
        if push.changed:
            if not await self._tidying.refresh_contacts():
                return
        elif push.all:
            await self._tidying.clear_all()
        else:
            await self._tidying.clear(Conversation(push.type, push.peer))
        self._tell(ContactsEvent())

    async def _groups_changed(self, push: im_pb2.GroupsPush) -> None:
        if push.requests:
            self._tell(JoinRequestEvent(push.requests))
        if push.joined and push.joined not in self._groups:
            await self._join(push.joined)
        if push.joined or push.left:
            await self._sync_groups()

    async def _typing(self, push: im_pb2.TypingPush) -> None:
        self._tell(TypingEvent(push.sender, push.stopped))

    async def _presence(self, push: im_pb2.PresencePush) -> None:
        one = push.presence
        self._tell(PresenceEvent(one.user, one.online, one.last_seen))
