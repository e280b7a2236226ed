"""Short connections: one POST per command, protobuf or JSON by content type.

Protobuf callers (Mars' short link) always get status 200, errors ride in the body; JSON callers
get the status that fits the error.
"""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import gevent
from flask import Flask, Response, request
from gevent.event import AsyncResult
from google.protobuf.message import Message

from models.errors import Code, IMError
from models.usercentre.tokens import Identity
from proto import im_pb2
from proto.commands import BY_NAME, Command
from web.codec import refusal
from web.dispatch import TooLate, translate
from web.httpcall import bearer_token, read_body, respond, wants_json
from web.services import Services

OPEN_TO_ALL = frozenset({im_pb2.CMD_ADDRESSES})


@dataclass(frozen=True, slots=True)
class ShortCaller:
    """Who makes one short call."""

    host: str
    user: str = ""
    identity: Identity | None = None
    token: str = ""


class ShortLink:
    """The routes `/im/<command>`."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def add_routes(self, app: Flask) -> None:
        """Serve every command."""
        # One more, because a longer body without a length is cut there, not refused.
        app.config["MAX_CONTENT_LENGTH"] = self._services.settings.body_bytes_max + 1
        app.add_url_rule("/im/<name>", view_func=self.call, methods=["POST"])

    def call(self, name: str) -> Response:
        """Answer one command."""
        command = BY_NAME.get(name)
        try:
            with gevent.Timeout(self._services.settings.request_timeout_s, TooLate()):
                answer = self._run(command)
        except Exception as error:
            answer = refusal(translate(error, name), command)
        return respond(answer, wants_json())

    def _run(self, command: Command | None) -> Message:
        if command is None or command.request is None:
            raise IMError(Code.UNKNOWN_COMMAND, "unknown command")
        parsed = read_body(command, self._services.settings.body_bytes_max)
        if command.number == im_pb2.CMD_AUTH:
            raise IMError(Code.BAD_REQUEST, "short calls authenticate by their bearer token")
        caller = self._caller(command)
        if command.number == im_pb2.CMD_SEND:
            return self._send(caller.user, parsed)
        return self._services.dispatcher.call(caller, command, parsed)

    def _caller(self, command: Command) -> ShortCaller:
        host = urlsplit(request.host_url).hostname or ""
        if command.number in OPEN_TO_ALL:
            return ShortCaller(host)
        token = bearer_token()
        identity = self._services.verifier.verify(token)
        kept = token if self._services.keeps_tokens else ""
        return ShortCaller(host, identity.user, identity, kept)

    def _send(self, user: str, parsed: Any) -> Message:
        result: Any = AsyncResult()
        self._services.dispatcher.send(user, parsed, result.set)
        answer: Message = result.get()
        return answer
