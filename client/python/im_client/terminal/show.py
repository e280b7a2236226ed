"""Messages and contacts as lines of at most so many columns."""

from collections.abc import Iterator
from datetime import datetime

from im_client._proto import im_pb2
from im_client.model import Contact, Message, Queued
from im_client.terminal.screen import clean, cut, pad, width, wrap
from im_client.terminal.texts import Texts

NAME_COLUMNS = 12
_SIZES = ("B", "KB", "MB", "GB")


def clock(time_ms: int) -> str:
    """Hours and minutes here."""
    return datetime.fromtimestamp(time_ms / 1000).strftime("%H:%M")


def day(time_ms: int) -> str:
    """The date here."""
    return datetime.fromtimestamp(time_ms / 1000).strftime("%Y-%m-%d")


def size(bytes_: int) -> str:
    """A size for people."""
    value, unit = float(bytes_), 0
    while value >= 1024 and unit < len(_SIZES) - 1:
        value, unit = value / 1024, unit + 1
    return f"{value:.0f} {_SIZES[unit]}" if unit == 0 else f"{value:.1f} {_SIZES[unit]}"


def summary(content: im_pb2.Content, say: Texts) -> str:
    """What a message says, as text; may have several lines."""
    kind = content.WhichOneof("body") or ""
    match kind:
        case "text":
            return content.text.text
        case "image" | "video":
            return say(kind, name=getattr(content, kind).media.name)
        case "voice":
            seconds = round(content.voice.duration_ms / 1000)
            return say(kind, name=content.voice.media.name, seconds=seconds)
        case "file":
            media = content.file.media
            return say(kind, name=media.name or media.ref, size=size(media.size_bytes))
        case "location":
            place = content.location
            name = place.name or f"{place.latitude:.5f}, {place.longitude:.5f}"
            return say(kind, name=name)
        case "card":
            return say(kind, name=content.card.name or content.card.user)
        case "custom":
            return content.custom.summary or say(kind, name=content.custom.type)
        case "system":
            return happened(content.system, say)
    return ""


def happened(system: im_pb2.System, say: Texts) -> str:
    """What happened to a group."""
    kind = im_pb2.SystemKind.Name(system.kind)
    if not say.knows(kind):
        return kind
    return say(kind, actor=system.actor, users=", ".join(system.users))


def message_lines(message: Message, own: str, say: Texts, room: int) -> Iterator[str]:
    """A message: time, who, and the text beside them."""
    who = say("you") if message.sender == own else message.sender or "*"
    text = say("recalled") if message.recalled else summary(message.content, say)
    head = f"{clock(message.send_time_ms)}  {pad(clean(who), NAME_COLUMNS)}  "
    for line in wrap(text, room - width(head)):
        yield head + line
        head = " " * width(head)


def contact_line(contact: Contact, own: str, say: Texts, room: int) -> str:
    """A conversation: name, badge, when, and the beginning of the last message."""
    last = contact.last
    name = contact.name
    mark = "#" if contact.conversation.is_group else " "
    badge = f"({contact.unread})" if contact.unread else ""
    if contact.mentions:
        badge += say("mention")
    when, text = "", ""
    if last is not None:
        today = day(last.send_time_ms) == day(int(datetime.now().timestamp() * 1000))
        when = clock(last.send_time_ms) if today else day(last.send_time_ms)[5:]
        text = say("recalled") if last.recalled else summary(last.content, say)
        if last.sender == own:
            text = f"{say('you')}: {text}"
        elif contact.conversation.is_group and last.sender:
            text = f"{last.sender}: {text}"
    if contact.muted:
        text = f"[{say('muted')}] {text}"
    line = f"{mark} {pad(clean(name), 18)} {pad(badge, 9)} {pad(when, 5)}  {clean(text)}"
    return cut(line, room)


def queued_line(one: Queued, say: Texts, room: int) -> str:
    """A message of the outbox: its key, when it was written, to whom, what became of it, what."""
    mark = "#" if one.conversation.is_group else " "
    state = one.error or say("maybe_sent" if one.maybe_sent else "not_sent_yet")
    when = f"{day(one.made_ms)[5:]} {clock(one.made_ms)}"
    head = f"{pad(clean(one.key)[:8], 8)} {when} {mark}{pad(clean(one.conversation.id), 16)}"
    return cut(f"{head} {pad(state, 16)}  {clean(summary(one.content, say))}", room)
