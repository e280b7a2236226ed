"""A driver of the Python SDK with one fault: `python -m tests.support.sdkmutant FAULT`.

The scenarios must fail with each of these, or they prove nothing about the SDKs they pass with.
"""

import asyncio
import runpy
import sys
from collections.abc import Callable
from typing import Any

from dev.environment import ROOT

sys.path.insert(0, str(ROOT / "client/python"))

from im_client import addressbook, climber, session, syncer
from im_client._proto import im_pb2
from im_client.links.comet import CometLink
from im_client.store import logs, outbox


def newest_first() -> None:
    """Sends the newest waiting message of a conversation before the older ones."""
    right = outbox.Outbox.heads

    def heads(self: outbox.Outbox, limit: int = -1) -> list[outbox.Waiting]:
        found = []
        for head in right(self, limit):
            ((number, sequence, content),) = self._db.query(
                "SELECT number, sequence, content FROM outbox WHERE state = 0 AND type = ?"
                " AND peer = ? ORDER BY number DESC LIMIT 1",
                (head.conversation.type, head.conversation.id),
            )
            request = im_pb2.SendRequest(
                receiver=head.request.receiver, sequence=sequence, type=head.request.type
            )
            request.content.ParseFromString(content)
            found.append(outbox.Waiting(number, head.conversation, request))
        return found

    outbox.Outbox.heads = heads  # type: ignore[method-assign]


def first_endpoint_only() -> None:
    """Never falls back."""
    addressbook.AddressBook.order = lambda self: self._all()[:1]  # type: ignore[method-assign]


def never_climbs() -> None:
    """Stays on the worse transport."""

    async def climb(*_: Any) -> Any:
        await asyncio.Event().wait()

    climber.Climber.climb = climb  # type: ignore[method-assign, assignment]


def believes_every_push() -> None:
    """Takes a push without looking at the version before it."""

    async def messages(self: syncer.Syncer, push: im_pb2.MessagesPush) -> None:
        if push.group:
            push.previous = 0
            await self._group_messages(push)
        elif push.messages[-1].version > self._cursor:
            self._cursor = await self._local.write(self._store.logs.take, push.messages)

    syncer.Syncer._messages = messages  # type: ignore[method-assign]


def ignores_pongs() -> None:
    """Does not compare what a pong says with what is here."""

    async def pong(self: syncer.Syncer, pong: im_pb2.PingResponse) -> None:
        pass

    syncer.Syncer._pong = pong  # type: ignore[method-assign]


def tells_again() -> None:
    """Tells a message as often as it comes."""
    take = logs.Logs.take

    async def messages(self: syncer.Syncer, push: im_pb2.MessagesPush) -> None:
        self._cursor = await self._local.write(self._store.logs.take, push.messages)

    def again(self: logs.Logs, messages: Any, cursor: int = 0) -> int:
        for message in messages:
            self._db.run("DELETE FROM message WHERE id = ?", (message.id,))
            self._db.set("cursor", min(self.cursor, message.version - 1))
        return take(self, messages, cursor)

    syncer.Syncer._messages = messages  # type: ignore[method-assign]
    logs.Logs.take = again  # type: ignore[method-assign]


def waits_for_ever() -> None:
    """Does not notice a network that is silent."""

    async def beat(self: session.Session) -> None:
        await self.link.over.wait()

    make = CometLink.__init__

    def patient(self: CometLink, *arguments: Any) -> None:
        make(self, *arguments)
        self._grace_s = 1e9

    session.Session._beat = beat  # type: ignore[method-assign]
    CometLink.__init__ = patient  # type: ignore[method-assign, assignment]


FAULTS: dict[str, Callable[[], None]] = {
    fault.__name__: fault
    for fault in (
        newest_first,
        first_endpoint_only,
        never_climbs,
        believes_every_push,
        ignores_pongs,
        tells_again,
        waits_for_ever,
    )
}

if __name__ == "__main__":
    FAULTS[sys.argv[1]]()
    runpy.run_path(str(ROOT / "client/python/conformance/driver.py"), run_name="__main__")
