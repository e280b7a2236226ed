"""Drives `im_client.aio` from JSON lines on stdin; answers and events are JSON lines on stdout.

Used by tests/e2e/test_sdk_conformance.py of the platform: one request object per line, answers by
its `id` in any order. Nothing else is printed to stdout. End of input: an orderly end.
"""

import asyncio
import json
import logging
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from google.protobuf import json_format

from im_client import (
    AckedEvent,
    Closed,
    ContactsEvent,
    Conversation,
    Event,
    FailedEvent,
    GroupEvent,
    ImError,
    KickedEvent,
    Message,
    MessageEvent,
    Options,
    ReadEvent,
    StateEvent,
    TypingEvent,
)
from im_client.aio import Client
from im_client.commands import BY_NAME

Fields = dict[str, Any]


def say(value: Fields) -> None:
    """One line of output."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def conversation_of(fields: Fields) -> Conversation:
    """Whom a request is about."""
    if "group" in fields:
        return Conversation.group(fields["group"])
    return Conversation.person(fields.get("to") or fields["peer"])


def named(conversation: Conversation) -> Fields:
    """A conversation in events and contact lists."""
    return {"type": "group" if conversation.is_group else "person", "id": conversation.id}


def shown(message: Message) -> Fields:
    """A message in answers and events."""
    return {
        "id": message.id,
        "from": message.sender,
        "text": message.text,
        "recalled": message.recalled,
        "time_ms": message.send_time_ms,
    }


def event_fields(event: Event) -> Fields | None:
    """An event as the protocol of drivers has it; None for those it does not have."""
    match event:
        case MessageEvent(message=message):
            return {
                "event": "message",
                "conversation": named(message.conversation),
                **shown(message),
                "version": message.version,
                "own": event.own,
            }
        case AckedEvent():
            return {"event": "acked", "key": event.key, "message_id": event.message_id}
        case FailedEvent():
            return {"event": "failed", "key": event.key, "error": event.error}
        case ReadEvent(conversation=conversation):
            side = "group" if conversation.is_group else "peer"
            return {
                "event": "read",
                side: conversation.id,
                "reader": event.reader,
                "message_id": event.message_id,
                "unread": event.unread,
            }
        case GroupEvent():
            return {"event": "groups", "joined" if event.joined else "left": event.group}
        case TypingEvent():
            return {"event": "typing", "peer": event.user}
        case ContactsEvent():
            return {"event": "contacts"}
        case StateEvent():
            return {"event": "state", "state": event.state, "transport": event.transport}
        case KickedEvent():
            return {"event": "kicked", "error": event.error}
    return None


class Driver:
    """One client at a time."""

    def __init__(self) -> None:
        self._client: Client | None = None

    async def answer(self, request: Fields) -> None:
        """Do what a request asks and say how it went."""
        fields = {key: value for key, value in request.items() if key not in ("id", "op")}
        try:
            found = await getattr(self, f"do_{request['op']}")(**fields)
            say({"id": request["id"], "ok": True, **(found or {})})
        except ImError as error:
            say(self._failure(request, error.name, error.retryable, error))
        except Exception as error:
            logging.exception("%s failed", request.get("op"))
            say(self._failure(request, "CLIENT", False, error))

    @staticmethod
    def _failure(request: Fields, name: str, retryable: bool, error: Exception) -> Fields:
        return {
            "id": request["id"],
            "ok": False,
            "error": name,
            "retryable": retryable,
            "message": str(error),
        }

    @property
    def client(self) -> Client:
        if self._client is None:
            raise Closed
        return self._client

    async def do_open(self, **fields: Any) -> None:
        offset_s = fields.get("clock_offset_s", 0)
        backoff = fields.get("backoff_s") or [0.5, 60.0]
        options = Options(
            platform=fields["platform"],
            device=fields["device"],
            ca=fields.get("ca"),
            backoff_least_s=backoff[0],
            backoff_most_s=backoff[1],
            pong_timeout_s=4.0,
            poll_s=2,
            tidy_within_s=0.0,
            better_after_s=fields.get("better_after_s", 60.0),
            follow_addresses=False,  # networks of tests lie on the way to the given ones
            clock=lambda: time.time() + offset_s,
        )
        store = Path(fields["store"]) / f"{fields['user']}.db"
        client = Client(
            fields["user"], fields["token"], fields["endpoints"], store=store, options=options
        )

        def told(event: Event) -> None:
            found = event_fields(event)
            if found is not None:
                say(found)

        client.on(Event, told)
        self._client = client
        await client.start()

    async def do_close(self) -> None:
        client, self._client = self.client, None
        await client.close()

    async def do_wait_ready(self, timeout_s: float) -> None:
        await self.client.wait_ready(timeout_s)

    async def do_send(self, key: str, text: str, **fields: Any) -> None:
        await self.client.send_text(
            conversation_of(fields),
            text,
            key=key,
            mentions=fields.get("mentions", ()),
            reply_to=fields.get("reply_to", ""),
        )

    async def do_wait_acked(self, key: str, timeout_s: float) -> Fields:
        return {"message_id": await self.client.wait_acked(key, timeout_s)}

    async def do_recall(self, message_id: str) -> None:
        await self.client.recall(message_id)

    async def do_read(self, message_id: str, **fields: Any) -> None:
        await self.client.mark_read(conversation_of(fields), message_id)

    async def do_messages(self, limit: int, **fields: Any) -> Fields:
        found = await self.client.history(conversation_of(fields), limit=limit)
        return {"messages": [shown(message) for message in found]}

    async def do_contacts(self) -> Fields:
        return {
            "contacts": [
                {
                    **named(contact.conversation),
                    "unread": contact.unread,
                    "mentions": contact.mentions,
                    "last_text": contact.last.text if contact.last else "",
                    "last_id": contact.last.id if contact.last else "",
                }
                for contact in await self.client.contacts()
            ]
        }

    async def do_group(self, action: str, **fields: Any) -> Fields:
        if action == "create":
            info = await self.client.create_group(**fields)
            return {"group": info.group}
        await self.do_call(f"group_{action}", fields)
        return {"group": fields["group"]}

    async def do_call(self, command: str, body: Fields) -> Fields:
        request = BY_NAME[command].request()
        json_format.ParseDict(body, request)
        answer = await self.client.call(request)
        return {"body": json_format.MessageToDict(answer, preserving_proto_field_name=True)}

    async def do_drop_link(self) -> None:
        self.client.drop_link()

    async def do_offline(self) -> None:
        self.client.suspend()

    async def do_online(self) -> None:
        self.client.resume()

    async def end(self) -> None:
        """The end of input."""
        if self._client is not None:
            await self.do_close()


async def main() -> None:
    """Answer requests until the end of input."""
    reader = asyncio.StreamReader(limit=1 << 20)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    driver = Driver()
    running: set[asyncio.Task[None]] = set()
    while line := await reader.readline():
        task = asyncio.create_task(driver.answer(json.loads(line)))
        running.add(task)
        task.add_done_callback(running.discard)
    for task in list(running):
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
    await driver.end()


if __name__ == "__main__":
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    asyncio.run(main())
