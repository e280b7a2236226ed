"""`python -m dev.docs` writes what is generated; with `--check` it fails where that is stale."""

import json
import re
import sys
from collections.abc import Mapping

from dev.docs.frames import frames_example, json_example, noop_example
from dev.docs.openapi import document
from dev.docs.tables import tables
from dev.environment import ROOT

PROTOCOL = ROOT / "docs" / "protocol.md"
OPENAPI = ROOT / "docs" / "openapi.json"
_BLOCK = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def fill(text: str, blocks: Mapping[str, str]) -> str:
    """The text with every marked place filled anew; each block must have its place."""
    named = [match[2] for match in _BLOCK.finditer(text)]
    if sorted(named) != sorted(blocks):
        raise ValueError(f"places {sorted(named)}, blocks {sorted(blocks)}")
    return _BLOCK.sub(lambda match: f"{match[1]}\n{blocks[match[2]]}\n\n{match[3]}", text)


def protocol() -> str:
    """`docs/protocol.md` as it should be."""
    blocks = {
        **tables(),
        "frames": frames_example(),
        "noop": noop_example(),
        "json": json_example(),
    }
    return fill(PROTOCOL.read_text(), blocks)


def openapi() -> str:
    """`docs/openapi.json` as it should be."""
    return json.dumps(document(), indent=2, ensure_ascii=False) + "\n"


def main(arguments: list[str]) -> int:
    """Write both files, or check them."""
    stale = 0
    for path, text in ((PROTOCOL, protocol()), (OPENAPI, openapi())):
        if path.exists() and path.read_text() == text:
            continue
        if arguments == ["--check"]:
            print(f"{path.relative_to(ROOT)} is stale: run make docs")
            stale = 1
        else:
            path.write_text(text)
    return stale


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
