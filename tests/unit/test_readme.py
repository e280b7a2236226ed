"""The README's tables say what the code says."""

from models.errors import RETRYABLE, Code
from models.settings import Settings
from proto.commands import COMMANDS
from tests.support.readme import README, settings_table


def test_the_configuration_table_is_complete() -> None:
    assert settings_table(Settings) in README.read_text()


def test_every_error_code_is_explained() -> None:
    text = README.read_text()
    for code in Code:
        retryable = "yes" if code in RETRYABLE else "no"
        assert f"| {code.value} | `{code.name}` | {retryable} |" in text, code


def test_every_command_is_explained() -> None:
    """Downlinks have no request; the first column names one or several commands."""
    rows = [line.split("|") for line in README.read_text().splitlines() if line.startswith("| `")]
    named = {name.strip(" `") for cells in rows for name in cells[1].split(",")}
    assert not {command.name for command in COMMANDS if command.request} - named
