"""From a parsed request to an answer: the table of handlers, and the translator of errors.

One handler per command serves every transport. `send` answers when its batch is committed, without
holding a greenlet; every other handler may block and runs in one.
"""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import gevent
import structlog
from google.protobuf.message import Message

from models.append import Outcome, Stored
from models.clock import now_ms
from models.core import Core
from models.errors import Code, IMError
from models.redisclient import RedisError
from models.tickets import TTL_S
from models.usecases import blocking, conversations, devices, groupreading, reading
from models.usecases.groups import Groups
from models.usecases.recall import recall
from models.usecases.send import Sender
from models.usercentre.tokens import Identity
from models.wake import Waker
from proto import im_pb2
from proto.commands import COMMANDS, Command

log = structlog.get_logger()

EXPIRY_ROUND_S = 0.2

Reply = Callable[[Message], None]
Handler = Callable[[Core, str, Any], Message]
CallerHandler = Callable[["Caller", Any], Message]


class Caller(Protocol):
    """Who calls: a session, or one short call."""

    @property
    def user(self) -> str: ...

    @property
    def identity(self) -> Identity | None: ...

    @property
    def token(self) -> str:
        """Kept only where it must be asked about again; else empty."""

    @property
    def host(self) -> str:
        """The name under which the client came, where that is known; else empty."""


class Dispatcher:
    """Runs commands of authenticated users."""

    def __init__(self, core: Core, sender: Sender, waker: Waker) -> None:
        self._core = core
        self._sender = sender
        self._timeout_s = core.settings.request_timeout_s
        self._requests = core.metrics.requests
        self._waiting: deque[_Waiting] = deque()  # sends, the oldest first
        gevent.spawn(self._expire)
        self._handlers: dict[int, Handler] = {
            im_pb2.CMD_RECALL: lambda core, user, request: recall(core, waker, user, request),
            im_pb2.CMD_SYNC: reading.sync,
            im_pb2.CMD_HISTORY: reading.history,
            im_pb2.CMD_CONTACTS: conversations.contacts,
            im_pb2.CMD_DELETE_CONVERSATION: conversations.delete_conversation,
            im_pb2.CMD_CLEAR_CONVERSATIONS: conversations.clear_conversations,
            im_pb2.CMD_READ: conversations.read,
            im_pb2.CMD_VERSIONS: _versions,
            im_pb2.CMD_PING: _ping,
            im_pb2.CMD_BLOCK: blocking.block,
            im_pb2.CMD_UNBLOCK: blocking.unblock,
            im_pb2.CMD_BLOCKED: blocking.blocked,
            im_pb2.CMD_TYPING: conversations.typing,
            im_pb2.CMD_DEVICES: devices.devices,
            im_pb2.CMD_LOG_OUT: devices.log_out,
            im_pb2.CMD_PRESENCE: devices.presence,
            im_pb2.CMD_SET_CONVERSATION: conversations.set_conversation,
            im_pb2.CMD_GROUP_INFO: groupreading.info,
            im_pb2.CMD_GROUP_MEMBERS: groupreading.members,
            im_pb2.CMD_GROUPS: groupreading.groups,
            im_pb2.CMD_GROUP_REQUESTS: groupreading.requests,
            im_pb2.CMD_GROUP_SYNC: groupreading.sync,
            im_pb2.CMD_GROUP_READERS: groupreading.readers,
        }
        groups = Groups(core, waker)
        for number, change in (
            (im_pb2.CMD_GROUP_CREATE, groups.create),
            (im_pb2.CMD_GROUP_EDIT, groups.edit),
            (im_pb2.CMD_GROUP_JOIN, groups.join),
            (im_pb2.CMD_GROUP_LEAVE, groups.leave),
            (im_pb2.CMD_GROUP_INVITE, groups.invite),
            (im_pb2.CMD_GROUP_REMOVE, groups.remove),
            (im_pb2.CMD_GROUP_SET_ROLE, groups.set_role),
            (im_pb2.CMD_GROUP_TRANSFER, groups.transfer),
            (im_pb2.CMD_GROUP_DISBAND, groups.disband),
            (im_pb2.CMD_GROUP_MUTE, groups.mute),
            (im_pb2.CMD_GROUP_DECIDE, groups.decide),
        ):
            self._handlers[number] = _without_core(change)
        self._caller_handlers: dict[int, CallerHandler] = {im_pb2.CMD_TICKET: self._ticket}

    def add_handler(self, number: int, handler: CallerHandler) -> None:
        """Serve a command that needs to know more of its caller than the user."""
        self._caller_handlers[number] = handler

    def check_complete(self) -> None:
        """Raise when a command of the table has no handler."""
        wanted = {command.number for command in COMMANDS if command.request}
        served = {*self._handlers, *self._caller_handlers, im_pb2.CMD_AUTH, im_pb2.CMD_SEND}
        missing = wanted - served
        if missing:
            raise RuntimeError(f"no handler for commands {sorted(missing)}")

    def waiting(self) -> int:
        """Sends that are not stored yet."""
        return self._sender.waiting()

    def send(self, user: str, request: Any, reply: Reply) -> None:
        """Answer a send once it is stored, refused, or too late; never blocks."""
        waiting = _Waiting(reply, time.monotonic() + self._timeout_s)

        def done(outcome: Outcome) -> None:
            if isinstance(outcome, Stored):
                waiting.answer(im_pb2.SendResponse(id=outcome.id, send_time=outcome.send_time))
            else:
                self._count("send", outcome)
                waiting.answer(im_pb2.SendResponse(error=outcome.to_proto()))

        try:
            self._sender.send(user, request, done)
        except IMError as error:
            done(error)
            return
        queue = self._waiting
        while queue and queue[0].answered:
            queue.popleft()
        queue.append(waiting)

    def _expire(self) -> None:
        """Answer sends whose time is over; should they be stored after all, a resend finds them."""
        while True:
            gevent.sleep(EXPIRY_ROUND_S)
            now = time.monotonic()
            while self._waiting and (self._waiting[0].answered or self._waiting[0].due <= now):
                late = self._waiting.popleft()
                if not late.answered:
                    error = IMError(Code.TIMEOUT, "not stored in time; send again")
                    self._count("send", error)
                    try:
                        late.answer(im_pb2.SendResponse(error=error.to_proto()))
                    except Exception as failure:
                        log.error("answer failed", exc_info=failure)

    def call(self, caller: Caller, command: Command, request: Message) -> Message:
        """The answer to any other command; errors are inside it, none is raised."""
        try:
            with gevent.Timeout(self._timeout_s, TooLate()):
                own = self._caller_handlers.get(command.number)
                if own is not None:
                    answer = own(caller, request)
                else:
                    handler = self._handlers[command.number]
                    answer = handler(self._core, caller.user, request)
            self._requests.labels(command.name, "ok").inc()
            return answer
        except BaseException as error:
            translated = translate(error, command.name)
            self._count(command.name, translated)
            answer = command.answer()
            answer.error.CopyFrom(translated.to_proto())  # type: ignore[attr-defined]
            return answer

    def _ticket(self, caller: Caller, request: im_pb2.TicketRequest) -> Message:
        if caller.identity is None:
            raise IMError(Code.UNAUTHENTICATED, "authenticate first")
        ticket = self._core.tickets.issue(caller.identity, caller.token)
        return im_pb2.TicketResponse(ticket=ticket, expires_in_s=TTL_S)

    def _count(self, command: str, error: IMError) -> None:
        self._requests.labels(command, error.code.name).inc()


class TooLate(Exception):
    """A request took longer than it may."""


@dataclass(slots=True)
class _Waiting:
    """A send that is not answered yet; it is answered once."""

    reply: Reply
    due: float
    answered: bool = False

    def answer(self, message: Message) -> None:
        if not self.answered:
            self.answered = True
            self.reply(message)


def translate(error: BaseException, command: str) -> IMError:
    """The translator of `web`: what a client hears of an exception.

    What ends a greenlet is raised again.
    """
    if isinstance(error, IMError):
        return error
    if isinstance(error, TooLate):
        return IMError(Code.TIMEOUT, "no answer in time")
    if isinstance(error, RedisError):
        return IMError(Code.UNAVAILABLE, "cache: unavailable", retry_after_ms=1000)
    if not isinstance(error, Exception):
        raise error
    log.error("command failed", command=command, exc_info=error)
    return IMError(Code.INTERNAL, "the command failed; it is in the server's log")


def _without_core(change: Callable[[str, Any], Message]) -> Handler:
    return lambda core, user, request: change(user, request)


def _versions(core: Core, user: str, request: im_pb2.VersionsRequest) -> Message:
    return im_pb2.VersionsResponse(
        version=reading.latest_version(core, user),
        groups_version=groupreading.groups_version(core, user),
    )


def _ping(core: Core, user: str, request: im_pb2.PingRequest) -> Message:
    return im_pb2.PingResponse(
        version=reading.latest_version(core, user),
        groups_version=groupreading.groups_version(core, user),
        server_time=now_ms(),
    )
