"""The comparison's load generator: a process of its own that serves either server alike.

    python -m bench.peer.load    one JSON object per line, both ways

First whom to be, then what to do: `open` so many connections, `join` the room with all, `offer` a
rate, or send one message after the other (`serial`). The end of stdin ends it.
"""

import gc
import json
import random
import resource
import sys
import time
from dataclasses import asdict, dataclass
from typing import Any

from bench.client import Client, ClientError, Clients
from bench.measure import summarise
from bench.peer.letters import DIGITS, Letter, MarsLetter, XmppLetter
from bench.peer.offer import Offer, Plan
from bench.peer.xmpp import XmppClient
from bench.transports import TRANSPORTS

CONNECT_TIMEOUT_S = 180.0
ANSWER_TIMEOUT_S = 30.0
XMPP = "xmpp"
PEERS = 8  # of each sender, as in bench/load.py
CYCLE = 50_021  # conversations drawn, then used in turn: no divisor of any round number
SEED = 6
SERIAL_WARMUP = 500
"""Each of ejabberd's connections to MariaDB prepares its statements at first use."""


@dataclass(frozen=True, slots=True)
class Party:
    """Who is connected where; `room`: all of them talk there instead of one to one."""

    host: str
    port: int
    transport: str
    users: list[str]
    tokens: list[str]
    room: str = ""


class Nobody:
    """Hears what comes between runs."""

    def answered(self, seq: int, data: bytes, start: int, end: int) -> None: ...

    def pushed(self, client: Client, cmd: int, data: bytes, start: int, end: int) -> None: ...


class Waiter(Nobody):
    """Hears one message after the other."""

    def __init__(self) -> None:
        self.awaited = b""
        self.sender: Client | None = None
        self.heard = False

    def pushed(self, client: Client, cmd: int, data: bytes, start: int, end: int) -> None:
        if client is not self.sender and data.find(self.awaited, start, end) >= 0:
            self.heard = True


class Generator:
    """Does what it is told with the connections of one party."""

    def __init__(self, party: Party) -> None:
        self._party = party
        self._born_ms = time.time_ns() // 1_000_000
        self._runs = 0
        kind = XmppClient if party.transport == XMPP else TRANSPORTS[party.transport]
        self._letter = XmppLetter if party.transport == XMPP else MarsLetter
        address = (party.host, party.port)
        self._clients = Clients(address, party.tokens, Nobody(), kind)

    def do(self, what: str, told: Any) -> dict[str, Any]:
        """The answer to one order."""
        match what:
            case "open":
                self._clients.open_until(told, CONNECT_TIMEOUT_S)
                gc.collect()
                gc.freeze()
                gc.disable()
                return {"opened": self._clients.opened}
            case "join":
                return self._join()
            case "offer":
                return self._offer(Plan(**told))
            case "serial":
                return self._serial(told)
        raise ValueError(what)

    def _join(self) -> dict[str, Any]:
        """All enter the room; at ours they are members since it was made."""
        clients = [client for client in self._clients.clients if isinstance(client, XmppClient)]
        deadline_s = time.monotonic() + CONNECT_TIMEOUT_S
        for client in clients:  # one after the other: each entry is told to all who are in
            client.join(self._party.room)
            while not client.joined:
                self._turn(deadline_s)
        return {"joined": len(clients)}

    def _offer(self, plan: Plan) -> dict[str, Any]:
        prefix = self._new_prefix()
        room, users = self._party.room, self._party.users[: len(self._clients.clients)]
        letters = self._to_room(prefix) if room else self._to_each_other(prefix)
        offer = Offer(self._clients, plan, prefix, users, room)
        try:
            return offer.run(letters)
        finally:
            self._clients.handler = Nobody()

    def _to_room(self, prefix: bytes) -> list[Letter]:
        room = self._party.room
        return [self._letter(each, room, prefix, to_group=True) for each in self._clients.clients]

    def _to_each_other(self, prefix: bytes) -> list[Letter]:
        """Conversations of a fixed few with each other, drawn at random, the same in every run."""
        chance = random.Random(SEED)
        users = self._party.users[: len(self._clients.clients)]
        letters: list[list[Letter]] = []
        for client in self._clients.clients:
            others = [user for user in users if user != users[client.index]]
            letters.append(
                [
                    self._letter(client, to, prefix, to_group=False)
                    for to in chance.sample(others, min(PEERS, len(others)))
                ]
            )
        return [chance.choice(chance.choice(letters)) for _ in range(CYCLE)]

    def _serial(self, count: int) -> dict[str, Any]:
        """One message at a time between the first two; latency from its sending to its push."""
        prefix = self._new_prefix()
        sender = self._clients.clients[0]
        letter = self._letter(sender, self._party.users[1], prefix, to_group=False)
        waiter = Waiter()
        waiter.sender = sender
        self._clients.handler = waiter
        push_ms: list[float] = []
        for index in range(SERIAL_WARMUP + count):
            waiter.awaited, waiter.heard = b"%b%0*d" % (prefix, DIGITS, index), False
            message = letter.encode(index)
            sent_s = time.perf_counter()
            deadline_s = time.monotonic() + ANSWER_TIMEOUT_S
            sender.send(message)
            while not waiter.heard:
                self._turn(deadline_s)
            if index >= SERIAL_WARMUP:
                push_ms.append((time.perf_counter() - sent_s) * 1000)
        self._clients.handler = Nobody()
        return {"push": asdict(summarise(push_ms))}

    def _turn(self, deadline_s: float) -> None:
        self._clients.run_once(0.1)
        if self._clients.failures:
            raise ClientError(self._clients.failures[0])
        if time.monotonic() > deadline_s:
            raise ClientError("no answer in time")

    def _new_prefix(self) -> bytes:
        self._runs += 1
        return b"p%x-%d-" % (self._born_ms, self._runs)


def main() -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    generator = Generator(Party(**json.loads(sys.stdin.readline())))
    for line in sys.stdin:
        ((what, told),) = json.loads(line).items()
        try:
            answer = generator.do(what, told)
        except ClientError as error:
            answer = {"failed": str(error)}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
