"""The tables of `docs/protocol.md`, from protocol, errors, sessions and settings."""

from collections.abc import Iterable, Mapping, Sequence

from dev.docs.comments import read_comments
from models import content, ids, membership
from models.errors import RETRYABLE, Code
from models.settings import Settings
from models.tickets import TTL_S
from models.usecases import devices, grouproles, grouprules, reading
from proto import frame, im_pb2
from proto.commands import BY_NUMBER, COMMANDS
from web import subscriptions
from web.httpcall import STATUS
from web.session import ALLOWED, REQUESTS_MAX, State
from web.shortlink import OPEN_TO_ALL

LONG_ONLY = frozenset(
    {im_pb2.CMD_AUTH, im_pb2.CMD_PRESENCE_SUBSCRIBE, im_pb2.CMD_PRESENCE_UNSUBSCRIBE}
)
"""Commands that concern a connection; a short call of one is a BAD_REQUEST."""


def commands_table() -> str:
    """Every command a client may call, and who may when."""
    about = read_comments()
    rows = []
    for name, number in im_pb2.Command.items():
        command = BY_NUMBER.get(number)
        meaning = about.get(f"Command.{name}", "")
        if command is not None and command.request is not None:
            early = number in ALLOWED[State.OPENING]
            rows.append(
                (
                    number,
                    f"`{command.name}`",
                    f"`{command.request.DESCRIPTOR.name}`",
                    f"`{command.answer.DESCRIPTOR.name}`",
                    "at once" if early else "after `auth`",
                    _by_http(number),
                    meaning,
                )
            )
        elif number in (frame.NOOP_CMD, frame.SIGNALLING_CMD):
            rows.append((number, "–", "empty", _answer_of(number), "at once", "no", meaning))
    head = ("number", "name", "request", "answer", "on a connection", "by `POST /im/…`", "does")
    return table(head, rows)


def _by_http(number: int) -> str:
    if number in LONG_ONLY:
        return "no"
    return "without a token" if number in OPEN_TO_ALL else "yes"


def _answer_of(number: int) -> str:
    return "empty" if number == frame.NOOP_CMD else "none"


def downlinks_table() -> str:
    """Everything the server says without being asked."""
    about = read_comments()
    rows = [
        (
            command.number,
            f"`{command.name}`",
            f"`{command.answer.DESCRIPTOR.name}`",
            about[f"Command.{im_pb2.Command.Name(command.number)}"],
        )
        for command in COMMANDS
        if command.request is None
    ]
    return table(("number", "name", "body", "says"), rows)


def errors_table() -> str:
    """Every code, with the status a JSON caller over HTTP gets."""
    rows = [
        (code.value, f"`{code.name}`", _yes(code in RETRYABLE), STATUS[code], meaning_of(code))
        for code in Code
    ]
    return table(("code", "name", "retryable", "HTTP", "meaning"), rows)


def readme_errors_table() -> str:
    """The same as the README shows it."""
    rows = [
        (code.value, f"`{code.name}`", _yes(code in RETRYABLE), meaning_of(code)) for code in Code
    ]
    return table(("code", "name", "retryable", "meaning"), rows)


def meaning_of(code: Code) -> str:
    """What the protocol says about an error."""
    return read_comments()[f"ErrorCode.ERR_{code.name}"]


def limits_table() -> str:
    """What a client runs into; settings are marked, their values are the defaults."""
    rows: list[tuple[object, ...]] = [
        ("a frame, head included; an HTTP body", _setting("body_bytes_max", "bytes")),
        ("a frame from the server", f"below {_count(64 * 1024)} bytes"),
        ("extension of a frame's head", f"{_count(frame.EXTENSION_BYTES_MAX)} bytes"),
        ("requests of one connection that wait for an answer", f"{REQUESTS_MAX}, then it waits"),
        ("time to authenticate a connection", _setting("auth_deadline_s", "s")),
        ("time to finish a frame that has begun", _setting("frame_deadline_s", "s")),
        ("time to take what is written", _setting("write_timeout_s", "s")),
        ("silence before the server closes", _setting("idle_timeout_s", "s")),
        ("time until a request is answered, if by an error", _setting("request_timeout_s", "s")),
        ("a long poll", _setting("comet_wait_s", "s")),
        ("sends of one user a second; at once", _setting("send_rate_per_s", "", "send_burst")),
        ("time to recall a message", _setting("recall_window_s", "s")),
        (
            "items of a page",
            f"{reading.LIMIT_DEFAULT}; up to {reading.LIMIT_MAX} where `limit` says so",
        ),
        ("an answer's page ends early at", f"{_count(reading.ANSWER_BYTES_MAX)} bytes"),
        ("cursors of one `group_sync`", _count(membership.CURSORS_MAX)),
        ("users of one presence or group command", str(devices.USERS_MAX)),
        ("users one connection hears of", str(subscriptions.WATCHED_MAX)),
        ("a ticket lives", f"{TTL_S} s, once"),
        ("user id", f"1 to {ids.USER_BYTES_MAX} of letters, digits and `._@+=|:-`"),
        ("`sequence`", f"1 to {ids.SEQUENCE_BYTES_MAX} printable ASCII without space"),
        ("content", f"{_count(content.CONTENT_BYTES_MAX)} bytes"),
        ("text", f"1 to {_count(content.TEXT_BYTES_MAX)} bytes of UTF-8"),
        ("custom data", f"{_count(content.CUSTOM_DATA_BYTES_MAX)} bytes"),
        ("reference of media", f"{_count(content.REF_BYTES_MAX)} bytes, a key or an https URL"),
        ("mentions of one message", str(content.MENTIONS_MAX)),
        ("name of a group; announcement", _group_texts()),
        ("mute of a member", f"{grouproles.MUTE_MAX_S // 86400} days"),
        ("groups of a user; members of a group", _setting("groups_per_user_max", "", _MEMBERS)),
        ("length of a block list", _setting("blocked_users_max", "")),
    ]
    return table(("what", "at most"), rows)


_MEMBERS = "group_members_max"


def _group_texts() -> str:
    name, text = grouprules.NAME_BYTES_MAX, grouprules.ANNOUNCEMENT_BYTES_MAX
    return f"{name}; {_count(text)} bytes"


def _setting(name: str, unit: str, other: str = "") -> str:
    """Default and name of one setting, or of two."""
    names = [name, other] if other else [name]
    fields = Settings.model_fields
    values = "; ".join(f"{_count(fields[one].default)} {unit}".strip() for one in names)
    return f"{values} ({', '.join(f'`IM_{one.upper()}`' for one in names)})"


def _count(value: float) -> str:
    return f"{value:,g}" if value < 1_000_000 else f"{value:,.0f}"


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table."""
    return "\n".join([_row(head), "|" + "---|" * len(head), *map(_row, rows)])


def _row(cells: Sequence[object]) -> str:
    return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |"


def tables() -> Mapping[str, str]:
    """Every table by the name of its marker."""
    return {
        "commands": commands_table(),
        "downlinks": downlinks_table(),
        "errors": errors_table(),
        "limits": limits_table(),
    }
