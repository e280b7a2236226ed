"""The load generator's part for people with a conversation open: typing, sends, reads, syncs.

Pairs of users take turns by the clock (an open loop as in `bench/sender.py`): one types and sends,
the other reads what is pushed. Some turns ask for what came last, as who was away for a moment
does. Each kind of command is timed by itself, a read from the push that caused it.
"""

import gc
import time
from array import array
from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

from google.protobuf.message import Message

from bench.client import Client, ClientError, Clients
from bench.conversation import FIRST_SEQ, TEXT
from bench.measure import summarise
from bench.orders import agreed_start_s, tell
from bench.transports import TRANSPORTS
from proto import im_pb2, views_pb2

CONNECT_TIMEOUT_S = 180.0
DRAIN_S = 20.0
SYNC_EVERY = 5  # turns
SYNC_ROWS = 50
KINDS = ("typing", "send", "read", "sync")
DIGITS = 12


@dataclass(frozen=True, slots=True)
class ChatterPlan:
    """`rate`: turns a second among all pairs of `users`, for warm-up and duration."""

    host: str
    port: int
    users: list[str]
    tokens: list[str]
    rate: float
    warmup_s: float
    duration_s: float
    seed: int
    transport: str = "websocket"


class Chatter:
    """Takes turns, and books what comes of them."""

    def __init__(self, plan: ChatterPlan) -> None:
        self._plan = plan
        self._total = int(plan.rate * (plan.warmup_s + plan.duration_s))
        self._first = int(plan.rate * plan.warmup_s)
        self._start_s = 0.0
        self._prefix = f"c{plan.seed:x}-"
        address = (plan.host, plan.port)
        self._clients = Clients(address, plan.tokens, self, TRANSPORTS[plan.transport])
        self._asked: list[tuple[str, float, bool]] = []  # by seq: kind, due, whether it counts
        self._took_ms: dict[str, list[float]] = {kind: [] for kind in KINDS}
        self._push_ms: list[float] = []
        self._send_ms: list[float] = []
        self._acked: set[int] = set()
        self._pushed = array("B", bytes(self._total))
        self._turn_of: dict[int, int] = {}  # by the seq of a send
        self._refused: Counter[str] = Counter()
        self._counts: Counter[str] = Counter()

    def run(self) -> dict[str, Any]:
        """Connect, take all turns, wait for the rest, and return every figure."""
        clients = self._clients
        clients.open_until(len(self._plan.tokens), CONNECT_TIMEOUT_S)
        gc.collect()
        gc.freeze()
        gc.disable()
        tell(event="connected")
        self._start_s = agreed_start_s()
        self._take_turns(0, self._first)
        tell(event="measuring")
        began_s, cpu_s, asked = time.perf_counter(), time.process_time(), len(self._asked)
        self._take_turns(self._first, self._total)
        span_s, cpu_s = time.perf_counter() - began_s, time.process_time() - cpu_s
        asked = len(self._asked) - asked
        tell(event="measured")
        self._drain()
        lost = sum(1 for turn in self._acked if not self._pushed[turn])
        return {
            "offered_rate": (self._total - self._first) / span_s,
            "commands_rate": asked / span_s,
            "acked_measured": sum(1 for turn in self._acked if turn >= self._first),
            "lost": lost,
            "unanswered": len(self._asked) - self._counts["answered"],
            "refused": dict(self._refused),
            "counts": dict(self._counts),
            "kinds": {kind: asdict(summarise(took)) for kind, took in self._took_ms.items()},
            "push": asdict(summarise(self._push_ms)),
            "send": asdict(summarise(self._send_ms)),
            "cpu_s": cpu_s,
            "cpu_share": cpu_s / span_s,
        }

    def _due_s(self, turn: int) -> float:
        return self._start_s + turn / self._plan.rate

    def _take_turns(self, turn: int, end: int) -> None:
        while turn < end:
            now_s = time.perf_counter()
            while turn < end and self._due_s(turn) <= now_s:
                if turn >= self._first:
                    self._send_ms.append((now_s - self._due_s(turn)) * 1000)
                self._take_turn(turn)
                turn += 1
            wait_s = self._due_s(turn) - time.perf_counter()
            self._clients.run_precisely(max(wait_s, 0))
            if self._clients.failures:
                raise ClientError(self._clients.failures[0])

    def _take_turn(self, turn: int) -> None:
        users = self._plan.users
        speaker = turn % len(users)
        client, peer = self._clients.clients[speaker], users[speaker ^ 1]
        due_s, counts = self._due_s(turn), turn >= self._first
        typing = im_pb2.TypingRequest(type=im_pb2.PERSON, receiver=peer)
        self._ask(client, "typing", im_pb2.CMD_TYPING, typing, due_s, counts)
        self._turn_of[len(self._asked)] = turn
        content = im_pb2.Content(text=im_pb2.Text(text=TEXT))
        sequence = f"{self._prefix}{turn:0{DIGITS}d}"
        send = im_pb2.SendRequest(receiver=peer, sequence=sequence, content=content)
        self._ask(client, "send", im_pb2.CMD_SEND, send, due_s, counts)
        if turn % SYNC_EVERY == 0:
            cursor = max(0, client.version - SYNC_ROWS)
            sync = im_pb2.SyncRequest(cursor=cursor)
            self._ask(client, "sync", im_pb2.CMD_SYNC, sync, due_s, counts)

    def _ask(
        self, client: Client, kind: str, cmd: int, request: Message, due_s: float, counts: bool
    ) -> None:
        seq = len(self._asked) + FIRST_SEQ
        self._asked.append((kind, due_s, counts))
        client.send(client.encode(cmd, seq, request.SerializeToString()))

    def _drain(self) -> None:
        deadline_s = time.perf_counter() + DRAIN_S
        while time.perf_counter() < deadline_s:
            self._clients.run_once(0.1)
            pushed = sum(self._pushed)
            if self._counts["answered"] == len(self._asked) and pushed >= len(self._acked):
                break
        until_s = time.perf_counter() + 0.5
        while time.perf_counter() < until_s:
            self._clients.run_once(0.1)

    def answered(self, seq: int, data: bytes, start: int, end: int) -> None:
        now_s = time.perf_counter()
        kind, due_s, counts = self._asked[seq - FIRST_SEQ]
        self._counts["answered"] += 1
        if end > start and data[start] == 0x0A:  # field 1: the error
            error = im_pb2.Reply.FromString(data[start:end]).error
            self._refused[f"{kind} {error.name}"] += 1
            return
        if kind == "send":
            self._acked.add(self._turn_of.pop(seq - FIRST_SEQ))
        if counts:
            self._took_ms[kind].append((now_s - due_s) * 1000)

    def pushed(self, client: Client, cmd: int, data: bytes, start: int, end: int) -> None:
        now_s = time.perf_counter()
        if cmd != im_pb2.CMD_PUSH_MESSAGES:
            self._counts[f"push {cmd}"] += 1
            return
        push = views_pb2.MessagesView.FromString(data[start:end])
        for message in push.messages:
            client.version = max(client.version, message.version)
            turn = int(message.sequence[-DIGITS:])
            if turn % len(self._plan.users) == client.index:
                continue  # the speaker's own
            if self._pushed[turn]:
                self._counts["duplicate"] += 1
                continue
            self._pushed[turn] = 1
            counts = turn >= self._first
            if counts:
                self._push_ms.append((now_s - self._due_s(turn)) * 1000)
            read = im_pb2.ReadRequest(type=im_pb2.PERSON, peer=message.sender, id=message.id)
            self._ask(client, "read", im_pb2.CMD_READ, read, now_s, counts)
