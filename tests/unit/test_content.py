"""The rules of message bodies, one refusal at a time."""

import math
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models import content as rules
from models.content import check_content
from models.errors import Code, IMError
from proto import im_pb2
from proto.im_pb2 import Card, Content, Custom, File, Image, Location, Media, Text, Video, Voice
from proto.views_pb2 import MessagesView, MessageView

KEY = Media(ref="2026/11/photo.jpg")
ID = "0123456789abcdef" * 2


def refusal(content: Content | bytes) -> Code:
    """The code `content` is refused with."""
    data = content if isinstance(content, bytes) else content.SerializeToString()
    with pytest.raises(IMError) as caught:
        check_content(data)
    assert caught.value.message
    return caught.value.code


def outcome(data: bytes) -> Code | None:
    """The code `data` is refused with, None when it is accepted; anything else is raised."""
    try:
        check_content(data)
    except IMError as error:
        return error.code
    return None


def accepted(content: Content) -> None:
    assert check_content(content.SerializeToString()) == content


def file(**fields: Any) -> Content:
    return Content(file=File(media=Media(**{"ref": "a/b.bin", **fields})))


GOOD = [
    Content(text=Text(text="hello")),
    Content(text=Text(text=" \n\t ")),
    Content(text=Text(text="你" * (rules.TEXT_BYTES_MAX // 3))),
    Content(image=Image(media=KEY)),
    Content(
        image=Image(
            media=Media(
                ref="https://cdn.example/a%20b?x=1&y=(2)#z", mime="image/jpeg", name="ä.jpg"
            ),
            width=rules.SIDE_PX_MAX,
            height=rules.SIDE_PX_MAX,
            thumbnail=Media(ref="thumb-1.webp", mime="IMAGE/webp"),
        )
    ),
    Content(voice=Voice(media=Media(ref="v/1.opus", mime="audio/ogg"), duration_ms=59_000)),
    Content(
        video=Video(
            media=Media(ref="https://[2001:db8::1]:8443/v.mp4", mime="video/mp4"),
            duration_ms=rules.DURATION_MS_MAX,
            cover=Media(ref="cover.jpg", mime="image/jpeg"),
        )
    ),
    file(mime="application/vnd.ms-excel", size_bytes=rules.MEDIA_BYTES_MAX),
    file(ref="k" * rules.REF_BYTES_MAX, name="n" * rules.NAME_BYTES_MAX),
    Content(location=Location(latitude=-90, longitude=180, name="Pole", address="Ice 1\n0000")),
    Content(location=Location()),
    Content(card=Card(user="alice@example.com", name="Alice", avatar=Media(ref="av/alice"))),
    Content(custom=Custom(type="shop/order.v2", data=b"\x00\xff" * 8192, summary="An order")),
    Content(text=Text(text="hi"), reply_to=ID, mentions=["bob", "carol"], mention_all=True),
]

BAD = {
    "no body": Content(reply_to=ID),
    "empty text": Content(text=Text()),
    "long text": Content(text=Text(text="x" * (rules.TEXT_BYTES_MAX + 1))),
    "long text in bytes": Content(text=Text(text="你" * (rules.TEXT_BYTES_MAX // 3 + 1))),
    "image without media": Content(image=Image(width=1)),
    "voice without media": Content(voice=Voice()),
    "video without media": Content(video=Video()),
    "file without media": Content(file=File()),
    "empty thumbnail": Content(image=Image(media=KEY, thumbnail=Media())),
    "cover of another kind": Content(
        video=Video(media=KEY, cover=Media(ref="c", mime="video/mp4"))
    ),
    "wide image": Content(image=Image(media=KEY, width=rules.SIDE_PX_MAX + 1)),
    "high image": Content(image=Image(media=KEY, height=rules.SIDE_PX_MAX + 1)),
    "wide video": Content(video=Video(media=KEY, width=rules.SIDE_PX_MAX + 1)),
    "high video": Content(video=Video(media=KEY, height=rules.SIDE_PX_MAX + 1)),
    "long voice": Content(voice=Voice(media=KEY, duration_ms=rules.DURATION_MS_MAX + 1)),
    "long video": Content(video=Video(media=KEY, duration_ms=rules.DURATION_MS_MAX + 1)),
    "image with the mime of a video": Content(image=Image(media=Media(ref="a", mime="video/mp4"))),
    "voice with the mime of an image": Content(voice=Voice(media=Media(ref="a", mime="image/png"))),
    "video with the mime of a voice": Content(video=Video(media=Media(ref="a", mime="audio/ogg"))),
    "huge file": file(size_bytes=rules.MEDIA_BYTES_MAX + 1),
    "long file name": file(name="n" * (rules.NAME_BYTES_MAX + 1)),
    "long file name in bytes": file(name="ä" * 128),
    "north of the pole": Content(location=Location(latitude=90.001)),
    "east of the date line": Content(location=Location(longitude=-180.5)),
    "NaN latitude": Content(location=Location(latitude=math.nan)),
    "infinite longitude": Content(location=Location(longitude=math.inf)),
    "long place": Content(location=Location(name="x" * (rules.PLACE_NAME_BYTES_MAX + 1))),
    "long address": Content(location=Location(address="x" * (rules.PLACE_ADDRESS_BYTES_MAX + 1))),
    "card of nobody": Content(card=Card(name="x")),
    "card of a bad user": Content(card=Card(user="a b")),
    "long card name": Content(card=Card(user="a", name="x" * (rules.CARD_NAME_BYTES_MAX + 1))),
    "bad avatar": Content(card=Card(user="a", avatar=Media(ref="a", mime="text/html"))),
    "custom without type": Content(custom=Custom(data=b"x")),
    "long custom type": Content(custom=Custom(type="x" * (rules.CUSTOM_TYPE_BYTES_MAX + 1))),
    "custom type with a space": Content(custom=Custom(type="a b")),
    "much custom data": Content(
        custom=Custom(type="x", data=bytes(rules.CUSTOM_DATA_BYTES_MAX + 1))
    ),
    "long summary": Content(
        custom=Custom(type="x", summary="s" * (rules.CUSTOM_SUMMARY_BYTES_MAX + 1))
    ),
    "reply to no id": Content(text=Text(text="x"), reply_to="abc"),
    "reply to upper case": Content(text=Text(text="x"), reply_to=ID.upper()),
    "many mentions": Content(
        text=Text(text="x"), mentions=[f"u{n}" for n in range(rules.MENTIONS_MAX + 1)]
    ),
    "mention of nobody": Content(text=Text(text="x"), mentions=[""]),
    "mention twice": Content(text=Text(text="x"), mentions=["bob", "bob"]),
}


@pytest.mark.parametrize("content", GOOD)
def test_a_body_within_the_rules_is_accepted(content: Content) -> None:
    accepted(content)


@pytest.mark.parametrize("content", BAD.values(), ids=BAD.keys())
def test_a_body_that_breaks_a_rule_is_refused(content: Content) -> None:
    assert refusal(content) is Code.INVALID_CONTENT


@pytest.mark.parametrize(
    "ref",
    [
        "",
        "x" * (rules.REF_BYTES_MAX + 1),
        "data:image/png;base64,AAAA",
        "javascript:alert(1)",
        "JavaScript:alert(1)",
        "file:///etc/passwd",
        "http://cdn.example/a.jpg",
        "ftp://cdn.example/a.jpg",
        "//cdn.example/a.jpg",
        "/a.jpg",
        "a//b",
        "a/",
        "..",
        "../secret",
        "a/../b",
        "a/./b",
        "a/..",
        "%2e%2e/b",
        "a b",
        "a\nb",
        "key\n",
        "a\x00b",
        "ключ",
        "a\\b",
        "https://",
        "https:///a.jpg",
        "https://user@evil.example/a.jpg",
        "https://good.example:x@evil.example/",
        "https://cdn.example\\@evil.example/",
        "https://cdn.example/a b",
        "https://cdn.example/\n",
        "https://cdn.example/a.jpg\n",
        "https://-/a",
        'https://cdn.example/"onerror=',
        "https://cdn.example/<script>",
    ],
)
def test_a_reference_is_a_safe_key_or_an_https_url(ref: str) -> None:
    assert refusal(Content(image=Image(media=Media(ref=ref)))) is Code.INVALID_CONTENT


def test_a_missing_reference_is_called_missing() -> None:
    with pytest.raises(IMError, match="missing"):
        check_content(file(ref="").SerializeToString())


@pytest.mark.parametrize(
    "ref",
    ["a", ".hidden", "...", "a.b/..c/d..", "~u/@2x/=1+1", "HTTPS://CDN.example", "https://h?x"],
)
def test_unusual_references_are_accepted(ref: str) -> None:
    accepted(file(ref=ref))


@pytest.mark.parametrize(
    "mime",
    ["image", "image/", "/png", "image/png;q=1", "image/p ng", "image/png\n", "a/" + "b" * 128],
)
def test_a_mime_is_type_and_subtype(mime: str) -> None:
    assert refusal(file(mime=mime)) is Code.INVALID_CONTENT


@pytest.mark.parametrize(
    "name", ["a/b", "a\\b", "a\x00", "a\n", "\x7f", "\u202egpj.exe", "..", "."]
)
def test_a_file_name_holds_no_path_and_no_controls(name: str) -> None:
    assert refusal(file(name=name)) is Code.INVALID_CONTENT


def test_more_than_the_total_is_too_large() -> None:
    # Given a body at its own limit and a field that nobody knows
    at_limit = Content(text=Text(text="x")).SerializeToString()
    padding = bytes.fromhex("c2 3e") + _varint(rules.CONTENT_BYTES_MAX - len(at_limit) - 5)
    data = at_limit + padding + bytes(rules.CONTENT_BYTES_MAX - len(at_limit) - len(padding))

    # Then the last byte that fits is accepted and the next is not
    check_content(data)
    assert refusal(data + b"\x00") is Code.TOO_LARGE


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes((*out, value))


@pytest.mark.parametrize("data", [b"\x0a\x05ab", b"\xff", b"\x0a\x03\x0a\x01\xff", b"\x08\x01\x0f"])
def test_bytes_that_are_no_content_are_a_bad_request(data: bytes) -> None:
    assert refusal(data) is Code.BAD_REQUEST


def test_two_bodies_are_refused() -> None:
    text = Content(text=Text(text="shown to some")).SerializeToString()
    other = Content(file=File(media=KEY)).SerializeToString()
    assert refusal(text + other) is Code.INVALID_CONTENT
    assert refusal(text + text) is Code.INVALID_CONTENT


def test_fields_of_a_newer_client_are_kept() -> None:
    # Given a text with an unknown field of each wire type, at the end and inside the body
    unknown = bytes.fromhex("c03e01 c23e0161 c53e00000000 c13e0000000000000000")
    inner = Text(text="hi").SerializeToString() + unknown
    data = b"\x0a" + bytes([len(inner)]) + inner + unknown

    # Then it is accepted and nothing of it is lost
    assert check_content(data).SerializeToString() == data


def test_a_body_of_a_newer_client_is_refused() -> None:
    assert refusal(b"\x4a\x02\x0a\x00") is Code.INVALID_CONTENT  # field 9


@given(st.binary(max_size=200))
def test_any_bytes_are_parsed_or_refused(data: bytes) -> None:
    assert outcome(data) in (None, Code.BAD_REQUEST, Code.INVALID_CONTENT)


@given(st.text(max_size=300))
def test_any_reference_is_parsed_or_refused_quickly(ref: str) -> None:
    started_s = time.process_time()
    assert outcome(file(ref=ref).SerializeToString()) in (None, Code.INVALID_CONTENT)
    assert time.process_time() - started_s < 0.1


@pytest.mark.parametrize("ref", ["https://" + "a-." * 300 + "!", "./" * 500, "a/" * 511 + "."])
def test_no_reference_makes_the_patterns_slow(ref: str) -> None:
    started_s = time.process_time()
    refusal(file(ref=ref))
    assert time.process_time() - started_s < 0.1


def test_every_kind_of_body_has_its_rules() -> None:
    kinds = {field.name for field in im_pb2.Content.DESCRIPTOR.oneofs_by_name["body"].fields}
    assert kinds == {*rules._CHECKS, "system"}, "what only the server says has none"


@pytest.mark.parametrize("depth", range(90, 106))
def test_what_is_accepted_can_be_read_in_every_answer(depth: int) -> None:
    """Unknown groups nest; an answer holds the content deeper than the request does."""
    group, end = b"\xa3\x06", b"\xa4\x06"  # field 100
    data = im_pb2.Content(text=im_pb2.Text(text="x")).SerializeToString()
    data += group * depth + end * depth
    try:
        check_content(data)
    except IMError as error:
        assert error.code is Code.BAD_REQUEST
        assert depth > 90
        return
    view = MessagesView(messages=[MessageView(content=data)])
    message = im_pb2.MessagesPush.FromString(view.SerializeToString()).messages[0]
    contacts = im_pb2.ContactsResponse(contacts=[im_pb2.Contact(last=message)])
    im_pb2.ContactsResponse.FromString(contacts.SerializeToString())
    assert depth < 100
