"""The commands: number, name and answer of each request, read off the generated protocol.

The protocol names them alike: CMD_GROUP_INFO is the command `group_info`, its request is
GroupInfoRequest, its answer GroupInfoResponse where there is one; what changes a group answers
GroupResponse, everything else Reply but for `_EXCEPTIONS`. Downlinks are CMD_PUSH_X and XPush.
"""

from dataclasses import dataclass

from google.protobuf.message import Message

from im_client._proto import im_pb2

_MARS = ("NONE", "NOOP", "SIGNALLING")
_EXCEPTIONS: dict[str, type[Message]] = {"PRESENCE_SUBSCRIBE": im_pb2.PresenceResponse}


@dataclass(frozen=True, slots=True)
class Command:
    """What a client may ask."""

    number: int
    name: str
    request: type[Message]
    answer: type[Message]


def _camel(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))


def _commands() -> tuple[Command, ...]:
    found = []
    for full, number in im_pb2.Command.items():
        name = full.removeprefix("CMD_")
        if name in _MARS or name.startswith("PUSH_"):
            continue
        usual: type[Message] = im_pb2.GroupResponse if name.startswith("GROUP_") else im_pb2.Reply
        usual = _EXCEPTIONS.get(name, usual)
        found.append(
            Command(
                number,
                name.lower(),
                getattr(im_pb2, f"{_camel(name)}Request"),
                getattr(im_pb2, f"{_camel(name)}Response", usual),
            )
        )
    return tuple(found)


def _pushes() -> dict[int, type[Message]]:
    return {
        number: getattr(im_pb2, f"{_camel(name.removeprefix('CMD_PUSH_'))}Push")
        for name, number in im_pb2.Command.items()
        if name.startswith("CMD_PUSH_")
    }


COMMANDS = _commands()
BY_REQUEST = {command.request: command for command in COMMANDS}
BY_NAME = {command.name: command for command in COMMANDS}
PUSHES = _pushes()
