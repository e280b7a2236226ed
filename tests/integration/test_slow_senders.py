"""Who sends, or reads, too slowly is cut; two logins at once; polls in a crowd."""

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from dev.clients.device import Closed
from dev.clients.mars import MarsClient, pack
from dev.clients.wait import DEADLINE_S, wait_until
from dev.clients.wire import ok
from proto import frame, im_pb2
from tests.support.cluster import Cluster
from tests.support.raw import BINARY, RawSocket, wire_frame

HURRIED = {"IM_FRAME_DEADLINE_S": "1"}
POLLS = 60


@pytest.fixture(scope="module")
def hurried(shared_cluster: Cluster) -> Iterator[str]:
    """Suffix of processes that wait a second for a frame."""
    names = ("web.hurry", "gateway.hurry")
    shared_cluster.platform.start(*names, env=HURRIED)
    try:
        yield ".hurry"
    finally:
        shared_cluster.platform.stop(*names)


@pytest.mark.parametrize("tls", [False, True])
def test_a_frame_in_drops_over_tcp(cluster: Cluster, hurried: str, tls: bool) -> None:
    client = cluster.tcp(cluster.person(), f"gateway{hurried}", tls=tls)
    data = iter(pack(im_pb2.CMD_PING, 5, bytes(60_000)))

    def closed() -> bool:
        try:
            client.send_bytes(bytes((next(data),)))
            client.poll(0.05)
        except Closed:
            return True
        return False

    wait_until(closed, what="the end of who sends a byte now and then")


def test_a_message_in_drops_over_websocket(cluster: Cluster, hurried: str) -> None:
    with RawSocket(cluster.platform.url(f"web{hurried}")) as device:
        device.upgrade()
        device.auth(cluster.token(cluster.person()))
        body = frame.encode(im_pb2.CMD_PING, 5, bytes(1000))
        device.send(wire_frame(BINARY, body)[:200])
        assert device.read_close() == 4408


def test_whole_frames_now_and_then_are_fine(cluster: Cluster, hurried: str) -> None:
    client = cluster.tcp(cluster.person(), f"gateway{hurried}")
    for _ in range(30):
        client.poll(0.1)
        client.noop()


@pytest.mark.parametrize("tls", [False, True])
def test_one_login_at_a_time(cluster: Cluster, tls: bool) -> None:
    # Given: two logins in one packet
    alice, bob = cluster.pair()
    client: MarsClient = cluster.tcp(tls=tls)
    logins = [
        im_pb2.AuthRequest(token=cluster.token(user), device="d").SerializeToString()
        for user in (alice, bob)
    ]

    # When
    client.send_bytes(b"".join(pack(im_pb2.CMD_AUTH, n + 1, body) for n, body in enumerate(logins)))

    # Then: the connection belongs to whoever was first, wholly
    first, second = (client.answer(seq).body for seq in (1, 2))
    assert ok(first).user == alice
    assert second.error.name in ("OVERLOADED", "FORBIDDEN")
    if second.error.name == "OVERLOADED":
        assert ok(client.call(im_pb2.DevicesRequest())).devices[0].device == "d"


def test_every_poll_of_a_crowd_is_answered_in_time(cluster: Cluster) -> None:
    # Given: many polls that begin and end at the same time
    polls = [cluster.polls(cluster.person(), "web.2") for _ in range(POLLS)]
    with ThreadPoolExecutor(POLLS) as pool:
        # When
        answers = list(pool.map(lambda poll: poll.poll(0, wait_s=1), polls, timeout=DEADLINE_S))
    # Then
    assert all(not ok(answer).messages for answer in answers)


def test_who_asks_and_does_not_read_is_cut(cluster: Cluster) -> None:
    """Short calls, one behind the other, of somebody who needs no token for them."""
    cluster.platform.start("web.strict", env={"IM_WRITE_TIMEOUT_S": "1"})
    url = cluster.platform.url("web.strict")
    call = (
        b"POST /im/addresses HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        b"Content-Length: 2\r\n\r\n{}"
    )
    try:
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.settimeout(DEADLINE_S)
            client.connect(("127.0.0.1", cluster.platform.port("web.strict")))
            client.setblocking(False)

            # When
            def cut() -> bool:
                try:
                    client.send(call * 100)
                except BlockingIOError:
                    return False  # the process reads no more of it either
                except OSError:
                    return True
                return False

            # Then: it is hung up on, and others are served
            wait_until(cut, what="the end of who does not read")
        assert requests.get(f"{url}/healthz", timeout=DEADLINE_S).status_code == 200
    finally:
        cluster.platform.stop("web.strict")
