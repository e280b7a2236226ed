"""Back-off, endpoints, and what the client read off the protocol against the server's tables."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from im_client import commands, groupsversion
from im_client.backoff import Backoff
from im_client.endpoints import Endpoint
from proto import groupsversion as server_groupsversion
from proto.commands import COMMANDS


def test_the_commands_are_those_of_the_server() -> None:
    known = {
        (one.number, one.name, one.request.DESCRIPTOR.name, one.answer.DESCRIPTOR.name)
        for one in commands.COMMANDS
    }
    assert known == {
        (one.number, one.name, one.request.DESCRIPTOR.name, one.answer.DESCRIPTOR.name)
        for one in COMMANDS
        if one.request
    }
    pushes = {one.number: one.answer.DESCRIPTOR.name for one in COMMANDS if not one.request}
    assert {number: kind.DESCRIPTOR.name for number, kind in commands.PUSHES.items()} == pushes


@given(st.dictionaries(st.text(max_size=30), st.integers(0, 2**63 - 1)))
def test_both_sides_count_groups_alike(cursors: dict[str, int]) -> None:
    ours, theirs = groupsversion.groups_version, server_groupsversion.groups_version
    assert ours(cursors) == theirs(cursors)


@given(st.integers(0, 2**32), st.floats(0.01, 5), st.floats(6, 300))
def test_waits_grow_are_capped_and_short_again_after_a_success(
    seed: int, least_s: float, most_s: float
) -> None:
    backoff = Backoff(least_s, most_s, Random(seed))
    waits = [backoff.next_s() for _ in range(40)]
    for count, wait_s in enumerate(waits):
        grown = min(most_s, least_s * 2**count)
        assert grown / 2 <= wait_s <= grown
    assert waits[-1] >= most_s / 2
    backoff.reset()
    assert backoff.next_s() <= least_s


def test_waits_of_many_clients_are_spread() -> None:
    waits = {round(Backoff(1, 60, Random(seed)).next_s(), 3) for seed in range(200)}
    assert len(waits) > 100
    assert max(waits) - min(waits) > 0.4


@given(st.floats(0, 1000))
def test_the_servers_advice_is_the_least(advice_s: float) -> None:
    wait_s = Backoff(0.1, 1.0).next_s(advice_s)
    assert wait_s >= advice_s
    assert wait_s <= max(1.0, advice_s * 1.2)


@pytest.mark.parametrize(
    ("url", "transport", "host", "port", "secure"),
    [
        ("tcp://10.0.0.1:8002", "tcp", "10.0.0.1", 8002, False),
        ("tls://im.example.com:8003", "tls", "im.example.com", 8003, True),
        ("wss://im.example.com/ws", "ws", "im.example.com", 443, True),
        ("https://im.example.com", "comet", "im.example.com", 443, True),
        ("http://[::1]:8000/", "comet", "::1", 8000, False),
    ],
)
def test_endpoints(url: str, transport: str, host: str, port: int, secure: bool) -> None:
    one = Endpoint.parse(url)
    assert (one.transport, one.host, one.port, one.secure) == (transport, host, port, secure)


def test_a_websocket_without_a_path_is_at_ws() -> None:
    assert Endpoint.parse("wss://im.example.com").url == "wss://im.example.com/ws"


@pytest.mark.parametrize("url", ["", "im.example.com:8000", "tcp://host", "ftp://host:1", "tls://"])
def test_what_is_no_endpoint(url: str) -> None:
    with pytest.raises(ValueError, match="not an endpoint"):
        Endpoint.parse(url)
