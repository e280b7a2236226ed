"""Clients of one TLS address, whoever is behind it: gunicorn itself, or HAProxy."""

import ssl
from contextlib import ExitStack, closing
from typing import Any, TypeVar

from dev.clients.http import ShortClient
from dev.clients.ws import WebSocketClient
from tests.support.cluster import Cluster
from tests.support.polls import Comet, CometDevice, EventDevice
from tests.support.turns import TurnsSocket

C = TypeVar("C", WebSocketClient, ShortClient, Comet, CometDevice, EventDevice)


def context_of(version: ssl.TLSVersion) -> ssl.SSLContext:
    """A client that offers this version alone, however old."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = version
    return context


class Secure:
    """Opens connections to the port; `close` ends all of them."""

    def __init__(self, cluster: Cluster, port: int) -> None:
        self.url = f"https://localhost:{port}"
        self.certificate = cluster.certificate
        self._cluster = cluster
        self._stack = ExitStack()

    def close(self) -> None:
        """Hang up everything."""
        self._stack.close()

    def context(self) -> ssl.SSLContext:
        """What trusts the certificate."""
        context = ssl.create_default_context(cafile=str(self.certificate))
        context.sslsocket_class = TurnsSocket
        return context

    def websocket(
        self, user: str = "", *, json: bool = False, source: str = "127.0.0.1", **options: Any
    ) -> WebSocketClient:
        """A WebSocket from the loopback address `source`, authenticated when a user is named."""
        client = self._kept(
            WebSocketClient(
                self.url.replace("localhost", "127.0.0.1"),
                json=json,
                ssl=self.context(),
                source_address=(source, 0),
                **options,
            )
        )
        if user:
            client.auth(self._cluster.token(user))
        return client

    def short(self, user: str, *, json: bool = False) -> ShortClient:
        """Short calls of the user."""
        token = self._cluster.token(user)
        return self._kept(ShortClient(self.url, token, json=json, certificate=self.certificate))

    def polls(self, user: str) -> Comet:
        """Single polls of the user."""
        return self._kept(Comet(self.url, self._cluster.token(user), certificate=self.certificate))

    def comet(self, user: str, since: int = 0) -> CometDevice:
        """A device of the user that polls."""
        token = self._cluster.token(user)
        return self._kept(CometDevice(self.url, token, since, certificate=self.certificate))

    def events(self, user: str, **query: Any) -> EventDevice:
        """A device of the user that reads an event stream."""
        token = self._cluster.token(user)
        return self._kept(EventDevice(self.url, token, certificate=self.certificate, **query))

    def _kept(self, client: C) -> C:
        self._stack.enter_context(closing(client))
        return client
