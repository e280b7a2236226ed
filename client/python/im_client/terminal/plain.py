"""Subcommands that print and end: list, history, send, send-file, groups."""

import time
from contextlib import suppress
from pathlib import Path

from im_client._proto import im_pb2
from im_client.aio import Client
from im_client.errors import NotConnected
from im_client.model import Conversation, Message
from im_client.terminal.context import Context
from im_client.terminal.screen import clean, cut, pad, rule
from im_client.terminal.show import contact_line, day, message_lines, queued_line

ACK_S = 15.0


def target_of(peer: str, group: bool) -> Conversation:
    """Whom the user named: `#id` and `--group id` are groups."""
    if group or peer.startswith("#"):
        return Conversation.group(peer.removeprefix("#"))
    return Conversation.person(peer)


async def list_contacts(context: Context) -> int:
    """The contact list, newest first."""
    async with context.client() as (client, ready):
        if not ready:
            print(context.say("offline_list"))
        contacts = await client.contacts()
        for contact in contacts:
            print(contact_line(contact, client.user, context.say, context.room))
        if not contacts:
            print(context.say("no_contacts"))
    return 0


async def show_history(context: Context, target: Conversation, limit: int) -> int:
    """The newest messages of a conversation."""
    async with context.client() as (client, ready):
        if not ready:
            print(context.say("offline_list"))
        messages = await client.history(target, limit=limit)
        print_messages(context, client.user, messages)
        if not messages:
            print(context.say("no_messages"))
    return 0


def print_messages(context: Context, own: str, messages: list[Message], last_day: str = "") -> str:
    """Print messages under their days; the last day."""
    for message in messages:
        today = day(message.send_time_ms)
        if today != last_day:
            print(rule(today, context.room))
            last_day = today
        for line in message_lines(message, own, context.say, context.room):
            print(line)
    return last_day


async def send(context: Context, target: Conversation, text: str) -> int:
    """Send a text and wait for the server to have it."""
    async with context.client(0.0) as (client, _):
        key = await client.send_text(target, text)
        return await _await_sent(context, client, key, target)


async def send_file(context: Context, target: Conversation, path: Path) -> int:
    """Upload a file, send its reference and wait for the server to have it."""
    if not path.is_file():
        print(context.say("no_file", path=path))
        return 1
    if context.uploader is None:
        print(context.say("no_upload"))
        return 1
    async with context.client(0.0) as (client, _):
        key = await client.send_file(target, path)
        return await _await_sent(context, client, key, target)


async def _await_sent(context: Context, client: Client, key: str, target: Conversation) -> int:
    until = time.monotonic() + ACK_S
    with suppress(NotConnected):
        await client.wait_ready(ACK_S)  # Closed as soon as the server does not want us
    try:
        await client.wait_acked(key, max(1.0, until - time.monotonic()))
    except NotConnected:
        with suppress(NotConnected):
            await client.wait_ready(0.0)  # Closed, too, if that came later
        print(context.say("waiting"))
        return 2
    mark = "#" if target.is_group else ""
    print(context.say("sent", peer=f"{mark}{target.id}"))
    return 0


async def list_outbox(context: Context, forget: str = "") -> int:
    """What waits to be sent and what was refused; or take one of these back, by its key."""
    client = context.make()  # not connected: it would send what is to be taken back
    try:
        queued = await client.outbox()
        if forget:
            found = [one.key for one in queued if one.key.startswith(forget)]
            done = len(found) == 1 and await client.forget(found[0])
            print(context.say("taken_back" if done else "no_such_key", key=clean(forget)))
            return 0 if done else 1
        for one in queued:
            print(queued_line(one, context.say, context.room))
        if not queued:
            print(context.say("nothing_waits"))
    finally:
        await client.close()
    return 0


async def list_groups(context: Context) -> int:
    """The user's groups."""
    async with context.client() as (client, ready):
        if not ready:
            print(context.say("offline_list"))
        groups = await client.groups()
        for group in groups:
            name = pad(clean(group.name or group.group), 24)
            count = context.say(
                "member_one" if group.members == 1 else "members", count=group.members
            )
            role = _role(context, group.role)
            print(cut(f"#{group.group}  {name} {pad(count, 12)} {role}".rstrip(), context.room))
        if not groups:
            print(context.say("no_groups"))
    return 0


def _role(context: Context, role: int) -> str:
    names = {int(im_pb2.OWNER): "owner", int(im_pb2.ADMIN): "admin"}
    return context.say(names[role]) if role in names else ""


async def change_group(context: Context, action: str, words: list[str]) -> int:
    """create NAME [USER…], join ID, leave ID, invite ID USER…, remove ID USER…, members ID."""
    async with context.client() as (client, _):
        first, rest = words[0].removeprefix("#"), words[1:]
        say = context.say
        match action:
            case "create":
                info = await client.create_group(words[0], rest)
                print(say("group_made", group=f"#{info.group}"))
            case "join":
                inside = await client.join_group(first)
                print(say("joined" if inside else "asked", group=f"#{first}"))
            case "leave":
                await client.leave_group(first)
                print(say("done"))
            case "invite":
                await client.invite(first, *rest)
                print(say("done"))
            case "remove":
                await client.remove(first, *rest)
                print(say("done"))
            case "members":
                for member in await client.members(first):
                    name = clean(member.profile.name or member.user)
                    line = f"{pad(clean(member.user), 24)} {pad(name, 24)} "
                    print(cut(f"{line}{_role(context, member.role)}".rstrip(), context.room))
    return 0
