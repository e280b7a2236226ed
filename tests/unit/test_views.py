"""The views of `views.proto` and the messages of `im.proto` are the same bytes."""

from typing import Any

import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from hypothesis import given
from hypothesis import strategies as st

from proto import im_pb2, views_pb2

PAIRS: list[tuple[type[Message], type[Message]]] = [
    (im_pb2.SendRequest, views_pb2.SendView),
    (im_pb2.Message, views_pb2.MessageView),
    (im_pb2.MessagesPush, views_pb2.MessagesView),
]
# An unknown field 1000 of each wire type: varint, bytes, 32 and 64 bits.
UNKNOWN = bytes.fromhex("c03e01 c23e0161 c53e01020304 c13e0102030405060708")

CONTENTS = st.builds(
    im_pb2.Content,
    text=st.builds(im_pb2.Text, text=st.text(max_size=40)),
    reply_to=st.text("0123456789abcdef", max_size=32),
    mentions=st.lists(st.text(max_size=5), max_size=3),
)
UINT64 = st.integers(0, 2**64 - 1)
INT64 = st.integers(-(2**63), 2**63 - 1)
SENDS = st.builds(
    im_pb2.SendRequest,
    receiver=st.text(max_size=9),
    sequence=st.text(max_size=9),
    content=CONTENTS,
    sender=st.text(max_size=9),
)
MESSAGES = st.builds(
    im_pb2.Message,
    id=st.text(max_size=32),
    version=UINT64,
    sequence=st.text(max_size=9),
    sender=st.text(max_size=9),
    receiver=st.text(max_size=9),
    content=CONTENTS,
    send_time=INT64,
    withdraw_time=INT64,
)
PUSHES = st.builds(im_pb2.MessagesPush, messages=st.lists(MESSAGES, max_size=3), previous=UINT64)


def wire_type(field: Any) -> int:
    """How a field is written; the views write messages as bytes and enums as int32."""
    if field.type == FieldDescriptor.TYPE_MESSAGE:
        return FieldDescriptor.TYPE_BYTES
    if field.type == FieldDescriptor.TYPE_ENUM:
        return FieldDescriptor.TYPE_INT32
    return int(field.type)


@pytest.mark.parametrize(("whole", "view"), PAIRS)
def test_the_fields_are_the_same(whole: type[Message], view: type[Message]) -> None:
    shapes = [
        {
            (field.number, field.name, field.is_repeated, wire_type(field))
            for field in type_.DESCRIPTOR.fields
        }
        for type_ in (whole, view)
    ]
    assert shapes[0] == shapes[1]


@given(
    st.one_of(
        SENDS.map(lambda m: (m, 0)), MESSAGES.map(lambda m: (m, 1)), PUSHES.map(lambda m: (m, 2))
    )
)
def test_the_bytes_are_the_same(case: tuple[Message, int]) -> None:
    # Given any message of im.proto with fields nobody knows
    message, pair = case
    whole, view = PAIRS[pair]
    data = message.SerializeToString() + UNKNOWN

    # When a view reads and writes it
    viewed = view.FromString(data).SerializeToString()

    # Then the bytes read back as the same message
    assert viewed == data
    assert whole.FromString(viewed).SerializeToString() == data


def test_unknown_fields_inside_a_body_survive_from_send_to_push() -> None:
    # Given a send whose content, and text, hold fields this server does not know
    text = im_pb2.Text(text="hi").SerializeToString() + UNKNOWN
    content = b"\x0a" + bytes([len(text)]) + text + UNKNOWN
    send = views_pb2.SendView(receiver="bob", sequence="1", content=content).SerializeToString()
    assert im_pb2.SendRequest.FromString(send).content.text.text == "hi"

    # When its content is copied into a push
    kept = views_pb2.SendView.FromString(send).content
    view = views_pb2.MessageView(id="0" * 32, version=2, receiver="bob", content=kept)
    push = views_pb2.MessagesView(messages=[view], previous=1).SerializeToString()

    # Then the client gets every byte of it
    got = im_pb2.MessagesPush.FromString(push)
    assert got.messages[0].content.SerializeToString() == content
    assert got.previous == 1


def test_a_recalled_message_has_no_content_in_either() -> None:
    view = views_pb2.MessageView(id="0" * 32, withdraw_time=5)
    message = im_pb2.Message.FromString(view.SerializeToString())
    assert not message.HasField("content")
    assert message.withdraw_time == 5
    assert views_pb2.MessageView.FromString(message.SerializeToString()) == view
