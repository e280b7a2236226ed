"""One-to-one messages: who sends what to whom and when, and the book of what comes back.

Open loop: message i is due at start + i / rate whatever the server does, and every latency counts
from that moment, not from when the bytes left. A server that stalls therefore shows all of the
stall, in every message that was due meanwhile (no coordinated omission).

A message's index is its `seq` and its `sequence`, so one array look-up finds everything about it.
"""

import gc
import random
import time
from array import array
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from bench.client import Client, ClientError, Clients
from bench.conversation import FIRST_SEQ, SEQUENCE_DIGITS, Conversation, HttpConversation
from bench.httpusers import CometUser, HttpUser, ShortLinkUser
from bench.measure import pack, summarise
from bench.orders import agreed_start_s, tell
from bench.transports import TRANSPORTS
from proto import im_pb2, views_pb2

CONNECT_TIMEOUT_S = 180.0
DRAIN_S = 20.0
PEERS = 8  # of each sender: few enough that pairs meet again and order means something
RECEIVER, SENDER = 1, 2  # bits: who was pushed a message
WAYS: dict[str, type[Client]] = {**TRANSPORTS, "comet": CometUser, "http": ShortLinkUser}
PRECISE_RATE_MAX = 1000.0  # above, the loop wakes often enough anyway


@dataclass(frozen=True, slots=True)
class Plan:
    """What to offer: `rate` messages a second among all `tokens`, for warm-up and duration.

    With `lockstep` each user has one message outstanding and sends the next after its ack instead;
    `rate` is then the most that is foreseen. `together`: start when told, as others do; the single
    measurements come with the report.
    """

    host: str
    port: int
    users: list[str]
    tokens: list[str]
    rate: float
    warmup_s: float
    duration_s: float
    seed: int
    transport: str = "websocket"
    lockstep: bool = False
    together: bool = False


class Sender:
    """Sends by the clock and books what comes back."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._total = int(plan.rate * (plan.warmup_s + plan.duration_s))
        self._first = int(plan.rate * plan.warmup_s)  # of the messages that count
        self._interval_s = 1 / plan.rate
        self._start_s = 0.0
        self._last_push_s = 0.0
        self._clients = Clients((plan.host, plan.port), plan.tokens, self, WAYS[plan.transport])
        self._prefix = f"b{plan.seed:x}-".encode()
        self._by_message: list[Conversation] = []
        self._by_user: list[list[Conversation]] = []
        self._acked = bytearray(self._total)
        self._pushed = bytearray(self._total)
        self._ack_ms = array("d", bytes(8 * self._total))
        self._push_ms = array("d", bytes(8 * self._total))
        self._send_ms = array("d", bytes(8 * self._total))
        self._refused: Counter[str] = Counter()
        self._counts: Counter[str] = Counter()

    def run(self) -> dict[str, Any]:
        """Connect, offer the load, wait for the rest, and return every figure."""
        self._clients.open_until(len(self._plan.tokens), CONNECT_TIMEOUT_S)
        self._make_conversations()
        gc.collect()
        gc.freeze()
        gc.disable()
        tell(event="connected")
        self._start_s = agreed_start_s() if self._plan.together else time.perf_counter() + 0.1
        self._warm_up()
        tell(event="measuring")
        before, cpu_s = self._state(), time.process_time()
        began_s = self._measure()
        span_s = time.perf_counter() - began_s
        cpu_s = time.process_time() - cpu_s
        acked, pushed, moved_bytes = (b - a for a, b in zip(before, self._state(), strict=True))
        tell(event="measured")
        self._drain()
        return self._report(span_s, cpu_s, acked / span_s, pushed / span_s) | {
            "measured_s": span_s,
            "acked_measured": acked,
            "bytes": moved_bytes,
        }

    def _state(self) -> tuple[int, int, int]:
        """Acks, pushes and bytes on the wire so far."""
        moved_bytes = self._clients.sent_bytes + self._clients.received_bytes
        return self._counts["acked"], self._counts["pushed"], moved_bytes

    def _warm_up(self) -> None:
        self._offer(0, self._first)

    def _measure(self) -> float:
        """Send all that counts; return when the first of it was due."""
        self._offer(self._first, self._total)
        return self._due_s(self._first)

    def _due_s(self, index: int) -> float:
        return self._start_s + index * self._interval_s

    def _make_conversations(self) -> None:
        chance = random.Random(self._plan.seed)
        count = len(self._plan.users)
        by_user = self._by_user = [
            [
                self._converse(client, peer)
                for peer in chance.sample(
                    [n for n in range(count) if n != client.index], min(PEERS, count - 1)
                )
            ]
            for client in self._clients.clients
        ]
        self._by_message = [
            chance.choice(by_user[chance.randrange(count)]) for _ in range(self._total)
        ]

    def _converse(self, client: Client, peer: int) -> Conversation:
        if isinstance(client, HttpUser):
            return HttpConversation(client, peer, self._plan.users[peer], self._prefix)
        return Conversation(client, peer, self._plan.users[peer], self._prefix)

    def _offer(self, index: int, end: int) -> None:
        """Send the messages from `index` to `end` (exclusive) as they fall due."""
        clients, messages, clock = self._clients, self._by_message, time.perf_counter
        precise = self._plan.rate <= PRECISE_RATE_MAX
        while index < end:
            now_s = clock()
            wait_s = self._due_s(index) - now_s
            while wait_s <= 0 and index < end:
                messages[index].say(index)
                self._send_ms[index] = -wait_s * 1000
                index += 1
                wait_s = self._due_s(index) - now_s
            if precise:
                clients.run_precisely(max(wait_s, 0))
            else:
                clients.run_once(max(wait_s, 0))
            if clients.failures:
                raise ClientError(clients.failures[0])

    def _drain(self) -> None:
        """Wait until everything acknowledged was pushed, or nothing more comes."""
        deadline_s = time.perf_counter() + DRAIN_S
        while time.perf_counter() < deadline_s:
            self._clients.run_once(0.1)
            answered = self._counts["acked"] + self._refused.total()
            pushed = min(self._counts["pushed"], self._counts["own"])
            if answered >= self._total and pushed >= self._counts["acked"]:
                break
        until_s = time.perf_counter() + 0.5  # for duplicates on their way
        while time.perf_counter() < until_s:
            self._clients.run_once(0.1)

    def answered(self, seq: int, data: bytes, start: int, end: int) -> None:
        now_s = time.perf_counter()
        if start == end or data[start] == 0x0A:  # field 1: the error
            answer = im_pb2.SendResponse.FromString(data[start:end])
            self._refused[answer.error.name] += 1
            return
        index = seq - FIRST_SEQ
        if self._acked[index]:
            self._counts["acked twice"] += 1
            return
        self._acked[index] = 1
        self._counts["acked"] += 1
        self._ack_ms[index] = (now_s - self._due_s(index)) * 1000

    def pushed(self, client: Client, cmd: int, data: bytes, start: int, end: int) -> None:
        if cmd != im_pb2.CMD_PUSH_MESSAGES:
            self._counts[f"push {cmd}"] += 1
            return
        push = views_pb2.MessagesView.FromString(data[start:end])
        if push.previous > client.version:
            self._counts["holes"] += 1
        self.heard(client, push.messages)

    def heard(self, client: Client, messages: Iterable[Any]) -> None:
        """Book messages that have reached a user, on whatever way."""
        now_s = time.perf_counter()
        version = client.version
        for message in messages:
            index = int(message.sequence[-SEQUENCE_DIGITS:])
            conversation = self._by_message[index]
            side = RECEIVER if conversation.receiver == client.index else SENDER
            if self._pushed[index] & side:
                self._counts["duplicate"] += 1
                continue
            self._pushed[index] |= side
            if message.version <= version:
                self._counts["out of order"] += 1
            version = message.version
            if side == SENDER:
                self._counts["own"] += 1
                continue
            self._counts["pushed"] += 1
            self._push_ms[index] = (now_s - self._due_s(index)) * 1000
            self._last_push_s = now_s
            if index < conversation.last:
                self._counts["out of order"] += 1
            conversation.last = index
        client.version = version

    def _report(
        self, span_s: float, cpu_s: float, acked_rate: float, delivered_rate: float
    ) -> dict[str, Any]:
        first, count = self._first, self._total - self._first
        acked = [i for i in range(first, self._total) if self._acked[i]]
        both = [i for i in acked if self._pushed[i] & RECEIVER]
        third = count // 3
        early = summarise(self._push_ms[i] for i in both if i < first + third)
        late = summarise(self._push_ms[i] for i in both if i >= self._total - third)
        pushed_to = Counter(zip(self._acked, self._pushed, strict=True))
        report = {
            "offered_rate": count / span_s,
            "acked_rate": acked_rate,
            "delivered_rate": delivered_rate,
            "sent": self._total,
            "delivered_in_s": self._last_push_s - self._start_s,
            "acked": self._counts["acked"],
            "unanswered": self._total - self._counts["acked"] - self._refused.total(),
            "refused": dict(self._refused),
            "lost": pushed_to[1, 0] + pushed_to[1, SENDER],
            "own_lost": pushed_to[1, 0] + pushed_to[1, RECEIVER],
            "counts": dict(self._counts),
            "send": asdict(summarise(self._send_ms[first:])),
            "ack": asdict(summarise(self._ack_ms[i] for i in acked)),
            "push": asdict(summarise(self._push_ms[i] for i in both)),
            "lag_growth_ms": late.p50_ms - early.p50_ms,
            "cpu_s": cpu_s,
            "cpu_share": cpu_s / span_s,
        }
        if self._plan.together:
            report["samples"] = {
                "send": pack(self._send_ms[first:]),
                "ack": pack(self._ack_ms[i] for i in acked),
                "push": pack(self._push_ms[i] for i in both),
            }
        return report
