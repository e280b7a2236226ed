"""The clients of tests and tools: how they tell that a server is gone."""

import socket

import pytest

from dev.clients.ws import WebSocketClient


def test_a_server_that_is_gone_before_the_handshake_is_a_connection_that_fails() -> None:
    """It dies between `accept` and the request: callers that reconnect wait for OSError."""
    # Given
    ours, theirs = socket.socketpair()
    theirs.close()
    # Then
    with ours, pytest.raises(ConnectionError):
        WebSocketClient("http://127.0.0.1", sock=ours)
