"""docs/openapi.json against the real platform: what it says may be sent, and what comes back.

Every example must be taken. What is built from the schemas alone may be refused, but with a status
and a body that are documented; what breaks a schema must be refused.
"""

import json
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import requests

from dev.clients.http import JSON, PROTOBUF, make_session
from dev.clients.wait import DEADLINE_S, wait_until
from dev.clients.wire import ok, text_to
from dev.docs import examples
from dev.docs.tables import LONG_ONLY
from proto import im_pb2
from proto.commands import BY_NAME, BY_NUMBER
from tests.support.cluster import Cluster
from tests.support.groups import make_group, say
from tests.support.jsonschema import (
    Schema,
    body_schema,
    check_answer,
    openapi,
    operation,
    resolved,
)

COMMANDS = [path for path in openapi()["paths"] if path.startswith("/im/")]
POSTS = [*COMMANDS, "/comet"]
WITH_TOKEN = [path for path in POSTS if operation(path).get("security") != []]
SCALARS = {"string": "x", "integer": 1, "number": 0.5, "boolean": True}
WRONG = {"string": 5.5, "integer": "x", "number": "x", "boolean": "x", "object": "x", "array": 1}
"""Of each type a value that protobuf's JSON mapping does not read as one."""


class Caller:
    """A user nobody had before, and raw HTTP calls of theirs."""

    def __init__(self, cluster: Cluster, name: str = "", *, token: bool = True) -> None:
        self.name = cluster.person(name or "user")
        self._url = cluster.platform.url("web")
        self._session = make_session(cluster.token(self.name) if token else "")

    def post(self, path: str, body: Any, type_: str = JSON) -> requests.Response:
        """POST a body: an object as JSON, bytes as they are."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self._session.post(
            self._url + path, data=data, headers={"Content-Type": type_}, timeout=DEADLINE_S
        )

    def get(self, path: str) -> requests.Response:
        """GET; the body is not read yet."""
        return self._session.get(self._url + path, stream=True, timeout=DEADLINE_S)

    def asked(self, path: str, body: Any) -> tuple[int, Any]:
        """Status and JSON of a POST, which the document must allow for."""
        response = self.post(path, body)
        assert response.headers["Content-Type"] == JSON, response.text
        answer = response.json()
        check_answer(path, response.status_code, answer)
        assert (response.status_code == 200) is ("error" not in answer)
        if "retry_after_ms" in answer.get("error", {}):
            assert int(response.headers["Retry-After"]) >= 1
        return response.status_code, answer

    def close(self) -> None:
        self._session.close()


@pytest.fixture
def alice(cluster: Cluster) -> Iterator[Caller]:
    caller = Caller(cluster, "alice")
    yield caller
    caller.close()


def scene(cluster: Cluster, alice: Caller) -> Mapping[str, str]:
    """Real names for those of the examples, and everything there that they speak of."""
    names = {name: cluster.person(name) for name in (examples.BOB, examples.CAROL, examples.DAVE)}
    short = {name: cluster.short(cluster.token(user)) for name, user in names.items()}
    bob = names[examples.BOB]
    own = cluster.short(cluster.token(alice.name))
    cluster.connect_bare().auth(cluster.new_token(alice.name), device=examples.DEVICE)
    for sender, receiver in ((own, bob), (short[examples.BOB], alice.name)):
        ok(sender.call(text_to(receiver, "hello")))
    message = ok(own.call(text_to(bob, "again"))).id
    group = make_group(own, [bob], join_mode=im_pb2.APPROVAL)
    ok(short[examples.DAVE].call(im_pb2.GroupJoinRequest(group=group)))
    said = ok(short[examples.BOB].call(say(group, "hello", mentions=[alice.name]))).id
    other = make_group(short[examples.BOB], [alice.name])
    return {
        **names,
        examples.GROUP: group,
        examples.OTHER_GROUP: other,
        examples.ID: message,
        f"{examples.ID} of {examples.GROUP}": said,
        str(examples.VERSION): "0",
        str(examples.VERSION - 1): "0",
        str(examples.GROUP_VERSION - 1): "0",
    }


def real(example: Any, names: Mapping[str, str]) -> Any:
    """The example with real names."""
    text = json.dumps(example)
    if examples.GROUP in text:
        text = text.replace(examples.ID, f"{examples.ID} of {examples.GROUP}")
    for name in sorted(names, key=len, reverse=True):
        text = text.replace(json.dumps(name), json.dumps(names[name]))
    return json.loads(text)


@pytest.mark.parametrize("path", POSTS)
def test_examples_are_taken(cluster: Cluster, alice: Caller, path: str) -> None:
    # Given
    content = operation(path)["requestBody"]["content"]
    body = real(content[JSON]["example"], scene(cluster, alice))

    # When
    status, answer = alice.asked(path, body)

    # Then
    assert status == 200, answer


@pytest.mark.parametrize("path", POSTS)
def test_protobuf_is_answered_with_protobuf(alice: Caller, path: str) -> None:
    # When: an empty request, which is one of every type, comes in either type that is no JSON
    for type_ in (PROTOBUF, ""):
        response = alice.post(f"{path}", b"" if path != "/comet" else b"\x10\x01", type_)

        # Then: 200, whatever the answer, which is of the documented type
        assert response.status_code == 200
        assert response.headers["Content-Type"] == PROTOBUF
        about = operation(path)["responses"]["200"]["content"][PROTOBUF]["schema"]["description"]
        answer_type: Any = getattr(im_pb2, about.strip("`").rpartition(".")[2])
        answer = answer_type.FromString(response.content)
        assert not answer.error.code or answer.error.name


@pytest.mark.parametrize("path", POSTS)
def test_requests_built_from_the_schema(alice: Caller, path: str) -> None:
    """Every field is there, with a value of its type; the answer is a documented one."""
    body = {**built(body_schema(path)), **({"wait_s": 1} if path == "/comet" else {})}
    status, answer = alice.asked(path, body)
    assert status < 500, answer


@pytest.mark.parametrize("path", POSTS)
def test_what_breaks_the_schema_is_refused(alice: Caller, path: str) -> None:
    # Given: bodies that are no object, and each field in turn with a value of another type
    good = built(body_schema(path))
    bad: list[Any] = [[], "x", 5, b"{", b'{"a": 1, "a": 2}', b"\xff"]
    bad += [{**good, name: WRONG[type_]} for name, type_ in types_of(body_schema(path)).items()]

    # Then
    for body in bad:
        status, answer = alice.asked(path, body)
        assert (status, answer["error"]["name"]) == (400, "BAD_REQUEST"), body


@pytest.mark.parametrize("path", WITH_TOKEN)
def test_without_a_token(cluster: Cluster, path: str) -> None:
    nobody = Caller(cluster, token=False)
    status, answer = nobody.asked(path, {})
    assert (status, answer["error"]["name"]) == (401, "UNAUTHENTICATED")
    nobody.close()


@pytest.mark.parametrize("path", POSTS)
def test_a_body_that_is_too_large(alice: Caller, path: str) -> None:
    status, answer = alice.asked(path, {"x": "x" * 65536})
    assert (status, answer["error"]["name"]) == (413, "TOO_LARGE")


def test_addresses_need_no_token(cluster: Cluster) -> None:
    nobody = Caller(cluster, token=False)
    assert nobody.asked("/im/addresses", {})[0] == 200
    nobody.close()


@pytest.mark.parametrize("number", sorted(LONG_ONLY))
def test_what_concerns_a_connection_is_no_short_call(alice: Caller, number: int) -> None:
    body = {"token": "x"} if number == im_pb2.CMD_AUTH else {"users": ["x"]}
    response = alice.post(f"/im/{BY_NUMBER[number].name}", body)
    assert response.status_code == 400
    assert response.json()["error"]["name"] == "BAD_REQUEST"


def test_other_paths(alice: Caller) -> None:
    for path in ("/im/nonsense", "/im/push_messages", "/im/send/more", "/nonsense"):
        response = alice.post(path, {})
        assert response.status_code == 404
        assert response.json()["error"]["name"] in ("UNKNOWN_COMMAND", "NOT_FOUND")


def test_a_foreign_page_is_refused_as_documented(alice: Caller) -> None:
    response = alice._session.post(
        alice._url + "/im/ping", json={}, headers={"Origin": "https://evil.example"}, timeout=20
    )
    content = resolved(operation("/im/ping")["responses"]["403"])["content"]
    assert response.status_code == 403
    assert response.headers["Content-Type"].partition(";")[0] in content.keys() - {JSON}


def test_who_may_not_speak_in_a_group(cluster: Cluster, alice: Caller) -> None:
    # Given
    bob = Caller(cluster, "bob")
    create = {"sequence": uuid.uuid4().hex, "name": "a group", "users": [bob.name]}
    group = alice.asked("/im/group_create", create)[1]["group"]["group"]

    def speak() -> tuple[int, str]:
        body = {"type": "GROUP", "receiver": group, "sequence": uuid.uuid4().hex}
        status, answer = bob.asked("/im/send", {**body, "content": {"text": {"text": "x"}}})
        return status, answer.get("error", {}).get("name", "")

    # Then
    assert speak() == (200, "")
    mute = {"group": group, "user": bob.name, "duration_s": 60}
    assert alice.asked("/im/group_mute", mute)[0] == 200
    assert speak() == (403, "MUTED")
    assert alice.asked("/im/group_mute", {**mute, "duration_s": 0})[0] == 200
    assert alice.asked("/im/group_disband", {"group": group})[0] == 200
    assert speak() == (409, "DISBANDED")
    bob.close()


def test_event_streams(cluster: Cluster, alice: Caller) -> None:
    nobody = Caller(cluster, token=False)
    for caller, query, status in ((nobody, "", 401), (alice, "?since=x", 400), (alice, "", 200)):
        response = caller.get(f"/events{query}")
        assert response.status_code == status
        content = resolved(operation("/events")["responses"][str(status)])["content"]
        assert response.headers["Content-Type"] in content
        if status != 200:
            check_answer("/events", status, response.json())
        response.close()
    # Then: by a ticket, once
    ticket = alice.asked("/im/ticket", {})[1]["ticket"]
    statuses = []
    for _ in range(2):
        with nobody.get(f"/events?ticket={ticket}&platform=web&device=d&since=0") as response:
            statuses.append(response.status_code)
    assert statuses == [200, 401]
    nobody.close()


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_health(alice: Caller, path: str) -> None:
    def healthy() -> bool:
        response = alice.get(path)
        check_answer(path, response.status_code, response.json())
        return response.status_code == 200

    wait_until(healthy, what="a healthy platform")


# ---------------------------------------------------------------- bodies from schemas


def built(schema: Schema) -> Any:
    """A value with every field; of alternatives the first."""
    schema = resolved(schema)
    if "enum" in schema:
        return schema["enum"][0]
    if schema["type"] == "array":
        return [built(schema["items"])]
    if schema["type"] != "object":
        return "1" if schema.get("format") in ("int64", "uint64") else SCALARS[schema["type"]]
    left_out = {name for one in schema.get("oneOf", ())[1:] for name in one.get("required", ())}
    fields = schema.get("properties", {}).items()
    return {name: built(one) for name, one in fields if name not in left_out}


def types_of(schema: Schema) -> Mapping[str, str]:
    """The JSON type of each field."""
    fields = resolved(schema).get("properties", {})
    return {name: resolved(one)["type"] for name, one in fields.items()}


def test_the_document_lists_what_this_file_tries() -> None:
    assert {path.rpartition("/")[2] for path in COMMANDS} <= BY_NAME.keys()
    assert len(COMMANDS) == len({c.name for c in BY_NAME.values() if c.request}) - len(LONG_ONLY)
