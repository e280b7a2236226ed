"""Shows every frame that crosses the link, one line each, or whole."""

import asyncio
import sys
from datetime import datetime

from google.protobuf import json_format
from google.protobuf.message import DecodeError, Message

from im_client._proto import im_pb2
from im_client.commands import COMMANDS, PUSHES
from im_client.events import FrameEvent, StateEvent
from im_client.terminal.context import Context
from im_client.terminal.screen import clean, cut

_ANSWERS = {command.number: command for command in COMMANDS}
_COMET = 0


def body_of(event: FrameEvent) -> Message | None:
    """The body as its message; None when it cannot be read."""
    kind: type[Message] | None
    if event.cmd == _COMET:
        kind = im_pb2.CometRequest if event.outgoing else im_pb2.CometResponse
    elif event.cmd in PUSHES:
        kind = PUSHES[event.cmd]
    else:
        command = _ANSWERS.get(event.cmd)
        kind = None if command is None else command.request if event.outgoing else command.answer
    try:
        return None if kind is None else kind.FromString(event.body)
    except DecodeError:
        return None


def frame_line(event: FrameEvent, now: datetime) -> str:
    """Time, direction, command, seq, size, and the body as JSON in one line."""
    name = "comet" if event.cmd == _COMET else "?"
    if event.cmd in im_pb2.Command.values():
        found = im_pb2.Command.Name(event.cmd).removeprefix("CMD_").lower()
        name = name if event.cmd == _COMET else found
    arrow = "→" if event.outgoing else "←"
    body = body_of(event)
    shown = (
        "?"
        if body is None
        else json_format.MessageToJson(
            body, indent=None, preserving_proto_field_name=True, ensure_ascii=False
        )
    )
    head = f"{now:%H:%M:%S} {arrow} {name:<14} {event.seq:>4} {len(event.body):>6} B "
    return head + clean(shown)


async def watch(context: Context, whole: bool, seconds: float) -> int:
    """Print frames until Ctrl-C, or for so many seconds."""
    client = context.make()

    def show(event: FrameEvent) -> None:
        line = frame_line(event, datetime.now())
        print(line if whole else cut(line, context.room), flush=True)

    def state(event: StateEvent) -> None:
        print(f"{datetime.now():%H:%M:%S} · {event.state} {event.transport}".rstrip(), flush=True)

    client.watch_frames(show)
    client.on(StateEvent, state)
    servers = context.profile.servers
    line = context.say("watching", user=context.profile.user, url=servers[0])
    print(cut(line, context.room), file=sys.stderr)
    try:
        await client.start()
        await asyncio.sleep(seconds or float("inf"))
    finally:
        await client.close()
    return 0
