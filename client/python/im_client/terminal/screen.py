"""Text for a terminal: cleaned of what could steer it, measured in columns, cut, wrapped."""

import re
import shutil
import unicodedata
from collections.abc import Iterator

# C0 and C1 controls, and the marks that turn the direction of text.
_STEERING = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_ZERO = ("Mn", "Me", "Cf")


def columns() -> int:
    """How wide the terminal is; 80 where there is none."""
    return max(40, shutil.get_terminal_size((80, 24)).columns)


def clean(text: str) -> str:
    """Text of others as it may be printed: nothing in it moves the cursor or hides what follows."""
    return _STEERING.sub(lambda found: " " if found[0] in "\n\r\t" else "�", text)


def width(text: str) -> int:
    """Columns the text takes: East Asian wide characters take two, combining ones none."""
    return sum(_width(char) for char in text)


def _width(char: str) -> int:
    if unicodedata.category(char) in _ZERO:
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def cut(text: str, room: int) -> str:
    """The text, with … instead of what does not fit."""
    if width(text) <= room:
        return text
    taken, used = "", 0
    for char in text:
        used += _width(char)
        if used > room - 1:
            break
        taken += char
    return f"{taken}…"


def pad(text: str, room: int) -> str:
    """The text in exactly so many columns."""
    text = cut(text, room)
    return text + " " * (room - width(text))


def wrap(text: str, room: int) -> Iterator[str]:
    """Lines of at most so many columns, broken at spaces where there are any; at least one."""
    for paragraph in text.splitlines() or [""]:
        line = ""
        for piece in re.findall(r"\s+|[^\s]+", clean(paragraph)):
            while width(line) + width(piece) > room:
                if line and width(piece) <= room:
                    yield line.rstrip()
                    line, piece = "", piece.lstrip()
                    continue
                head = _fitting(piece, room - width(line))
                yield (line + head).rstrip()
                line, piece = "", piece[len(head) :]
            line += piece
        yield line.rstrip()


def _fitting(text: str, room: int) -> str:
    """As much of the text as fits, at least one character where a whole line is free."""
    used = 0
    for index, char in enumerate(text):
        used += _width(char)
        if used > room:
            return text[:index]
    return text


def rule(title: str, room: int) -> str:
    """A line across the screen with a title in it."""
    head = cut(f"── {title} ", room)
    return head + "─" * max(0, room - width(head))
