"""The JSON shape: what it reads, and that everything else is a `JSONError`."""

from contextlib import suppress
from typing import Any

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from hypothesis import given
from hypothesis import strategies as st

from proto import im_pb2, jsonframe
from proto.im_pb2 import SendRequest
from proto.jsonframe import JSONError

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4)
    ),
    max_leaves=12,
)
NAMES = st.sampled_from(
    ["receiver", "content", "type", "text", "image", "custom", "data", "mentions", "mention_all",
     "location", "latitude", "media", "size_bytes", "width"]
)  # fmt: skip
BODIES = st.recursive(
    JSON_VALUES, lambda inner: st.dictionaries(NAMES, inner, max_size=5), max_leaves=12
).filter(lambda value: isinstance(value, dict))


def test_a_command_there_and_back() -> None:
    request = SendRequest(receiver="bob", sequence="1")
    request.content.text.text = "grüß 你好 👋"
    name, seq, body = jsonframe.decode(jsonframe.encode("send", 7, request))
    assert (name, seq) == ("send", 7)
    assert jsonframe.to_message(body, SendRequest) == request


def test_the_mapping_of_protobuf() -> None:
    message = im_pb2.Message(version=2**63, send_time=5)
    message.content.custom.data = b"\xfb\xff"
    assert jsonframe.from_message(message) == {
        "version": "9223372036854775808",
        "send_time": "5",
        "content": {"custom": {"data": "+/8="}},
    }


def test_seq_and_body_may_be_left_out() -> None:
    assert jsonframe.decode('{"cmd":"ping"}') == ("ping", 0, {})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nonsense",
        "[]",
        "5",
        "null",
        '"text"',
        "{}{}",
        "[" * 100_000,
        '{"a":' * 50_000 + "1" + "}" * 50_000,
        '{"a":' + "9" * 10_000 + "}",
        '{"a":1e999}',
        '{"a":NaN}',
        '{"a":-Infinity}',
        '{"a":1,"a":2}',
        '{"a":{"b":1,"b":1}}',
        '\ufeff{"a":1}',
        b"\xff{}",
        b'{"a":"\xed\xa0\x80"}',
        b"\xef\xbb\xbf{}",
        '{"a":1}'.encode("utf-16"),
        '{"a":1}'.encode("utf-32-le"),
    ],
)
def test_text_that_is_no_object_is_refused(text: str | bytes) -> None:
    with pytest.raises(JSONError):
        jsonframe.loads(text)


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        '{"cmd":5}',
        '{"cmd":null}',
        '{"cmd":"\\ud800"}',
        '{"cmd":"a","seq":-1}',
        '{"cmd":"a","seq":4294967296}',
        '{"cmd":"a","seq":1.0}',
        '{"cmd":"a","seq":true}',
        '{"cmd":"a","seq":"1"}',
        '{"cmd":"a","seq":null}',
        '{"cmd":"a","body":[]}',
        '{"cmd":"a","body":null}',
        '{"cmd":"a","body":"{}"}',
    ],
)
def test_a_command_of_the_wrong_shape_is_refused(text: str) -> None:
    with pytest.raises(JSONError):
        jsonframe.decode(text)


def _nested(levels: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(levels):
        value = {"content": value}
    return value


@pytest.mark.parametrize(
    "body",
    [
        {"receiver": 5},
        {"receiver": ["bob"]},
        {"receiver": "\ud800"},
        {"content": []},
        {"content": "text"},
        {"content": 5},
        {"content": {"text": {"text": 5}}},
        {"content": {"text": "hi"}},
        {"content": {"text": {"text": "a"}, "image": {}}},
        {"content": {"mentions": "abc"}},
        {"content": {"mentions": [None]}},
        {"content": {"mentions": [5]}},
        {"content": {"mention_all": "true"}},
        {"content": {"mentionAll": "true"}},
        {"type": 0.5},
        {"type": True},
        {"type": 2**32},
        {"type": -(2**31) - 1},
        {"content": {"custom": {"data": 5}}},
        {"content": {"custom": {"data": "!!"}}},
        {"content": {"custom": {"data": "A"}}},
        {"content": {"image": {"width": -1}}},
        {"content": {"image": {"width": 1.5}}},
        {"content": {"image": {"width": True}}},
        {"content": {"image": {"width": 10**400}}},
        {"content": {"image": {"media": {"size_bytes": "9" * 5000}}}},
        {"content": {"location": {"latitude": 10**400}}},
        {"content": {"location": {"latitude": float("inf")}}},
        {"type": "NOPE"},
        {"type": 99_999_999_999},
        {"type": 1e400},
    ],
    ids=lambda body: str(body)[:60],
)
def test_a_body_with_wrong_types_is_refused(body: dict[str, Any]) -> None:
    with pytest.raises(JSONError) as caught:
        jsonframe.to_message(body, SendRequest)
    assert 0 < len(str(caught.value)) <= 200


def test_wrong_types_are_refused_under_the_camel_case_name_too() -> None:
    with pytest.raises(JSONError):
        jsonframe.to_message({"sourceCodeInfo": []}, FileDescriptorProto)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"nobody": {"knows": []}, "receiver": "bob"}, SendRequest(receiver="bob")),
        ({"content": None, "receiver": "bob"}, SendRequest(receiver="bob")),
        ({"type": "PERSON"}, SendRequest()),
        ({"type": 0}, SendRequest()),
        ({"content": {"replyTo": "a"}}, SendRequest(content=im_pb2.Content(reply_to="a"))),
        (
            {"content": {"custom": {"data": "-_8"}}},  # the other alphabet, no padding
            SendRequest(content=im_pb2.Content(custom=im_pb2.Custom(data=b"\xfb\xff"))),
        ),
    ],
)
def test_what_the_mapping_allows(body: dict[str, Any], expected: SendRequest) -> None:
    assert jsonframe.to_message(body, SendRequest) == expected


@given(BODIES)
def test_any_body_is_read_or_refused(body: dict[str, Any]) -> None:
    with suppress(JSONError):
        jsonframe.to_message(body, SendRequest)


@given(st.text(max_size=50) | st.binary(max_size=50))
def test_any_text_is_read_or_refused(text: str | bytes) -> None:
    with suppress(JSONError):
        name, _, _ = jsonframe.decode(text)
        jsonframe.encode(name, 1, im_pb2.Reply()).encode()
