"""Browsers without WebSocket: Comet or an event stream for what comes, short calls for the rest."""

import socket
import ssl
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from dev.clients.comet import Comet as Comet
from dev.clients.comet import CometDevice as CometDevice
from dev.clients.comet import Polled, check_ascending
from dev.clients.device import Closed, Push
from dev.clients.wait import DEADLINE_S
from proto import im_pb2, jsonframe
from proto.commands import BY_NAME


class EventDevice(Polled):
    """An event stream, by a ticket or a bearer token; `ids` are those of its events."""

    def __init__(
        self,
        url: str,
        token: str,
        *,
        ticket: str = "",
        last_event_id: str = "",
        certificate: Path | None = None,
        **query: Any,
    ) -> None:
        super().__init__(url, token, certificate)
        self.opening = im_pb2.AuthResponse()
        self.status = 0
        self.ids: list[str] = []
        self.comments = 0
        self._since = int(last_event_id or query.get("since") or 0)
        parts = urlsplit(url)
        path = "/events?" + urlencode({**query, **({"ticket": ticket} if ticket else {})})
        plain = socket.create_connection((parts.hostname, parts.port), DEADLINE_S)
        self._socket: socket.socket = plain
        if certificate is not None:
            context = ssl.create_default_context(cafile=str(certificate))
            self._socket = context.wrap_socket(plain, server_hostname=parts.hostname)
        self._socket.settimeout(None)
        head = "" if ticket or not token else f"Authorization: Bearer {token}\r\n"
        if last_event_id:
            head += f"Last-Event-ID: {last_event_id}\r\n"
        self._socket.sendall(f"GET {path} HTTP/1.1\r\nHost: {parts.netloc}\r\n{head}\r\n".encode())
        self._file_ = self._socket.makefile("rb")
        self.status = int(self._file_.readline().split()[1])
        self.headers = {}
        while line := self._file_.readline().strip():
            name, _, value = line.decode().partition(":")
            self.headers[name.lower()] = value.strip()
        self.refusal = b""
        if self.status != 200:
            self.refusal = self._file_.read(int(self.headers["content-length"]))
            return
        self._thread.start()
        opening = self._came.get(timeout=DEADLINE_S)
        assert isinstance(opening, Push), opening
        self.opening = opening.body
        self.user = self.opening.user

    def close(self) -> None:
        self._stopping = True
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        if self._thread.is_alive():
            self._thread.join()
        self._file_.close()
        self._socket.close()
        self.short.close()

    def _read(self) -> None:
        identifier = ""
        while line := self._file_.readline():
            assert line.endswith(b"\n"), "cut in the middle of a line"
            text = line.decode().rstrip("\n")
            if text.startswith(":"):
                self.comments += 1
            elif text.startswith("id: "):
                identifier = text[4:]
            elif text.startswith("data: "):
                name, _, fields = jsonframe.decode(text[6:])
                command = BY_NAME[name]
                body: Any = jsonframe.to_message(fields, command.answer)
                if command.number == im_pb2.CMD_PUSH_MESSAGES and not body.group:
                    self._since = check_ascending(body.messages, self._since)
                self.ids.append(identifier)
                self._came.put(Push(command.number, body))
            elif not text:
                identifier = ""
        self._came.put(Closed(1000, "the stream ended"))
