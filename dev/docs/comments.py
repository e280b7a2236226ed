"""The comments of a .proto file, by what they describe.

protoc's own source info drops the further lines of a comment that begins behind a field, so the
text is read here. It relies on the layout of `proto/im.proto`: one declaration a line.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from dev.environment import ROOT

IM_PROTO = ROOT / "proto" / "im.proto"
_OPEN = re.compile(r"(message|enum|oneof) (\w+) \{(\})?")
_MEMBER = re.compile(r"(?:optional |repeated )?(?:[\w.]+ )?(\w+) = \d+;")
_CONTINUES_AT = 20
"""A line that holds a comment only, this far to the right, goes on with the one above."""


def read_comments(path: Path = IM_PROTO) -> Mapping[str, str]:
    """Comment by name: `Message`, `Message.field`, `Enum`, `Enum.VALUE`; fields of a oneof too."""
    comments: dict[str, list[str]] = {}
    scopes: list[str] = []  # empty: a oneof, whose fields are those of its message
    above: list[str] = []
    last = ""
    for line in path.read_text().splitlines():
        code, _, comment = (part.strip() for part in line.partition("//"))
        if not code:
            if not comment:
                above = []
            elif last and line.index("//") >= _CONTINUES_AT:
                comments[last].append(comment)
            else:
                above.append(comment)
            continue
        last = ""
        if opened := _OPEN.match(code):
            name = "" if opened[1] == "oneof" else opened[2]
            if name:
                comments[name] = above
            if not opened[3]:
                scopes.append(name)
        elif code == "}":
            scopes.pop()
        elif scopes and (member := _MEMBER.match(code)):
            last = f"{next(filter(None, reversed(scopes)))}.{member[1]}"
            comments[last] = [comment] if comment else []
        above = []
    return {name: " ".join(lines) for name, lines in comments.items() if lines}
