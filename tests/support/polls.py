"""Browsers without WebSocket: Comet or server-sent events for what comes, short calls for the rest.

A thread reads all the time, as a browser does; what it got is taken in by whoever waits.
"""

import json as json_module
import queue
import socket
import ssl
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from google.protobuf.message import Message

from proto import im_pb2, jsonframe
from proto.commands import BY_NAME
from tests.support.device import Closed, Device, Push
from tests.support.http import JSON, PROTOBUF, ShortClient, make_session
from tests.support.wait import DEADLINE_S

WAIT_S = 1
POLL_DEADLINE_S = 25 + DEADLINE_S
"""IM_COMET_WAIT_S, and as much as anything may take."""

_EVENTS = {
    "read": im_pb2.CMD_PUSH_READ,
    "conversations": im_pb2.CMD_PUSH_CONVERSATIONS,
    "typing": im_pb2.CMD_PUSH_TYPING,
    "resync": im_pb2.CMD_PUSH_RESYNC,
    "go_away": im_pb2.CMD_PUSH_GO_AWAY,
    "groups": im_pb2.CMD_PUSH_GROUPS,
}


class Comet:
    """Single polls of one user; `status` is that of the last answer."""

    def __init__(
        self, url: str, token: str, *, json: bool = True, certificate: Path | None = None
    ) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self._json = json
        self._url = url + "/comet"
        self._session = make_session(token, certificate)

    def close(self) -> None:
        self._session.close()

    def poll(
        self,
        since: int,
        wait_s: int = WAIT_S,
        device: str = "",
        platform: str = "web",
        groups_version: int | None = None,
    ) -> Any:
        """One poll's answer, with its error inside."""
        request = im_pb2.CometRequest(
            since=since,
            wait_s=wait_s,
            device=device,
            platform=platform,
            groups_version=groups_version,
        )
        if self._json:
            data = jsonframe.dumps(jsonframe.from_message(request)).encode()
        else:
            data = request.SerializeToString()
        return self.post(data)

    def post(self, data: bytes) -> Any:
        """The answer to any body; longer than the longest poll it may not take."""
        response = self._session.post(
            self._url,
            data=data,
            headers={"Content-Type": JSON if self._json else PROTOBUF},
            timeout=POLL_DEADLINE_S,
        )
        self.status, self.headers = response.status_code, dict(response.headers)
        if self._json:
            return jsonframe.to_message(json_module.loads(response.content), im_pb2.CometResponse)
        assert self.status == 200
        return im_pb2.CometResponse.FromString(response.content)


class _Polled(Device):
    """A device whose downlinks are read by a thread."""

    def __init__(self, url: str, token: str, certificate: Path | None) -> None:
        super().__init__(json=True)
        self.short = ShortClient(url, token, json=True, certificate=certificate)
        self._came: queue.SimpleQueue[Push | Closed] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._stopping = False

    def call(self, request: Message, timeout_s: float = DEADLINE_S) -> Any:
        return self.short.call(request)

    def _read(self) -> None:
        raise NotImplementedError

    def _run(self) -> None:
        try:
            self._read()
        except Exception as error:
            self._came.put(Closed(1006, f"{type(error).__name__}: {error}"))

    def _receive(self, timeout_s: float) -> None:
        try:
            came = self._came.get(timeout=max(timeout_s, 0.001))
        except queue.Empty:
            raise TimeoutError from None
        if isinstance(came, Closed):
            self.closed = came
            raise came
        self.pushes.append(came)


class CometDevice(_Polled):
    """Polls again and again from a cursor."""

    def __init__(
        self,
        url: str,
        token: str,
        since: int,
        *,
        device: str = "",
        platform: str = "web",
        certificate: Path | None = None,
    ) -> None:
        super().__init__(url, token, certificate)
        self.since = since
        self._device = device
        self._platform = platform
        self._comet = Comet(url, token, certificate=certificate)
        self._thread.start()

    def close(self) -> None:
        self._stopping = True
        self._thread.join()
        self._comet.close()
        self.short.close()

    def _read(self) -> None:
        while not self._stopping:
            answer = self._comet.poll(self.since, WAIT_S, self._device, self._platform)
            check_ascending(answer.messages, self.since)
            if answer.error.code and not answer.error.retryable:
                self._came.put(Closed(4401, answer.error.name))
                return
            time.sleep(answer.error.retry_after_ms / 1000)
            if answer.messages:
                push = im_pb2.MessagesPush(messages=answer.messages, previous=self.since)
                self._came.put(Push(im_pb2.CMD_PUSH_MESSAGES, push))
            for push in answer.group_messages:
                self._came.put(Push(im_pb2.CMD_PUSH_MESSAGES, push))
            self.since = max(self.since, answer.since)
            for event in answer.events:
                name = event.WhichOneof("body")
                self._came.put(Push(_EVENTS[name], getattr(event, name)))


class EventDevice(_Polled):
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


def check_ascending(messages: Iterable[im_pb2.Message], since: int) -> int:
    """The last version; each must be above the one before it, the first above `since`."""
    for message in messages:
        assert message.version > since, f"version {message.version} came behind {since}"
        since = message.version
    return since
