"""The parts of the README that are made from the code.

`python -m tests.support.readme` prints the configuration table to paste.
"""

from pathlib import Path

from pydantic_core import PydanticUndefined

from models.settings import Settings

README = Path(__file__).resolve().parent.parent.parent / "README.md"


def settings_table(settings: type[Settings]) -> str:
    """Name, default and meaning of every setting; units are in the names."""
    lines = ["| variable | default | meaning |", "|---|---|---|"]
    for name, info in settings.model_fields.items():
        alias = info.validation_alias
        variable = alias if isinstance(alias, str) else f"IM_{name.upper()}"
        if info.default is PydanticUndefined:
            default = "required"
        else:
            default = "empty" if info.default in ("", ()) else f"`{info.default}`"
        lines.append(f"| `{variable}` | {default} | {info.description} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(settings_table(Settings))
