"""Mars framing over real connections, plain and TLS: what WIRE.md promises an unmodified client."""

import struct
from collections.abc import Callable

import pytest

from dev.clients.device import Closed
from dev.clients.mars import (
    IDENTIFY_SEQ,
    NOOP,
    NOOP_SEQ,
    SIGNALLING,
    SIGNALLING_SEQ,
    MarsClient,
    pack,
)
from dev.clients.wire import ok, refused, sync_all, text_to
from proto import im_pb2
from tests.support.cluster import Cluster

GOLDEN_NOOP = bytes.fromhex("00000014 000000c8 00000006 ffffffff 00000000")
GOLDEN_IDENTIFY = bytes.fromhex("00000014 000000c8 00000002 fffffffe 00000009 0a0774657374746f6b")
GOLDEN_REQUEST = bytes.fromhex(
    "00000014 000000c8 00000003 00000001 0000001f"
    "0a0a746573745f746f6b656e1205616c6963651a03616c6c220268692a0130"
)
INBOUND_BYTES_MAX, MARS_BYTES_MAX, HEAD_BYTES = 65536, 1 << 20, 20
UNKNOWN_CMD = 4711

Dial = Callable[..., MarsClient]


@pytest.fixture(params=[False, True], ids=["tcp", "tls"])
def dial(cluster: Cluster, request: pytest.FixtureRequest) -> Dial:
    """Open a connection, authenticated when a user is named."""
    return lambda user="": cluster.tcp(user, tls=request.param)


def auth_body(cluster: Cluster, user: str) -> bytes:
    return im_pb2.AuthRequest(token=cluster.token(user)).SerializeToString()


def read_exactly(client: MarsClient, count: int) -> bytes:
    """The next bytes as they are."""
    data = b""
    while len(data) < count:
        more = client.sock.recv(count - len(data))
        assert more, "the server hung up"
        data += more
    return data


def check(client: MarsClient) -> None:
    """The connection is as good as any, and nobody said anything uncalled for."""
    client.settle()
    assert not client.answers()
    client.noop()


# ---------------------------------------------------------------- golden bytes


def test_the_golden_noop_is_answered_in_kind_before_authentication(dial: Dial) -> None:
    client = dial()
    client.send_bytes(GOLDEN_NOOP * 3)
    assert read_exactly(client, 3 * HEAD_BYTES) == GOLDEN_NOOP * 3


def test_the_golden_identify_is_refused_once_then_closed(dial: Dial) -> None:
    """Its token is none of ours."""
    client = dial()
    client.send_bytes(GOLDEN_IDENTIFY)
    head = read_exactly(client, HEAD_BYTES)
    assert head[:16] == GOLDEN_IDENTIFY[:16], "same words but the length"
    body = read_exactly(client, struct.unpack(">I", head[16:])[0])
    assert refused(im_pb2.AuthResponse.FromString(body)) == "UNAUTHENTICATED"
    assert client.sock.recv(1) == b"", "once, then closed"


def test_a_good_identify_is_answered_with_its_cmd_and_seq(cluster: Cluster, dial: Dial) -> None:
    alice = cluster.person("alice")
    client = dial()
    client.send_frame(im_pb2.CMD_AUTH, IDENTIFY_SEQ, auth_body(cluster, alice))
    received = client.read()
    assert (received.cmd, received.seq) == (im_pb2.CMD_AUTH, IDENTIFY_SEQ)
    assert ok(im_pb2.AuthResponse.FromString(received.body)).user == alice
    check(client)


@pytest.mark.parametrize("authenticated", [False, True], ids=["stranger", "alice"])
def test_the_golden_request_is_answered(cluster: Cluster, dial: Dial, authenticated: bool) -> None:
    """Its number means a send to us, its last field somebody else: an error of that cmd and seq."""
    client = dial(cluster.person("alice") if authenticated else "")
    client.send_bytes(GOLDEN_REQUEST)
    received = client.read()
    assert (received.cmd, received.seq) == (3, 1)
    name = refused(im_pb2.SendResponse.FromString(received.body))
    assert name == ("FORBIDDEN" if authenticated else "UNAUTHENTICATED")
    client.noop()


# ---------------------------------------------------------------- cutting


def test_everything_in_one_write_is_answered(cluster: Cluster, dial: Dial) -> None:
    # Given: a client that does not wait for anything
    alice, bob = cluster.pair("other shard")
    hello = pack(im_pb2.CMD_AUTH, 1, auth_body(cluster, alice))
    client = dial()

    # When: heartbeat and log-in in one piece, then many requests in another
    client.send_bytes(GOLDEN_NOOP + hello)
    client.wait_noop()
    ok(client.answer(1).body)
    sends = {seq: text_to(bob, f"number {seq}") for seq in range(2, 40)}
    client.send_bytes(
        b"".join(pack(im_pb2.CMD_SEND, seq, s.SerializeToString()) for seq, s in sends.items())
    )

    # Then: each has its own answer, and each is stored once
    ids = {seq: ok(client.answer(seq).body).id for seq in sends}
    stored = {message.sequence: message.id for message in sync_all(client)}
    assert stored == {sends[seq].sequence: identifier for seq, identifier in ids.items()}


def test_one_byte_at_a_time(cluster: Cluster, dial: Dial) -> None:
    alice = cluster.person("alice")
    client = dial()
    request = text_to(alice, "slowly").SerializeToString()
    for frame in (
        pack(im_pb2.CMD_AUTH, 1, auth_body(cluster, alice), extension=b"EXT"),
        pack(im_pb2.CMD_SEND, 2, request),
    ):
        for index in range(len(frame)):
            client.send_bytes(frame[index : index + 1])
        seq = frame[15]
        ok(client.answer(seq).body)
    check(client)


def test_a_frame_cut_at_every_position(cluster: Cluster, dial: Dial) -> None:
    # Given: another connection of the process, whose heartbeat shows that it has read the first
    client, beside = dial(cluster.person("alice")), dial()
    ping = im_pb2.PingRequest().SerializeToString()

    for cut in range(1, HEAD_BYTES + 8):
        # When: the first part has been read alone, and the rest comes with another frame
        frame = pack(im_pb2.CMD_PING, 1000 + cut, ping, extension=b"EXTENDED")
        client.send_bytes(frame[:cut])
        beside.noop()
        client.send_bytes(frame[cut:] + GOLDEN_NOOP)
        # Then
        client.wait_noop()
        ok(client.answer(1000 + cut).body)
    check(client)


@pytest.mark.parametrize("size", [1, 4, 8, 1024])
def test_extension_bytes_are_skipped(cluster: Cluster, dial: Dial, size: int) -> None:
    alice = cluster.person("alice")
    client = dial()
    extension = b"\xff" * size
    client.send_bytes(pack(NOOP, NOOP_SEQ, b"", extension=extension))
    assert client.read()[1:] == (NOOP, NOOP_SEQ, b"")
    client.send_bytes(pack(im_pb2.CMD_AUTH, 1, auth_body(cluster, alice), extension=extension))
    assert ok(client.answer(1).body).user == alice
    check(client)


# ---------------------------------------------------------------- commands


def test_unknown_commands_get_an_error_body(cluster: Cluster, dial: Dial) -> None:
    """Silence would cost the client its whole link."""
    client = dial(cluster.person("alice"))
    for seq, cmd in enumerate((UNKNOWN_CMD, 0, 1, 0xFFFFFFFF, im_pb2.CMD_PUSH_MESSAGES), 50):
        client.send_frame(cmd, seq, b"\xff\xff")
        received = client.read()
        assert (received.cmd, received.seq) == (cmd, seq)
        assert refused(im_pb2.Reply.FromString(received.body)) == "UNKNOWN_COMMAND"
    check(client)


def test_signalling_is_ignored(cluster: Cluster, dial: Dial) -> None:
    client = dial()
    for _ in range(2):  # a stranger's, then alice's
        client.send_frame(SIGNALLING, SIGNALLING_SEQ, b"")
        client.send_frame(SIGNALLING, SIGNALLING_SEQ, b"anything")
        client.send_frame(NOOP, NOOP_SEQ, b"")
        assert client.read()[1:] == (NOOP, NOOP_SEQ, b""), "the first thing said"
        client.auth(cluster.token(client.user or cluster.person("alice")))
    check(client)


def test_a_retry_on_a_new_connection_gets_the_same_ack(cluster: Cluster, dial: Dial) -> None:
    # Given: a send whose answer is lost with its connection
    alice, bob = cluster.pair("other database")
    request = text_to(bob, "once")
    first, watcher = dial(alice), dial(bob)
    first.send_frame(im_pb2.CMD_SEND, 7, request.SerializeToString())
    answer = ok(first.answer(7).body)
    first.close()

    # When: the task is revived under the same seq, and another one is given that seq too
    again, other = dial(alice), dial(alice)
    again.send_frame(im_pb2.CMD_SEND, 7, request.SerializeToString())
    other.send_frame(im_pb2.CMD_SEND, 7, text_to(bob, "another").SerializeToString())

    # Then: a seq names no message, a sequence does
    assert ok(again.answer(7).body) == answer
    second = ok(other.answer(7).body)
    watcher.wait_message(second.id)
    assert [m.id for m in sync_all(watcher)] == [answer.id, second.id]


# ---------------------------------------------------------------- client_version


@pytest.mark.parametrize("version", [0, 7, 200, 0xFFFFFFFF])
def test_client_version_is_in_every_frame_to_it(cluster: Cluster, dial: Dial, version: int) -> None:
    """The client checks each frame, `MarsClient` too."""
    # Given
    alice, bob = cluster.pair("other shard")
    client = dial()
    client.client_version = version

    # Then: in heartbeats, answers, errors and pushes
    client.noop()
    client.auth(cluster.token(alice))
    client.send_frame(UNKNOWN_CMD, 77, b"")
    refused(client.answer(77).body)
    sent = ok(cluster.connect(bob).call(text_to(alice)))
    client.wait_message(sent.id)

    # Then: in the answer to what is no frame of ours as well
    client.send_frame(im_pb2.CMD_SEND, 78, bytes(INBOUND_BYTES_MAX))
    assert refused(client.answer(78).body) == "TOO_LARGE"
    assert client.wait_closed().code == 1000


@pytest.mark.parametrize("cmd", [NOOP, im_pb2.CMD_PING, SIGNALLING, UNKNOWN_CMD])
def test_another_client_version_closes(cluster: Cluster, dial: Dial, cmd: int) -> None:
    client = dial(cluster.person("alice"))
    client.send_bytes(pack(cmd, 9, b"", version=201) + GOLDEN_NOOP)
    assert closes_silently(client).code == 1000


# ---------------------------------------------------------------- limits


@pytest.mark.parametrize("authenticated", [False, True], ids=["stranger", "alice"])
@pytest.mark.parametrize("size", [INBOUND_BYTES_MAX + 1, MARS_BYTES_MAX, 3 * MARS_BYTES_MAX])
def test_a_frame_too_large_is_answered_then_closed(
    cluster: Cluster, dial: Dial, size: int, authenticated: bool
) -> None:
    """Sent in whole: the answer must survive the bytes that nobody wants."""
    client = dial(cluster.person("alice") if authenticated else "")
    client.send_bytes(pack(im_pb2.CMD_SEND, 9, bytes(size - HEAD_BYTES)))
    answer = client.answer(9)
    assert (answer.cmd, refused(answer.body)) == (im_pb2.CMD_SEND, "TOO_LARGE")
    assert client.wait_closed().code == 1000


@pytest.mark.parametrize("cmd", [im_pb2.CMD_SEND, NOOP, UNKNOWN_CMD])
@pytest.mark.parametrize("size", [INBOUND_BYTES_MAX - HEAD_BYTES + 1, MARS_BYTES_MAX, 0xFFFFFFFF])
def test_a_head_that_announces_too_much_is_enough(dial: Dial, size: int, cmd: int) -> None:
    client = dial()
    client.send_bytes(struct.pack(">5I", HEAD_BYTES, 200, cmd, 9, size))
    received = client.read()
    assert (received.cmd, received.seq) == (cmd, 9)
    assert refused(im_pb2.Reply.FromString(received.body)) == "TOO_LARGE"
    assert client.wait_closed().code == 1000


def test_the_largest_frame_is_read(cluster: Cluster, dial: Dial) -> None:
    client = dial(cluster.person("alice"))
    client.send_frame(UNKNOWN_CMD, 9, bytes(INBOUND_BYTES_MAX - HEAD_BYTES))
    assert refused(client.answer(9).body) == "UNKNOWN_COMMAND"
    check(client)


@pytest.mark.parametrize("head", [0, 1, 19, 1 << 16, 0xFFFFFFFF])
def test_a_head_of_no_sensible_length_closes(cluster: Cluster, dial: Dial, head: int) -> None:
    """What was read before it is answered; nothing behind it is."""
    client = dial(cluster.person("alice"))
    nonsense = struct.pack(">5I", head, 200, NOOP, NOOP_SEQ, 0)
    client.send_bytes(GOLDEN_NOOP + nonsense + GOLDEN_NOOP)
    client.wait_noop()
    assert closes_silently(client).code == 1000


def closes_silently(client: MarsClient) -> Closed:
    """The end, before which nothing more is said."""
    closed = client.wait_closed()
    assert not client.answers()
    assert not client.pushes
    return closed
