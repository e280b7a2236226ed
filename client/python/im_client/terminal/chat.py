"""The interactive conversation: what comes is printed above the line one types on."""

import asyncio
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

from im_client.aio import Client
from im_client.errors import ImError, MaybeSent, NotConnected
from im_client.events import FailedEvent, KickedEvent, MessageEvent, ReadEvent, StateEvent
from im_client.model import Conversation, Message
from im_client.terminal.context import Context
from im_client.terminal.plain import print_messages
from im_client.terminal.screen import clean, cut, rule, wrap
from im_client.terminal.show import summary
from im_client.terminal.uploads import UploadFailed

PAGE = 20
PASTED_S = 0.1
_UP_AND_CLEAR = "\x1b[A\r\x1b[2K"
_CLEAR = "\r\x1b[2K"


class Chat:
    """One conversation on the screen."""

    def __init__(self, context: Context, client: Client, target: Conversation) -> None:
        self._context = context
        self._say = context.say
        self._client = client
        self._target = target
        self._tty = sys.stdin.isatty() and sys.stdout.isatty()
        self._prompt = "> " if self._tty else ""
        self._day = ""
        self._oldest = ""
        self._own: set[str] = set()
        self._over = asyncio.Event()
        self._begun = False
        self._shown: set[tuple[str, bool]] = set()
        self._lines: asyncio.Queue[str | None] = asyncio.Queue()
        self._typed_at = 0.0
        client.on(MessageEvent, self._came)
        client.on(FailedEvent, self._failed)
        client.on(ReadEvent, self._read)
        client.on(StateEvent, self._state)
        client.on(KickedEvent, self._kicked)

    async def run(self) -> int:
        """Talk until /quit, the end of input, or a kick."""
        self._print(rule(clean(await self._title()), self._context.room))
        self._print(cut(self._say("chat_help"), self._context.room))
        await self._older()
        loop = asyncio.get_running_loop()
        threading.Thread(target=self._type, args=(loop,), daemon=True).start()
        over = asyncio.create_task(self._over.wait())
        while not over.done():
            if self._prompt:
                print(self._prompt, end="", flush=True)
            line = asyncio.create_task(self._lines.get())
            await asyncio.wait({line, over}, return_when=asyncio.FIRST_COMPLETED)
            if not line.done():
                line.cancel()
                break
            text = line.result()
            if text is None or not await self._do(text):
                break
        over.cancel()
        return 0

    async def _title(self) -> str:
        """What the conversation is called, and by which id."""
        mark = "#" if self._target.is_group else ""
        for contact in await self._client.contacts():
            if contact.conversation == self._target and contact.name != self._target.id:
                return f"{contact.name} ({mark}{self._target.id})"
        return f"{mark}{self._target.id}"

    def _type(self, loop: asyncio.AbstractEventLoop) -> None:
        for line in sys.stdin:
            loop.call_soon_threadsafe(self._lines.put_nowait, line.rstrip("\n"))
        if not loop.is_closed():
            loop.call_soon_threadsafe(self._lines.put_nowait, None)

    # ------------------------------------------------------------ what is typed

    async def _do(self, text: str) -> bool:
        """Do what a line says; False for the last one."""
        if self._tty and not self._is_pasted():
            print(_UP_AND_CLEAR, end="")  # it comes back as a message, with its time
        word, _, rest = text.strip().partition(" ")
        try:
            match word:
                case "":
                    pass
                case "/quit":
                    return False
                case "/help":
                    self._print(cut(self._say("chat_help"), self._context.room))
                case "/more":
                    await self._older()
                case "/recall":
                    await self._recall()
                case "/file":
                    await self._file(rest)
                case _ if word.startswith("/") and not word.startswith("//"):
                    self._print(self._say("unknown", line=clean(word)))
                case _:
                    await self._send(text)
        except MaybeSent:
            self._print(cut(self._say("may_be_there"), self._context.room))
        except NotConnected as error:
            self._print(self._say("not_connected", why=error.args[0]))
        except ImError as error:
            self._print(self._say("refused", why=error))
        except UploadFailed as error:
            self._print(self._say("upload_failed", why=error))
        return True

    def _is_pasted(self) -> bool:
        """Whether lines come together: then what is above the cursor is not this one."""
        now, before = time.monotonic(), self._typed_at
        self._typed_at = now
        return not self._lines.empty() or now - before < PASTED_S

    async def _send(self, text: str) -> None:
        sent = text[1:] if text.startswith("//") else text
        key = await self._client.send_text(self._target, sent)
        if not sys.stdin.isatty():  # a script: the next line waits for this one
            await self._client.wait_acked(key)
        elif not self._client.online:
            for line in wrap(self._say("queued", text=sent), self._context.room):
                self._print(line)
            self._print(cut(self._say("queued_help"), self._context.room))

    async def _older(self) -> None:
        self._begun = True
        page = await self._client.history(self._target, before=self._oldest, limit=PAGE)
        if not page:
            self._print(self._say("no_messages"))
            return
        first = not self._oldest
        self._oldest = page[0].id
        page = [one for one in page if (one.id, one.recalled) not in self._shown]
        for message in page:
            self._remember(message)
        if not first:
            self._day = ""
        self._clear()
        self._day = print_messages(self._context, self._client.user, page, self._day)
        if first:
            await self._mark_read()

    async def _recall(self) -> None:
        """Take back the newest message, before it is sent or from everybody's screens."""
        waiting = [one for one in await self._client.outbox(self._target) if not one.error]
        if waiting:
            if await self._client.forget(waiting[-1].key):
                text = summary(waiting[-1].content, self._say)
                taken = self._say("taken_back_here", text=clean(text))
                self._print(cut(taken, self._context.room))
            return
        if not self._own:
            self._print(self._say("nothing_to_recall"))
            return
        newest = max(self._own)  # ids ascend; `/more` brings older ones later
        await self._client.recall(newest)
        self._own.discard(newest)

    async def _file(self, name: str) -> None:
        path = Path(name).expanduser()
        if not path.is_file():
            self._print(self._say("no_file", path=clean(name)))
        elif self._context.uploader is None:
            self._print(self._say("no_upload"))
        else:
            await self._client.send_file(self._target, path)

    # ------------------------------------------------------------ what comes

    async def _came(self, event: MessageEvent) -> None:
        message = event.message
        if (
            not self._begun
            or message.conversation != self._target
            or (message.id, message.recalled) in self._shown
        ):
            return
        self._remember(message)
        self._clear()
        self._day = print_messages(self._context, self._client.user, [message], self._day)
        self._again()
        if not event.own:
            await self._mark_read()

    def _remember(self, message: Message) -> None:
        self._shown.add((message.id, message.recalled))
        if message.recalled:
            self._own.discard(message.id)
        elif message.sender == self._client.user:
            self._own.add(message.id)

    async def _mark_read(self) -> None:
        if self._client.online:
            with suppress(ImError):  # the next message marks this one too
                await self._client.mark_read(self._target)

    def _failed(self, event: FailedEvent) -> None:
        for line in wrap(self._say("not_sent", why=event.error), self._context.room):
            self._print(line)
        self._again()

    def _read(self, event: ReadEvent) -> None:
        if event.conversation == self._target and event.reader != self._client.user:
            self._print(" " * 7 + self._say("has_read", who=clean(event.reader)))
            self._again()

    def _state(self, event: StateEvent) -> None:
        if event.state == "online":
            self._print(self._say("online", transport=event.transport))
        elif event.state == "offline":
            self._print(self._say("offline"))
        self._again()

    def _kicked(self, event: KickedEvent) -> None:
        self._print(self._say("kicked"))
        self._over.set()

    # ------------------------------------------------------------ the screen

    def _clear(self) -> None:
        if self._tty:
            print(_CLEAR, end="")

    def _print(self, line: str) -> None:
        self._clear()
        print(line, flush=True)

    def _again(self) -> None:
        if self._prompt and self._begun:
            print(self._prompt, end="")
        sys.stdout.flush()


async def chat(context: Context, target: Conversation) -> int:
    """Open a conversation."""
    client = context.make()
    screen = Chat(context, client, target)
    try:
        await client.start()
        try:
            await client.wait_ready(5.0)
        except ImError as error:
            if error.name not in ("TIMEOUT",):
                raise
        return await screen.run()
    finally:
        await client.close()
