"""When the Python SDK dials, whom it blames, and how it gets back to what is better."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import pytest

from dev.clients.wait import wait_until
from dev.ports import free_port
from im_client import (
    Client,
    Event,
    FrameEvent,
    KickedEvent,
    NotConnected,
    Options,
    StateEvent,
    im_pb2,
)
from tests.support.proxy import Proxy
from tests.support.sdkphones import QUICK, Phones, phones, platform_for_sdks  # noqa: F401

PATIENT: dict[str, Any] = {"backoff_least_s": 60.0, "backoff_most_s": 60.0}
"""Who waits between two attempts fails its test."""


@contextmanager
def silence() -> Iterator[socket.socket]:
    """A port where connections are taken, and nothing is said."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(5)
        yield server


def _url(server: "socket.socket | Proxy") -> str:
    port = server.port if isinstance(server, Proxy) else server.getsockname()[1]
    return f"tcp://127.0.0.1:{port}"


def _states(phones: Phones, client: Client) -> list[tuple[str, str]]:
    return [
        (event.state, event.transport)
        for event in phones.heard[client]
        if isinstance(event, StateEvent)
    ]


class Maker(Protocol):
    """Makes clients with several endpoints."""

    def __call__(self, user: str, *endpoints: str, token: Any = None, **options: Any) -> Client: ...


@pytest.fixture
def make(phones: Phones, tmp_path: Path) -> Iterator[Maker]:
    """As `Phones.make`."""
    opened: list[Client] = []

    def made(user: str, *endpoints: str, token: Any = None, **options: Any) -> Client:
        client = Client(
            user,
            token or phones.cluster.token(user),
            endpoints,
            store=tmp_path / f"{user}.db",
            options=Options(**{**QUICK, **options}),
        )
        opened.append(client)
        phones.heard[client] = []
        client.on(Event, phones.heard[client].append)
        return client

    yield made
    for client in opened:
        client.close()


@pytest.fixture
def gateway(phones: Phones) -> Iterator[Proxy]:
    proxy = Proxy(phones.cluster.platform.port("gateway"), "mars")
    yield proxy
    proxy.close()


def test_an_attempt_that_hangs_is_given_up_when_the_network_changes(phones: Phones) -> None:
    with silence() as server:
        client = phones.make(phones.cluster.person(), endpoint=_url(server), **PATIENT)
        client.start()
        first, _ = server.accept()
        with first:
            assert first.recv(1 << 16)  # it waits for an answer
            client.resume()
            second, _ = server.accept()  # long before the first would be given up
            with second:
                assert first.recv(1) == b"", "it was hung up"
                # And where it goes while there is none, it hangs up too
                assert second.recv(1 << 16)
                client.suspend()
                assert second.recv(1) == b""


def test_a_token_callback_that_fails_blames_no_endpoint_and_leaks_nothing(
    phones: Phones, gateway: Proxy, make: Maker
) -> None:
    user = phones.cluster.person()
    answers: list[str | OSError] = [
        "stale",
        OSError("the user centre is down"),
        phones.cluster.token(user),
    ]

    def token() -> str:
        answer = answers.pop(0)
        if isinstance(answer, OSError):
            raise answer
        return answer

    # Given an endpoint that refuses a stale token, another one, and no other token for now
    with silence() as other:
        client = make(user, _url(gateway), _url(other), token=token)
        client.start()
        client.wait_ready()
        # Then the first endpoint was tried again, and holds the one connection
        assert not answers
        wait_until(lambda: gateway.connections == 1)
        other.settimeout(0)
        with pytest.raises(BlockingIOError):
            other.accept()


def test_a_server_that_dies_whenever_we_are_ready_is_dialled_less_and_less_often(
    phones: Phones, gateway: Proxy
) -> None:
    # Given one that cuts each connection once it is caught up
    client = phones.make(
        phones.cluster.person(),
        endpoint=_url(gateway),
        backoff_least_s=0.1,
        backoff_most_s=60.0,
        follow_addresses=False,
    )
    client.start()
    begun_at = time.monotonic()

    def cut() -> None:
        before = _states(phones, client).count(("offline", ""))
        gateway.cut()
        wait_until(lambda: _states(phones, client).count(("offline", "")) > before)

    for _ in range(5):
        client.wait_ready()
        cut()
    client.wait_ready()
    # Then each wait was twice the one before: 0.05 to 0.1 s the first, 0.8 to 1.6 s the fifth
    assert time.monotonic() - begun_at >= 0.05 * (1 + 2 + 4 + 8 + 16)


@pytest.mark.parametrize("worse", ["comet", "ws"])
def test_it_gets_back_to_the_better_transport(
    phones: Phones, gateway: Proxy, make: Maker, worse: str
) -> None:
    alice, bob = phones.cluster.pair()
    web = phones.cluster.platform.port()
    second = {"comet": f"http://127.0.0.1:{web}", "ws": f"ws://127.0.0.1:{web}/ws"}[worse]
    # Given a client on its second transport
    gateway.down()
    client = make(alice, _url(gateway), second, better_after_s=0.1)
    client.start()
    client.wait_ready()
    assert client.transport == worse
    # When the first one works again, while messages come and go
    writer = phones.start(bob)
    over = threading.Event()
    rounds: list[int] = []

    def talk() -> None:
        while not over.wait(0.02):
            number = len(rounds)
            writer.wait_acked(writer.send_text(alice, f"{number}"))
            client.wait_acked(client.send_text(bob, f"re {number}"))
            rounds.append(number)

    talking = threading.Thread(target=talk)
    talking.start()
    try:
        wait_until(lambda: len(rounds) > 2)
        gateway.heal()
        wait_until(lambda: client.transport == "tcp", what="the better transport")
        reached = len(rounds)
        wait_until(lambda: len(rounds) > reached + 2)
    finally:
        over.set()
        talking.join(30)
    # Then it was never offline, nor kicked, and everything was told once and in order
    client.wait_ready()
    assert _states(phones, client) == [("connecting", ""), ("online", worse), ("online", "tcp")]
    assert not [event for event in phones.heard[client] if isinstance(event, KickedEvent)]
    for one in (client, writer):
        wait_until(lambda one=one: len(phones.texts(one)) >= 2 * len(rounds))  # type: ignore[misc]
        texts = phones.texts(one)
        assert [text for text in texts if text[:2] != "re"] == [f"{n}" for n in rounds]
        assert [text for text in texts if text[:2] == "re"] == [f"re {n}" for n in rounds]
    wait_until(lambda: gateway.connections == 1)


def test_an_attempt_whose_answer_is_lost_does_not_end_the_client(
    phones: Phones, gateway: Proxy, make: Maker
) -> None:
    web = f"ws://127.0.0.1:{phones.cluster.platform.port()}/ws"
    # Given a client on its second transport, and a network that loses the answer to a log-in
    gateway.down()
    client = make(
        phones.cluster.person(), _url(gateway), web, better_after_s=0.1, connect_timeout_s=1.0
    )

    def lose(event: FrameEvent) -> None:
        if event.cmd == im_pb2.CMD_AUTH and event.outgoing:
            gateway.deafen()

    client.watch_frames(lose)
    client.start()
    client.wait_ready()
    assert client.transport == "ws"
    # When it tries the first one again, so that the server ends the second as replaced
    gateway.heal()
    wait_until(lambda: ("offline", "") in _states(phones, client), what="the end of the old link")
    # Then it comes back
    client.wait_ready()
    assert not [event for event in phones.heard[client] if isinstance(event, KickedEvent)]


def test_a_host_that_can_have_no_address_is_passed_over(phones: Phones, make: Maker) -> None:
    web = f"http://127.0.0.1:{phones.cluster.platform.port()}"
    # Given a mistyped endpoint before one that works
    client = make(phones.cluster.person(), "tcp://im..example.com:8002", web)
    # When it connects
    client.start()
    client.wait_ready()
    # Then it is served by the one that works
    client.devices()
    assert _states(phones, client) == [("connecting", ""), ("online", "comet")]


def test_it_stays_where_it_is_while_the_better_one_says_nothing(
    phones: Phones, make: Maker
) -> None:
    alice = phones.cluster.person()
    web = f"http://127.0.0.1:{phones.cluster.platform.port()}"
    # Given a port that refuses, and then takes connections without a word
    port = free_port()
    client = make(alice, f"tcp://127.0.0.1:{port}", web, better_after_s=0.05)
    client.start()
    client.wait_ready()
    with socket.create_server(("127.0.0.1", port)) as trap:
        trap.settimeout(30)
        for _ in range(2):
            peer, _ = trap.accept()
            peer.recv(100)
            peer.close()
    # Then it tries, and goes on by the worse one without a break
    assert client.transport == "comet"
    client.devices()
    assert _states(phones, client) == [("connecting", ""), ("online", "comet")]


def test_where_servers_list_their_addresses_those_are_tried_too(
    phones: Phones, gateway: Proxy
) -> None:
    user = phones.cluster.person()
    # Given a client that knows one address, and one that wants no others
    client = phones.make(user, endpoint=_url(gateway))
    listed = threading.Event()

    def see(event: FrameEvent) -> None:
        if event.cmd == im_pb2.CMD_ADDRESSES and not event.outgoing:
            listed.set()

    client.watch_frames(see)
    client.start()
    strict = phones.start(user, name="strict", endpoint=_url(gateway), follow_addresses=False)
    assert listed.wait(30)
    # When that is not to be reached any more
    gateway.down()
    # Then the first comes back by what the server listed, after a restart too
    wait_until(lambda: ("offline", "") in _states(phones, client) and client.online)
    client.close()
    again = phones.start(user, endpoint=_url(gateway))
    assert again.online
    with pytest.raises(NotConnected):
        strict.wait_ready(0.5)
