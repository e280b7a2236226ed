"""The short link: one POST per command, protobuf or JSON."""

import json as json_module
from pathlib import Path
from typing import Any

import requests
from google.protobuf.message import Message

from dev.clients.wait import DEADLINE_S
from dev.clients.wire import command_of
from proto import im_pb2, jsonframe
from proto.commands import BY_NAME

PROTOBUF = "application/octet-stream"
JSON = "application/json"


def make_session(token: str, certificate: Path | None = None) -> requests.Session:
    """A session under this bearer token, or none; `certificate` is what it trusts over TLS."""
    session = requests.Session()
    session.trust_env = False
    if certificate is not None:
        session.verify = str(certificate)
    if token:
        session.headers["Authorization"] = f"Bearer {token}"
    return session


class ShortClient:
    """Calls of one user; `status` is that of the last answer."""

    def __init__(
        self, url: str, token: str, *, json: bool = False, certificate: Path | None = None
    ) -> None:
        self.json = json
        self.status = 0
        self.headers: dict[str, str] = {}
        self._url = url
        self._session = make_session(token, certificate)

    def close(self) -> None:
        self._session.close()

    def call(self, request: Message, timeout_s: float = DEADLINE_S) -> Any:
        """The answer, with its error inside; the status must fit it."""
        command = command_of(request)
        if self.json:
            body = jsonframe.dumps(jsonframe.from_message(request)).encode()
        else:
            body = request.SerializeToString()
        answer = self.post(command.name, body, timeout_s=timeout_s)
        if self.json:
            assert (self.status == 200) is (not answer.error.code), self.status
        else:
            assert self.status == 200, "Mars takes another status for a lost request"
        return answer

    def post(
        self,
        name: str,
        body: Any,
        headers: dict[str, str] | None = None,
        timeout_s: float = DEADLINE_S,
    ) -> Any:
        """POST any body to a command's path; the answer in the shape this client speaks."""
        response = self._session.post(
            f"{self._url}/im/{name}",
            data=body,
            headers={"Content-Type": JSON if self.json else PROTOBUF, **(headers or {})},
            timeout=timeout_s,
        )
        self.status = response.status_code
        self.headers = dict(response.headers)
        return self._read(name, response)

    def _read(self, name: str, response: requests.Response) -> Any:
        expected = JSON if self.json else PROTOBUF
        assert response.headers["Content-Type"] == expected, response.text
        assert "Content-Encoding" not in response.headers
        command = BY_NAME.get(name)
        type_: type[Message] = im_pb2.Reply
        if command is not None and command.request is not None:
            type_ = command.answer
        if self.json:
            return jsonframe.to_message(json_module.loads(response.content), type_)
        return type_.FromString(response.content)
