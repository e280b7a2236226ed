"""docs/protocol.md and docs/openapi.json say what the code says."""

import re
from typing import Any

import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from jsonschema import ValidationError
from openapi_spec_validator import validate as validate_document

from dev.docs import __main__ as docs
from dev.docs.comments import read_comments
from dev.docs.examples import ANSWERS, REQUESTS
from dev.docs.tables import LONG_ONLY, errors_table, readme_errors_table
from models.errors import Code
from models.settings import Settings
from models.tickets import TTL_S
from proto import frame, im_pb2, jsonframe
from proto.commands import BY_NUMBER, COMMANDS
from tests.support.jsonschema import body_schema, openapi, validate
from tests.support.readme import README
from web import session
from web.comet import COMET

TEXT = docs.PROTOCOL.read_text()
LISTED = [c for c in COMMANDS if c.request is not None and c.number not in LONG_ONLY]
MESSAGES = sorted(
    {type_ for c in (*LISTED, COMET) for type_ in (c.request, c.answer) if type_ is not None},
    key=lambda type_: type_.DESCRIPTOR.name,
)
_HEX_BLOCK = re.compile(r"```text\n((?:[0-9a-f]{2,32}(?: .*)?\n)+)```")


# ---------------------------------------------------------------- what is generated


def test_nothing_is_stale(capsys: pytest.CaptureFixture[str]) -> None:
    assert docs.main(["--check"]) == 0, capsys.readouterr().out


def test_a_stale_file_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # Given: a document that lacks a row
    monkeypatch.setattr(docs, "openapi", lambda: "{}")
    # Then
    assert docs.main(["--check"]) == 1
    assert capsys.readouterr().out == "docs/openapi.json is stale: run make docs\n"


def test_every_table_has_its_place_and_no_other() -> None:
    place = "<!-- generated: one -->\nold\n<!-- end -->"
    filled = docs.fill(f"a\n{place}\nb", {"one": "new"})
    assert filled == "a\n<!-- generated: one -->\n\nnew\n\n<!-- end -->\nb"
    assert docs.fill(filled, {"one": "new"}) == filled
    for blocks in ({}, {"two": "x"}, {"one": "x", "two": "x"}):
        with pytest.raises(ValueError, match="places"):
            docs.fill(place, blocks)


def test_the_readme_has_the_same_errors() -> None:
    assert readme_errors_table() in README.read_text()
    assert errors_table() in TEXT


def test_every_command_and_error_has_its_meaning() -> None:
    comments = read_comments()
    numbered = {f"Command.{name}" for name, number in im_pb2.Command.items() if number}
    assert numbered <= comments.keys()
    assert {f"ErrorCode.ERR_{code.name}" for code in Code} <= comments.keys()


def test_comments_go_to_what_they_stand_beside() -> None:
    comments = read_comments()
    assert comments["VersionsResponse.groups_version"].endswith("another one, group_sync")
    assert comments["Content.system"] == "refused in a send"
    assert comments["CometRequest"].startswith("POST /comet: a long poll.")
    assert comments["DeviceClass.WEB"].startswith("web, h5, mini programs")
    assert "PingRequest" not in comments
    assert "Location.name" not in comments


# ---------------------------------------------------------------- what is written by hand


def test_the_frames_can_be_read_back() -> None:
    # Given: the hex of the page
    blocks = [
        bytes.fromhex("".join(line.split(" ")[0] for line in block.splitlines()))
        for block in _HEX_BLOCK.findall(TEXT)
        if not block.startswith("00000014 000000c8")
    ]
    # When
    frames = [
        frame.decode(block, Settings.model_fields["body_bytes_max"].default) for block in blocks
    ]
    # Then
    assert [one.cmd for one in frames] == [2, 3, 3, 3, 10001]
    for one, is_request in zip(frames, (True, True, False, False, False), strict=True):
        command = BY_NUMBER[one.cmd]
        type_ = command.request if is_request else command.answer
        assert type_ is not None
        message = type_.FromString(one.body)
        assert message.ListFields()
        assert message.SerializeToString() == one.body


def test_every_close_code_is_explained() -> None:
    codes = {value for name, value in vars(session).items() if name.startswith("CLOSE_")}
    assert len(codes) >= 4
    for code in (*codes, 1000, 1003, 1007, 1009):
        assert f"| {code} |" in TEXT, code
    assert f"| {session.ABNORMAL}, never sent |" in TEXT


@pytest.mark.parametrize(
    ("phrase", "setting"),
    [
        ("none within {:g} seconds", "auth_deadline_s"),
        ("each within {:g} seconds", "request_timeout_s"),
        ("The server queues {} frames", "outbound_frames_max"),
        ("({} seconds at most)", "comet_wait_s"),
    ],
)
def test_numbers_in_sentences_are_the_defaults(phrase: str, setting: str) -> None:
    sentence = phrase.format(Settings.model_fields[setting].default)
    assert sentence in " ".join(TEXT.split())


def test_other_numbers_in_sentences() -> None:
    text = " ".join(TEXT.split())
    assert f"good once, for {TTL_S} seconds" in text
    assert f"Beyond {session.REQUESTS_MAX} that wait" in text
    assert Settings.model_fields["outbound_bytes_max"].default == 1 << 20


def test_links_lead_somewhere() -> None:
    headings = re.findall(r"^#+ (.*)$", TEXT, re.MULTILINE)
    anchors = {re.sub(r"[^a-z0-9 -]", "", one.lower()).replace(" ", "-") for one in headings}
    for target in re.findall(r"\]\(#([^)]*)\)", TEXT):
        assert target in anchors
    for command in COMMANDS:
        assert f"`{command.name}`" in TEXT


# ---------------------------------------------------------------- OpenAPI


def test_the_document_is_openapi() -> None:
    validate_document(openapi())


def test_every_command_is_there_that_can_be_a_short_call() -> None:
    wanted = {f"/im/{command.name}" for command in LISTED}
    assert openapi()["paths"].keys() == wanted | {"/comet", "/events", "/healthz", "/readyz"}


@pytest.mark.parametrize("name", [*(command.name for command in LISTED), "comet"])
def test_examples_fit_their_schemas(name: str) -> None:
    path = "/comet" if name == "comet" else f"/im/{name}"
    validate(body_schema(path), jsonframe.from_message(REQUESTS[name]))
    content = openapi()["paths"][path]["post"]["responses"]["200"]["content"]["application/json"]
    validate(content["schema"], content["example"])


def test_examples_of_errors_fit_their_schemas() -> None:
    for response in openapi()["components"]["responses"].values():
        content = response["content"]["application/json"]
        validate(content["schema"], content["example"])


@pytest.mark.parametrize("type_", MESSAGES, ids=lambda type_: type_.DESCRIPTOR.name)
def test_a_message_with_every_field_fits_its_schema(type_: type[Message]) -> None:
    # Given
    message = type_()
    fill(message)
    body = jsonframe.from_message(message)

    # Then: and anything else does not
    schema = {"$ref": f"#/components/schemas/{type_.DESCRIPTOR.name}"}
    validate(schema, body)
    with pytest.raises(ValidationError):
        validate(schema, {**body, "no_such_field": 1})
    for name, value in body.items():
        with pytest.raises(ValidationError):
            validate(schema, {**body, name: [[value]]})


def test_two_bodies_of_a_oneof_do_not_fit() -> None:
    schema = {"$ref": "#/components/schemas/Content"}
    validate(schema, {"text": {"text": "x"}})
    validate(schema, {"reply_to": "x"})
    with pytest.raises(ValidationError):
        validate(schema, {"text": {"text": "x"}, "card": {"user": "bob"}})


def test_every_answer_has_an_example() -> None:
    assert {command.answer for command in LISTED} <= ANSWERS.keys()


def fill(message: Any) -> None:
    """Set every field; of a oneof the last one stays."""
    for field in message.DESCRIPTOR.fields:
        value = _value(field)
        if field.is_repeated and field.message_type is not None:
            fill(getattr(message, field.name).add())
        elif field.is_repeated:
            getattr(message, field.name).append(value)
        elif field.message_type is not None:
            getattr(message, field.name).SetInParent()
            fill(getattr(message, field.name))
        else:
            setattr(message, field.name, value)


def _value(field: FieldDescriptor) -> Any:
    if field.enum_type is not None:
        return field.enum_type.values[-1].number
    samples: dict[int, Any] = {
        FieldDescriptor.TYPE_STRING: "x",
        FieldDescriptor.TYPE_BYTES: b"\xff",
        FieldDescriptor.TYPE_BOOL: True,
        FieldDescriptor.TYPE_DOUBLE: 1.5,
        FieldDescriptor.TYPE_UINT32: 2**32 - 1,
        FieldDescriptor.TYPE_UINT64: 2**64 - 1,
        FieldDescriptor.TYPE_INT64: -(2**63),
    }
    return samples.get(field.type)
