"""Worked examples of frames, encoded by the code that encodes them."""

from google.protobuf import text_format
from google.protobuf.message import Message

from models.errors import Code, IMError
from models.ids import message_id
from proto import frame, im_pb2, jsonframe
from proto.commands import BY_NUMBER

SEND_TIME = 1790000000123
ID = message_id(SEND_TIME, shard=3, version=41)
SEQ = 2
SEND = im_pb2.SendRequest(
    receiver="bob", sequence="a1", content=im_pb2.Content(text=im_pb2.Text(text="hi"))
)
ANSWER = im_pb2.SendResponse(id=ID, send_time=SEND_TIME)
PUSH = im_pb2.MessagesPush(
    messages=[
        im_pb2.Message(
            id=ID,
            version=1001,
            sequence="a1",
            sender="alice",
            receiver="bob",
            content=SEND.content,
            send_time=SEND_TIME,
        )
    ],
    previous=998,
)
REFUSAL = im_pb2.SendResponse(
    error=IMError(Code.BLOCKED, "the receiver does not take messages from you").to_proto()
)
AUTH = im_pb2.AuthRequest(token="eyJ0", platform="ios", device="d-7")
WORDS = ("head_length", "client_version", "cmdid", "seq", "body_length")
_WIDTH = 34
_BYTES_A_LINE = 16


def frames_example() -> str:
    """One frame of each kind, byte by byte."""
    return "\n\n".join(
        (
            _explained("`auth` as the client's first frame, seq 1", im_pb2.CMD_AUTH, 1, AUTH),
            _explained("`send`, seq 2", im_pb2.CMD_SEND, SEQ, SEND),
            _explained("its answer, found by seq 2", im_pb2.CMD_SEND, SEQ, ANSWER),
            _explained("the answer if bob blocks alice", im_pb2.CMD_SEND, SEQ, REFUSAL),
            _explained("what bob's devices get", im_pb2.CMD_PUSH_MESSAGES, frame.PUSH_SEQ, PUSH),
        )
    )


def noop_example() -> str:
    """The heartbeat, which is the same both ways."""
    return f"```text\n{frame.encode(frame.NOOP_CMD, frame.NOOP_SEQ, b'').hex(' ', 4)}\n```"


def json_example() -> str:
    """The same exchange in `im.json`."""
    lines = (
        ("client", jsonframe.encode("auth", 1, AUTH)),
        ("client", jsonframe.encode("send", SEQ, SEND)),
        ("server", jsonframe.encode("send", SEQ, ANSWER)),
        ("server", jsonframe.encode("push_messages", frame.PUSH_SEQ, PUSH)),
    )
    return "```text\n" + "\n".join(f"{who}  {text}" for who, text in lines) + "\n```"


def _explained(title: str, cmd: int, seq: int, message: Message) -> str:
    """A frame, one word or field a line."""
    body = message.SerializeToString()
    words = frame.HEAD.unpack(frame.encode(cmd, seq, b"")[: frame.HEAD_BYTES])
    values = (*words[:4], len(body))
    notes = {2: f" = {BY_NUMBER[cmd].name}"}
    lines = [
        f"{value:08x}".ljust(_WIDTH) + f"{name} {value}{notes.get(index, '')}"
        for index, (name, value) in enumerate(zip(WORDS, values, strict=True))
    ]
    return "\n".join([f"{title}:", "", "```text", *lines, *_fields(message), "```"])


def _fields(message: Message) -> list[str]:
    lines: list[str] = []
    for field, value in message.ListFields():
        part = type(message)()
        if field.is_repeated:
            getattr(part, field.name).extend(value)
        elif field.message_type is not None:
            getattr(part, field.name).CopyFrom(value)
        else:
            setattr(part, field.name, value)
        data = part.SerializeToString()
        pieces = [data[at : at + _BYTES_A_LINE] for at in range(0, len(data), _BYTES_A_LINE)]
        lines.append(
            pieces[0].hex().ljust(_WIDTH) + text_format.MessageToString(part, as_one_line=True)
        )
        lines += [piece.hex() for piece in pieces[1:]]
    return lines
