"""WebSocket and Mars framing broken in every way: clean closes, clean refusals, others unharmed."""

from collections.abc import Iterator

import pytest
import requests

from dev.clients.device import Closed
from dev.clients.wait import wait_until
from dev.clients.wire import ok, text_to
from dev.clients.ws import WebSocketClient
from proto import frame, im_pb2
from tests.integration.test_bad_input import BODY_BYTES_MAX, Scene
from tests.support.cluster import Cluster
from tests.support.raw import (
    BINARY,
    CLOSE,
    CONT,
    PING,
    PONG,
    TEXT,
    RawSocket,
    handshake,
    wire_frame,
)

PROTOCOL_ERROR, UNSUPPORTED, INVALID_DATA, TOO_BIG = 1002, 1003, 1007, 1009


@pytest.fixture
def scene(cluster: Cluster) -> Scene:
    return Scene(cluster)


@pytest.fixture
def raw(scene: Scene) -> Iterator[RawSocket]:
    """A socket to the web process, not yet upgraded."""
    with RawSocket(scene.cluster.platform.url()) as sock:
        yield sock


def noop() -> bytes:
    return frame.encode(frame.NOOP_CMD, frame.NOOP_SEQ, b"")


# ---------------------------------------------------------------- the handshake


@pytest.mark.parametrize(
    ("change", "statuses"),
    [
        ({"drop": "Upgrade"}, {400, 426}),
        ({"drop": "Connection"}, {400, 426}),
        ({"drop": "Sec-WebSocket-Key"}, {400}),
        ({"drop": "Sec-WebSocket-Version"}, {400, 426}),
        ({"Sec_WebSocket_Key": "short"}, {400}),
        ({"Sec_WebSocket_Key": "!" * 24}, {400}),
        ({"Sec_WebSocket_Version": "12"}, {400, 426}),
        ({"Sec_WebSocket_Version": "thirteen"}, {400, 426}),
        ({"Upgrade": "h2c"}, {400, 426}),
        ({"Connection": "close"}, {400, 426}),
    ],
    ids=str,
)
def test_a_bad_handshake_is_refused_cleanly(
    scene: Scene, raw: RawSocket, change: dict[str, str], statuses: set[int]
) -> None:
    # When
    status, headers, body = raw.request(handshake(raw.url, **change))  # type: ignore[arg-type]

    # Then: a refusal in HTTP, said in words, and no trace of how the server is made
    assert status in statuses
    assert b"Traceback" not in body
    assert body
    if "Sec_WebSocket_Version" in change:
        assert headers.get("sec-websocket-version") == "13", "RFC 6455, section 4.2.2: MUST"
    scene.check(scene.cluster.connect(scene.alice))


def test_other_http_on_the_websocket_path(scene: Scene, raw: RawSocket) -> None:
    url = scene.cluster.platform.url()
    for method in ("GET", "POST", "PUT", "DELETE"):
        assert requests.request(method, f"{url}/ws", timeout=10).status_code in (400, 405, 426)
    assert requests.get(f"{url}/im/send", timeout=10).status_code == 405
    assert requests.post(f"{url}/nowhere", timeout=10).status_code == 404
    assert raw.request(b"GET /ws HTTP/1.1\r\nHost: x\r\nbroken header\r\n\r\n")[0] == 400
    scene.check(scene.cluster.connect(scene.alice))


def test_unknown_subprotocols_and_extensions_are_not_agreed_to(
    scene: Scene, raw: RawSocket
) -> None:
    offer = handshake(
        raw.url,
        Sec_WebSocket_Protocol="chat, superchat",
        Sec_WebSocket_Extensions="permessage-deflate; client_max_window_bits",
    )
    status, headers, _ = raw.request(offer)
    assert status == 101
    assert "sec-websocket-protocol" not in headers
    assert "sec-websocket-extensions" not in headers, "compression is a bomb"
    raw.auth(scene.cluster.token(scene.alice))
    scene.check(scene.cluster.connect(scene.alice))


# ---------------------------------------------------------------- frames of RFC 6455


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (wire_frame(BINARY, noop(), masked=False), PROTOCOL_ERROR),
        (wire_frame(BINARY, noop(), reserved=4), PROTOCOL_ERROR),
        (wire_frame(BINARY, noop(), reserved=2), PROTOCOL_ERROR),
        (wire_frame(BINARY, noop(), reserved=1), PROTOCOL_ERROR),
        (wire_frame(3, b""), PROTOCOL_ERROR),
        (wire_frame(11, b""), PROTOCOL_ERROR),
        (wire_frame(CONT, b"nothing to go on with"), PROTOCOL_ERROR),
        (wire_frame(BINARY, b"x", fin=False) + wire_frame(BINARY, b"y"), PROTOCOL_ERROR),
        (wire_frame(PING, b"x", fin=False), PROTOCOL_ERROR),
        (wire_frame(PING, b"x" * 126), PROTOCOL_ERROR),
        (wire_frame(CLOSE, b"\x03"), PROTOCOL_ERROR),
        (wire_frame(CLOSE, (999).to_bytes(2, "big")), PROTOCOL_ERROR),
        (wire_frame(CLOSE, (1000).to_bytes(2, "big") + b"\xff"), INVALID_DATA),
        (wire_frame(TEXT, b"hello"), UNSUPPORTED),
        (wire_frame(BINARY, b"", length=BODY_BYTES_MAX + 1), TOO_BIG),
        (wire_frame(BINARY, b"", length=2**40), TOO_BIG),
        (wire_frame(BINARY, b"", length=2**63 - 1), TOO_BIG),
        (
            wire_frame(BINARY, b"x" * 60000, fin=False) + wire_frame(CONT, b"x" * 6000),
            TOO_BIG,
        ),
        # Mars inside a correct message
        (wire_frame(BINARY, b""), PROTOCOL_ERROR),
        (wire_frame(BINARY, noop()[:19]), PROTOCOL_ERROR),
        (wire_frame(BINARY, noop() + b"x"), PROTOCOL_ERROR),
        (wire_frame(BINARY, noop() * 2), PROTOCOL_ERROR),
        (wire_frame(BINARY, b"\x00\x00\x00\x13" + noop()[4:]), PROTOCOL_ERROR),
        (wire_frame(BINARY, b"\xff" * 20), PROTOCOL_ERROR),
        (wire_frame(BINARY, noop()[:16] + b"\x7f\xff\xff\xff"), TOO_BIG),
    ],
    ids=lambda value: value.hex()[:16] if isinstance(value, bytes) else str(value),
)
@pytest.mark.parametrize("authenticated", [False, True], ids=["stranger", "alice"])
def test_broken_frames_close_cleanly(
    scene: Scene, raw: RawSocket, data: bytes, code: int, authenticated: bool
) -> None:
    # Given
    raw.upgrade()
    if authenticated:
        raw.auth(scene.cluster.token(scene.alice))

    # When
    raw.send(data)

    # Then
    assert raw.read_close() == code
    scene.check(scene.cluster.connect(scene.alice))


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (wire_frame(BINARY, noop()), UNSUPPORTED),
        (wire_frame(TEXT, b"\xff"), INVALID_DATA),
        (wire_frame(TEXT, b'{"cmd":"\xed\xa0\x80"}'), INVALID_DATA),
        (wire_frame(TEXT, b"\xc3", fin=False) + wire_frame(CONT, b"("), INVALID_DATA),
        (wire_frame(TEXT, b"", length=BODY_BYTES_MAX + 1), TOO_BIG),
    ],
    ids=lambda value: value.hex()[:16] if isinstance(value, bytes) else str(value),
)
def test_broken_text_closes_cleanly(scene: Scene, raw: RawSocket, data: bytes, code: int) -> None:
    raw.upgrade("im.json")
    raw.send(data)
    assert raw.read_close() == code
    scene.check(scene.cluster.connect(scene.alice, json=True))


def test_fragments_with_control_frames_between_are_one_message(
    scene: Scene, raw: RawSocket
) -> None:
    # Given
    raw.upgrade()
    raw.auth(scene.cluster.token(scene.alice))
    request = text_to(scene.bob, "in pieces")
    data = frame.encode(im_pb2.CMD_SEND, 9, request.SerializeToString())

    # When: cut into bytes, with pings, pongs and empty pieces between them
    raw.send(wire_frame(BINARY, data[:1], fin=False))
    for index in range(1, len(data)):
        raw.send(wire_frame(CONT, data[index : index + 1], fin=False))
        if index % 10 == 0:
            raw.send(wire_frame(PING, b"ping %d" % index) + wire_frame(PONG, b"unasked"))
    raw.send(wire_frame(CONT, b"", fin=False) + wire_frame(CONT, b""))

    # Then: every ping is answered with its payload, the message is one
    pongs = []
    while (received := raw.read()).opcode == PONG:
        pongs.append(received.payload)
    assert pongs == [b"ping %d" % index for index in range(10, len(data), 10)]
    answer = frame.decode(received.payload, BODY_BYTES_MAX)
    sent = ok(im_pb2.SendResponse.FromString(answer.body))
    assert answer.seq == 9
    assert scene.watcher.wait_message(sent.id).content.text.text == "in pieces"


def test_frames_cut_and_joined_anyhow_by_tcp(scene: Scene, raw: RawSocket) -> None:
    raw.upgrade()
    raw.auth(scene.cluster.token(scene.alice))
    data = b"".join(
        wire_frame(BINARY, frame.encode(im_pb2.CMD_PING, seq, b"")) for seq in range(1, 101)
    )
    for start in range(0, len(data), 37):
        raw.send(data[start : start + 37])
    assert {raw.mars().seq for _ in range(100)} == set(range(1, 101))


def test_an_extension_of_the_mars_head_is_skipped(scene: Scene, raw: RawSocket) -> None:
    raw.upgrade()
    body = im_pb2.AuthRequest(token=scene.cluster.token(scene.alice)).SerializeToString()
    head = frame.HEAD.pack(frame.HEAD_BYTES + 8, 200, im_pb2.CMD_AUTH, 3, len(body))
    raw.send(wire_frame(BINARY, head + b"EXTENDED" + body))
    assert ok(im_pb2.AuthResponse.FromString(raw.mars().body)).user == scene.alice


def test_client_version_is_echoed_and_may_not_change(scene: Scene) -> None:
    # Given: a client of another version of Mars
    client = scene.cluster.connect_bare()
    client.client_version = 7
    client.auth(scene.cluster.token(scene.alice))

    # Then: every frame to it carries its version (the client checks), pushes too
    sent = ok(scene.watcher.call(text_to(scene.alice)))
    client.wait_message(sent.id)
    scene.check(client)

    # When: it changes
    client.client_version = 8
    client.send_frame(im_pb2.CMD_PING, 5, b"")
    client.client_version = 7

    # Then
    assert client.wait_closed().code == PROTOCOL_ERROR
    scene.check(scene.cluster.connect(scene.alice))


def test_the_client_may_close_at_any_time(scene: Scene, raw: RawSocket) -> None:
    # When it says goodbye: the code comes back
    raw.upgrade()
    raw.auth(scene.cluster.token(scene.alice))
    raw.send(wire_frame(CLOSE, (1001).to_bytes(2, "big") + "bis später".encode()))
    assert raw.read_close() == 1001
    # When it vanishes in the middle of a frame, or of the handshake, or right after a send
    for data in (b"\x82", wire_frame(BINARY, b"x" * 100)[:50]):
        with RawSocket(raw.url) as sock:
            sock.upgrade()
            sock.send(data)
    with RawSocket(raw.url) as sock:
        sock.send(handshake(raw.url)[:60])
    with RawSocket(raw.url) as sock:
        sock.upgrade()
        sock.auth(scene.cluster.token(scene.alice))
        request = text_to(scene.bob, "last words")
        data = frame.encode(im_pb2.CMD_SEND, 9, request.SerializeToString())
        sock.send(wire_frame(BINARY, data))
    # Then: the server has forgotten them, and what was sent was delivered
    scene.check(scene.cluster.connect(scene.alice))
    wait_until(lambda: _shows(scene.watcher, "last words"))


def test_a_flood_of_garbage_harms_nobody(scene: Scene) -> None:
    # Given: a good client beside
    good = scene.cluster.connect(scene.alice)
    for seed in range(100):
        # When: random bytes come as text, as binary and as a whole connection
        noise = bytes((seed * 31 + index * index * 7) % 256 for index in range(200))
        for json in (False, True):
            client = scene.cluster.connect_bare(json=json)
            try:
                client.send_text(noise.decode("latin-1")) if json else client.send_bytes(noise)
                client.poll(0)
            except Closed:
                pass
            client.close()
        with RawSocket(scene.cluster.platform.url()) as sock:
            sock.send(noise)
    # Then
    scene.check(good)


def _shows(client: WebSocketClient, text: str) -> bool:
    client.settle()
    return text in [message.content.text.text for message in client.messages()]
