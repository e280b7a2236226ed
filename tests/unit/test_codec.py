"""What travels to connections, byte for byte what protobuf would have made."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import RETRYABLE, Code, IMError
from models.log import Row
from models.messages import encode_row
from proto import frame, im_pb2
from proto.commands import BY_NAME, BY_NUMBER, COMMANDS
from web.codec import Downlink, messages_downlink, read_channel, read_json, refusal

U64 = st.integers(0, (1 << 53) - 1)


def row(version: int, body: str) -> Row:
    content = im_pb2.Content(text=im_pb2.Text(text=body)).SerializeToString()
    return Row(bytes(15) + b"\x07", version, "s-1", "alice", "bob", 5, content, 1234, 0)


@given(U64, st.lists(st.tuples(st.integers(1, (1 << 53) - 1), st.text(min_size=1)), max_size=4))
def test_joined_entries_are_a_messages_push(previous: int, messages: list[tuple[int, str]]) -> None:
    entries = b"".join(encode_row(row(version, body)) for version, body in messages)
    push = im_pb2.MessagesPush.FromString(messages_downlink(previous, entries).body)
    assert push.previous == previous
    assert [(m.version, m.content.text.text) for m in push.messages] == messages
    assert all(m.id == "0" * 31 + "7" and m.sender == "alice" for m in push.messages)


def test_a_channel_payload_becomes_the_downlink_it_names() -> None:
    messages = read_channel(b"m41\n" + encode_row(row(42, "line\nbreak")))
    assert messages.number == im_pb2.CMD_PUSH_MESSAGES
    assert im_pb2.MessagesPush.FromString(messages.body).previous == 41
    typing = im_pb2.TypingPush(sender="alice\n").SerializeToString()
    event = read_channel(b"e%d\n" % im_pb2.CMD_PUSH_TYPING + typing)
    assert (event.number, event.body) == (im_pb2.CMD_PUSH_TYPING, typing)


def test_a_downlink_is_encoded_once_per_shape() -> None:
    downlink = Downlink(im_pb2.CMD_PUSH_RESYNC, b"")
    assert downlink.mars(200) is downlink.mars(200)
    assert downlink.json() is downlink.json()
    assert frame.decode(downlink.mars(7), 100).client_version == 7
    assert json.loads(downlink.json()) == {"cmd": "push_resync", "seq": 0, "body": {}}


@pytest.mark.parametrize("code", list(Code))
def test_every_answer_can_carry_every_error(code: Code) -> None:
    for command in COMMANDS:
        if command.request is None:
            continue
        answer = refusal(IMError(code, "why", retry_after_ms=5), command)
        read = im_pb2.Reply.FromString(answer.SerializeToString()).error
        assert (read.code, read.name, read.message) == (code, code.name, "why")
        assert read.retryable == (code in RETRYABLE)


def test_names_and_numbers_are_unique_and_leave_mars_its_own() -> None:
    assert len(BY_NAME) == len(BY_NUMBER) == len(COMMANDS)
    assert not {frame.NOOP_CMD, frame.SIGNALLING_CMD} & set(BY_NUMBER)


def test_every_code_has_a_number_in_the_protocol() -> None:
    named = {name.removeprefix("ERR_"): number for name, number in im_pb2.ErrorCode.items()}
    assert {code.name: code.value for code in Code} == {
        name: number for name, number in named.items() if number
    }


def test_an_unknown_name_is_a_request_without_a_command() -> None:
    request = read_json('{"cmd":"nonsense","seq":3}')
    assert (request.command, request.seq) == (None, 3)
