"""Requests that are none: each gets an error or a clean close, and nothing else suffers.

Every test ends with a valid send, on the same connection where it must survive, that is
acknowledged and delivered.
"""

import json
import uuid
from typing import Any

import pytest

from dev.clients.wire import Caller, ok, refused, sync_all, text_to
from proto import frame, im_pb2, jsonframe
from tests.support.cluster import Cluster

BODY_BYTES_MAX = 65536
NO_PROTOBUF = [b"\xff", b"\x0a\xff", b"\x0a\x05abc", b"\x07", b"\x0a\x02\xff\xfe", b"\x00" * 9]
NO_OBJECT = [b"", b"nonsense", b"[]", b"5", b"null", b'"text"', b"{", b'{"a":1}}', b"\xff\xfe{}"]
DEEP = b'{"content":' + b'{"text":' * 5000 + b"1" + b"}" * 5001
LISTS = b'{"content":' + b"[" * 20000 + b"]" * 20000 + b"}"


class Scene:
    """Alice, who will misbehave, and Bob, who must hear of her good send all the same."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.alice, self.bob = cluster.pair("other database")
        self.watcher = cluster.connect(self.bob, "web.2")

    def check(self, client: Caller) -> None:
        """A valid send right now is acknowledged and delivered."""
        answer = ok(client.call(text_to(self.bob, "valid")))
        assert self.watcher.wait_message(answer.id).content.text.text == "valid"


@pytest.fixture
def scene(cluster: Cluster) -> Scene:
    return Scene(cluster)


def bad_sends(scene: Scene) -> list[tuple[dict[str, Any], str]]:
    """Bodies of `send` that fit its types and break its rules, and what they must be told."""
    good: dict[str, Any] = {"receiver": scene.bob, "content": {"text": {"text": "x"}}}
    media = {"media": {"ref": "javascript:alert(1)"}}
    return [
        ({}, "BAD_REQUEST"),
        ({**good, "sequence": ""}, "BAD_REQUEST"),
        ({**good, "sequence": "x" * 65}, "BAD_REQUEST"),
        ({**good, "sequence": "with space"}, "BAD_REQUEST"),
        ({**good, "sequence": "ä"}, "BAD_REQUEST"),
        ({**good, "receiver": ""}, "BAD_REQUEST"),
        ({**good, "receiver": "x" * 65}, "BAD_REQUEST"),
        ({**good, "receiver": "a'; DROP TABLE message_00; --"}, "BAD_REQUEST"),
        ({**good, "receiver": "nul\x00"}, "BAD_REQUEST"),
        ({**good, "type": 7}, "BAD_REQUEST"),
        ({**good, "sender": scene.bob}, "FORBIDDEN"),
        ({**good, "content": {}}, "INVALID_CONTENT"),
        ({**good, "content": {"text": {}}}, "INVALID_CONTENT"),
        ({**good, "content": {"text": {"text": "x" * 8193}}}, "INVALID_CONTENT"),
        ({**good, "content": {"image": media}}, "INVALID_CONTENT"),
        ({**good, "content": {"location": {"latitude": 91}}}, "INVALID_CONTENT"),
        ({**good, "content": {"location": {"latitude": "NaN"}}}, "INVALID_CONTENT"),
        ({**good, "content": {"card": {"user": "not a user"}}}, "INVALID_CONTENT"),
        ({**good, "content": {**good["content"], "reply_to": "no id"}}, "INVALID_CONTENT"),
        ({**good, "content": {**good["content"], "mentions": ["x"] * 51}}, "INVALID_CONTENT"),
        ({**good, "content": {"text": {"text": "x"}, "mentions": ["x" * 64] * 600}}, "TOO_LARGE"),
    ]


@pytest.mark.parametrize("transport", ["ws-frames", "ws-json", "http-json", "http-protobuf"])
def test_sends_that_break_a_rule(scene: Scene, transport: Any) -> None:
    client = scene.cluster.caller(transport, scene.alice)
    for body, code in bad_sends(scene):
        request = {"sequence": uuid.uuid4().hex, **body}
        message = jsonframe.to_message(request, im_pb2.SendRequest)
        answer = client.call(message)
        assert refused(answer) == code, request
        assert not answer.error.retryable
    scene.check(client)
    assert len(sync_all(client)) == 1, "nothing of it was stored"


def test_bodies_that_are_no_protobuf(scene: Scene) -> None:
    client = scene.cluster.connect(scene.alice)
    short = scene.cluster.short(scene.cluster.token(scene.alice))
    for seq, body in enumerate(NO_PROTOBUF, 1000):
        client.send_frame(im_pb2.CMD_SEND, seq, body)
        answer = client.answer(seq)
        assert answer.cmd == im_pb2.CMD_SEND
        assert refused(answer.body) in ("BAD_REQUEST", "INVALID_CONTENT")
        scene.check(client)
        assert refused(short.post("send", body)) in ("BAD_REQUEST", "INVALID_CONTENT")
        assert short.status == 200
        scene.check(short)


def test_content_that_is_no_protobuf(scene: Scene) -> None:
    """The body of a send is kept as bytes; broken ones must not get that far."""
    client = scene.cluster.connect(scene.alice)
    head = im_pb2.SendRequest(receiver=scene.bob, sequence="s").SerializeToString()
    nested = b"\x7b" * 3000  # groups in groups: deeper than a parser may follow
    for content in (b"\xff", b"\x0a\xff\xff\xff\xff\x0f", b"\x0a\x02\x0a\xff", nested):
        size = len(content)
        length = bytes((size,)) if size < 128 else bytes((size & 0x7F | 0x80, size >> 7))
        client.send_frame(im_pb2.CMD_SEND, 77, head + b"\x1a" + length + content)
        assert refused(client.answer(77).body) in ("BAD_REQUEST", "INVALID_CONTENT")
    scene.check(client)


@pytest.mark.parametrize("body", NO_OBJECT + [DEEP, LISTS], ids=lambda body: str(body[:9]))
def test_text_that_is_no_request(scene: Scene, body: bytes) -> None:
    # Given
    client = scene.cluster.connect(scene.alice, json=True)
    short = scene.cluster.short(scene.cluster.token(scene.alice), json=True)

    # When it is a whole message: an answer without seq, named `error`
    if body.isascii():
        client.send_text(body.decode())
        answer = client.stray()
        assert (answer.cmd, refused(answer.body)) == (-1, "BAD_REQUEST")
        scene.check(client)
    # When it is the body of a short call (an empty one stands for an empty request)
    assert refused(short.post("send", body)) == "BAD_REQUEST"
    assert short.status == 400
    scene.check(short)


WRONG_TYPES = [
    '{"receiver":5}',
    '{"receiver":null,"sequence":["x"]}',
    '{"receiver":"x","sequence":{}}',
    '{"content":[]}',
    '{"content":"text"}',
    '{"content":{"text":"x"}}',
    '{"content":{"custom":{"type":"x","data":"not base64!"}}}',
    '{"content":{"image":{"width":-1}}}',
    '{"content":{"image":{"width":4294967296}}}',
    '{"content":{"image":{"width":1e999}}}',
    '{"content":{"image":{"width":' + "9" * 5000 + "}}}",
    '{"content":{"location":{"latitude":NaN}}}',
    '{"content":{"location":{"latitude":Infinity}}}',
    '{"content":{"location":{"latitude":1e400}}}',
    '{"content":{"text":{"text":"half a pair \\ud800"}}}',
    '{"content":{"text":{"text":"x"},"image":{}}}',
    '{"type":"NO_SUCH_TYPE"}',
    '{"receiver":"x","receiver":"y"}',
]


@pytest.mark.parametrize("body", WRONG_TYPES, ids=lambda body: body[:40])
def test_json_of_the_wrong_types(scene: Scene, body: str) -> None:
    client = scene.cluster.connect(scene.alice, json=True)
    short = scene.cluster.short(scene.cluster.token(scene.alice), json=True)

    client.send_text(f'{{"cmd":"send","seq":7,"body":{body}}}')
    client.settle()
    answer = client.answers().get(7) or client.stray()
    assert refused(answer.body) in ("BAD_REQUEST", "INVALID_CONTENT")
    scene.check(client)
    assert refused(short.post("send", body.encode())) in ("BAD_REQUEST", "INVALID_CONTENT")
    assert short.status in (400, 422)
    scene.check(short)


@pytest.mark.parametrize(
    "message",
    [
        {},
        {"cmd": 3},
        {"cmd": None},
        {"cmd": ["send"]},
        {"cmd": "ping", "seq": -1},
        {"cmd": "ping", "seq": 2**32},
        {"cmd": "ping", "seq": 1.5},
        {"cmd": "ping", "seq": "1"},
        {"cmd": "ping", "seq": True},
        {"cmd": "ping", "body": []},
        {"cmd": "ping", "body": "{}"},
        {"cmd": "pïng"},
    ],
    ids=json.dumps,
)
def test_json_messages_of_the_wrong_shape(scene: Scene, message: dict[str, Any]) -> None:
    client = scene.cluster.connect(scene.alice, json=True)
    client.send_text(json.dumps(message))
    assert refused(client.stray().body) == "BAD_REQUEST"
    scene.check(client)


# ---------------------------------------------------------------- commands


def test_unknown_commands_get_an_error_body(scene: Scene) -> None:
    frames = scene.cluster.connect(scene.alice)
    texts = scene.cluster.connect(scene.alice, json=True)
    for number in (0, 1, 142, 9999, 10001, 10007, 2**32 - 1):
        frames.send_frame(number, 500, b"\x0a\x01x")
        answer = frames.answer(500)
        assert (answer.cmd, refused(answer.body)) == (number, "UNKNOWN_COMMAND")
    for name in ("", "nonsense", "push_messages", "SEND", "__class__", "send "):
        texts.send_text(json.dumps({"cmd": name, "seq": 500, "body": {}}))
        assert refused(texts.answer(500).body) == "UNKNOWN_COMMAND"
    for as_json in (True, False):
        short = scene.cluster.short(scene.cluster.token(scene.alice), json=as_json)
        for name in ("nonsense", "push_messages", "SEND", "send%20"):
            assert refused(short.post(name, b"{}" if as_json else b"")) == "UNKNOWN_COMMAND"
            assert short.status == (404 if as_json else 200)
        assert refused(short.call(im_pb2.AuthRequest(token="x"))) == "BAD_REQUEST"
        scene.check(short)
    scene.check(frames)
    scene.check(texts)


@pytest.mark.parametrize("authenticated", [False, True])
def test_noop_and_signalling_at_any_time(scene: Scene, authenticated: bool) -> None:
    """WIRE.md: NOOP is answered before authentication; signalling never is."""
    client = scene.cluster.connect_bare()
    if authenticated:
        client.auth(scene.cluster.token(scene.alice))
    client.send_frame(frame.SIGNALLING_CMD, frame.SIGNALLING_SEQ, b"\x01\x02")
    client.send_frame(frame.NOOP_CMD, frame.NOOP_SEQ, b"")
    answer = client.answer(frame.NOOP_SEQ)
    assert (answer.cmd, answer.body.ByteSize()) == (frame.NOOP_CMD, 0)
    assert not client.answers(), "signalling is not answered"
    if not authenticated:
        client.auth(scene.cluster.token(scene.alice))
    scene.check(client)


def test_foreign_conversations_stay_foreign(scene: Scene) -> None:
    # Given: a conversation of Bob and Carol, and Mallory on the same shard as each of them
    cluster = scene.cluster
    carol = cluster.person("carol")
    answer = ok(cluster.connect(carol).call(text_to(scene.bob, "private")))
    scene.watcher.wait_message(answer.id)
    for victim in (scene.bob, carol):
        mallory = cluster.person("mallory")
        while cluster.store.shard_of(mallory) != cluster.store.shard_of(victim):
            mallory = cluster.person("mallory")
        client = cluster.connect(mallory)

        # Then: she reads, marks, recalls and deletes nothing
        assert not sync_all(client)
        for peer in (scene.bob, carol):
            assert not ok(client.call(im_pb2.HistoryRequest(peer=peer))).messages
            request = im_pb2.ReadRequest(peer=peer, id=answer.id)
            assert refused(client.call(request)) == "NOT_FOUND"
            delete = im_pb2.DeleteConversationRequest(peer=peer)
            assert refused(client.call(delete)) == "NOT_FOUND"
        assert refused(client.call(im_pb2.RecallRequest(id=answer.id))) == "NOT_FOUND"
        assert not ok(client.call(im_pb2.ContactsRequest())).contacts
    assert {row.withdraw_time for row in cluster.store.by_id(answer.id)} == {0}


# ---------------------------------------------------------------- size


def test_oversized_bodies_of_short_calls(scene: Scene) -> None:
    token = scene.cluster.token(scene.alice)
    as_json = scene.cluster.short(token, json=True)
    as_protobuf = scene.cluster.short(token)
    for body in (b'{"receiver":"%s"}' % (b"x" * BODY_BYTES_MAX), _pieces(b" " * 9000, 10)):
        assert refused(as_json.post("send", body)) == "TOO_LARGE"
        assert as_json.status == 413
        scene.check(as_json)
    for body in (b"\x0a" * (BODY_BYTES_MAX + 1), _pieces(b"\x0a\x00" * 4000, 10)):
        assert refused(as_protobuf.post("send", body)) == "TOO_LARGE"
        assert as_protobuf.status == 200
        scene.check(as_protobuf)


def test_the_largest_frame_is_taken(scene: Scene) -> None:
    client = scene.cluster.connect(scene.alice)
    request = im_pb2.SyncRequest().SerializeToString()
    filler = BODY_BYTES_MAX - frame.HEAD_BYTES - 4
    body = (
        request + b"\x7a" + bytes((filler & 0x7F | 0x80, filler >> 7 & 0x7F | 0x80, filler >> 14))
    )
    client.send_frame(im_pb2.CMD_SYNC, 5, body + b"x" * filler)
    ok(client.answer(5).body)
    scene.check(client)


@pytest.mark.parametrize("as_json", [False, True], ids=["frames", "json"])
def test_oversized_messages_close(scene: Scene, as_json: bool) -> None:
    client = scene.cluster.connect(scene.alice, json=as_json)
    other = scene.cluster.connect(scene.alice)
    if as_json:
        client.send_text("x" * (BODY_BYTES_MAX + 1))
    else:
        client.send_frame(im_pb2.CMD_SEND, 5, b"x" * BODY_BYTES_MAX)
    closed = client.wait_closed()
    assert closed.code == 1009
    assert closed.reason
    scene.check(other)


def _pieces(piece: bytes, count: int) -> Any:
    """A body in chunks, whose length nobody says in advance."""
    return (piece for _ in range(count))
