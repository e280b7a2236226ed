"""Comet: polls for what comes, short calls for the rest.

A thread reads all the time, as a browser does; what it got is taken in by whoever waits.
"""

import json as json_module
import queue
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from google.protobuf.message import Message

from dev.clients.device import Closed, Device, Push
from dev.clients.http import JSON, PROTOBUF, ShortClient, make_session
from dev.clients.wait import DEADLINE_S
from proto import im_pb2, jsonframe

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
        self,
        url: str,
        token: str,
        *,
        json: bool = True,
        certificate: Path | None = None,
        timeout_s: float = POLL_DEADLINE_S,
    ) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self._json = json
        self._timeout_s = timeout_s
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
        """The answer to any body."""
        response = self._session.post(
            self._url,
            data=data,
            headers={"Content-Type": JSON if self._json else PROTOBUF},
            timeout=self._timeout_s,
        )
        self.status, self.headers = response.status_code, dict(response.headers)
        if self._json:
            return jsonframe.to_message(json_module.loads(response.content), im_pb2.CometResponse)
        assert self.status == 200
        return im_pb2.CometResponse.FromString(response.content)


class Polled(Device):
    """A device whose downlinks are read by a thread."""

    def __init__(self, url: str, token: str, certificate: Path | None) -> None:
        super().__init__(json=True)
        self.short = ShortClient(url, token, json=True, certificate=certificate)
        self._came: queue.SimpleQueue[Push | Exception] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._stopping = False

    def call(self, request: Message, timeout_s: float = DEADLINE_S) -> Any:
        return self.short.call(request, timeout_s)

    def _read(self) -> None:
        raise NotImplementedError

    def _run(self) -> None:
        try:
            self._read()
        except (AssertionError, json_module.JSONDecodeError) as error:  # what came was wrong
            self._came.put(error)
        except Exception as error:
            self._came.put(Closed(1006, f"{type(error).__name__}: {error}"))

    def _receive(self, timeout_s: float) -> None:
        try:
            came = self._came.get(timeout=max(timeout_s, 0.001))
        except queue.Empty:
            raise TimeoutError from None
        if isinstance(came, Exception):
            self.closed = came if isinstance(came, Closed) else Closed(1006, repr(came))
            raise came
        self.pushes.append(came)


class CometDevice(Polled):
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
        timeout_s: float = POLL_DEADLINE_S,
    ) -> None:
        """`timeout_s`: after how long a poll that is not answered ends the connection."""
        super().__init__(url, token, certificate)
        self.since = since
        self._device = device
        self._platform = platform
        self._comet = Comet(url, token, certificate=certificate, timeout_s=timeout_s)
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


def check_ascending(messages: Iterable[im_pb2.Message], since: int) -> int:
    """The last version; each must be above the one before it, the first above `since`."""
    for message in messages:
        assert message.version > since, f"version {message.version} came behind {since}"
        since = message.version
    return since
