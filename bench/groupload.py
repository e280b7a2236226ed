"""The load generator's part for one group: members who speak by the clock, and all who hear it."""

import gc
import time
from array import array
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from bench.client import Client, ClientError, Clients
from bench.measure import pack, summarise
from bench.orders import agreed_start_s
from bench.transports import TRANSPORTS
from proto import im_pb2, views_pb2

CONNECT_TIMEOUT_S = 180.0
DRAIN_S = 20.0
FIRST_SEQ = 2  # 1 is the authentication
DIGITS = 12
SPEAKERS_MAX = 100  # each stays below the rate a user may send at
TEXT = "The quick brown fox jumps over the lazy dog, then rests 1234"


@dataclass(frozen=True, slots=True)
class GroupPlan:
    """What to say: `rate` messages a second by some of the members, for warm-up and duration.

    `quiet_s` without any come first, so that what an idle platform uses is known. `together`: start
    when told, as others do. `speaks`: false for the members of a generator that only listens.
    `speakers`: how many members take turns, the first of the generator that speaks.
    """

    host: str
    port: int
    tokens: list[str]
    group: str
    rate: float
    warmup_s: float
    duration_s: float
    seed: int
    quiet_s: float = 0.0
    transport: str = "websocket"
    together: bool = False
    speaks: bool = True
    speakers: int = SPEAKERS_MAX


class Talk:
    """Says what is due, and books who heard it when."""

    def __init__(self, plan: GroupPlan, tell: Callable[..., None]) -> None:
        self._plan = plan
        self._tell = tell
        self._total = int(plan.rate * (plan.warmup_s + plan.duration_s))
        self._first = int(plan.rate * plan.warmup_s)
        self._start_s = 0.0
        self._prefix = f"g{plan.seed:x}-"
        address = (plan.host, plan.port)
        self._clients = Clients(address, plan.tokens, self, TRANSPORTS[plan.transport])
        self._acked = bytearray(self._total)
        members = len(plan.tokens)
        self._speakers = min(plan.speakers, members) if plan.speaks else plan.speakers
        self._heard = [bytearray(self._total) for _ in range(members)]
        """Which messages were heard, by each member."""
        self._latest = [array("l", [-1]) * self._speakers for _ in range(members)]
        """By who hears and who speaks: the newest message that was heard."""
        self._heard_all = 0
        self._heard_others = 0  # without what came to the speaker's own device
        self._duplicates = 0
        self._ack_ms: list[float] = []
        self._push_ms = array("d")
        self._send_ms = array("d")
        self._refused: Counter[str] = Counter()
        self._counts: Counter[str] = Counter()
        self._read: dict[bytes, list[int]] = {}

    def run(self) -> dict[str, Any]:
        """Connect, talk, wait for the rest, and return every figure."""
        clients, plan = self._clients, self._plan
        clients.open_until(len(plan.tokens), CONNECT_TIMEOUT_S)
        gc.collect()
        gc.freeze()
        gc.disable()
        self._idle(2.0)
        self._tell(event="connected")
        self._idle(plan.quiet_s)
        if not plan.together:
            self._tell(event="quiet")
        self._start_s = agreed_start_s() if plan.together else time.perf_counter() + 0.1
        self._offer(0, self._first)
        self._tell(event="measuring")
        before, started_s, cpu_s = self._state(), time.perf_counter(), time.process_time()
        self._offer(self._first, self._total)
        span_s = time.perf_counter() - started_s
        heard, acked, moved_bytes = (b - a for a, b in zip(before, self._state(), strict=True))
        cpu_s = time.process_time() - cpu_s
        self._tell(event="measured")
        self._drain()
        report = {
            "offered_rate": (self._total - self._first) / span_s if plan.speaks else 0.0,
            "acked_rate": acked / span_s,
            "acked_measured": acked,
            "bytes": moved_bytes,
            "deliveries_rate": heard / span_s,
            "acked": sum(self._acked),
            "refused": dict(self._refused),
            "unanswered": self._unanswered(),
            "duplicates": self._duplicates,
            "lost": self._total * len(plan.tokens) - self._heard_all,
            "counts": dict(self._counts),
            "messages": self._total - self._first,
            "ack": asdict(summarise(self._ack_ms)),
            "push": asdict(summarise(self._push_ms)),
            "send": asdict(summarise(self._send_ms)),
            "cpu_s": cpu_s,
            "cpu_share": cpu_s / span_s,
        }
        if plan.together:
            samples = {"ack": self._ack_ms, "push": self._push_ms, "send": self._send_ms}
            report["samples"] = {name: pack(values) for name, values in samples.items()}
        return report

    def _state(self) -> tuple[int, int, int]:
        """Deliveries, acks and bytes on the wire so far."""
        moved_bytes = self._clients.sent_bytes + self._clients.received_bytes
        return self._heard_others, sum(self._acked), moved_bytes

    def _unanswered(self) -> int:
        if not self._plan.speaks:
            return 0
        return self._total - sum(self._acked) - self._refused.total()

    def _due_s(self, index: int) -> float:
        return self._start_s + index / self._plan.rate

    def _idle(self, duration_s: float) -> None:
        until_s = time.perf_counter() + duration_s
        while (left_s := until_s - time.perf_counter()) > 0:
            self._clients.run_once(left_s)

    def _offer(self, index: int, end: int) -> None:
        clients = self._clients
        if not self._plan.speaks:
            self._idle(self._due_s(end) - time.perf_counter())
            return
        while index < end:
            wait_s = self._due_s(index) - time.perf_counter()
            while wait_s <= 0 and index < end:
                if index >= self._first:
                    self._send_ms.append(-wait_s * 1000)
                client = clients.clients[index % self._speakers]
                request = im_pb2.SendRequest(
                    receiver=self._plan.group,
                    sequence=f"{self._prefix}{index:0{DIGITS}d}",
                    type=im_pb2.GROUP,
                    content=im_pb2.Content(text=im_pb2.Text(text=TEXT)),
                )
                body = request.SerializeToString()
                client.send(client.encode(im_pb2.CMD_SEND, index + FIRST_SEQ, body))
                index += 1
                wait_s = self._due_s(index) - time.perf_counter()
            clients.run_once(max(wait_s, 0))
            if clients.failures:
                raise ClientError(clients.failures[0])

    def _drain(self) -> None:
        """Wait until all members have heard everything, or nothing more comes."""
        deadline_s = time.perf_counter() + DRAIN_S
        wanted = self._total * len(self._plan.tokens)
        while time.perf_counter() < deadline_s and self._heard_all < wanted:
            self._clients.run_once(0.1)
        self._idle(0.5)  # for duplicates on their way

    def answered(self, seq: int, data: bytes, start: int, end: int) -> None:
        now_s = time.perf_counter()
        answer = im_pb2.SendResponse.FromString(data[start:end])
        if answer.error.code:
            self._refused[answer.error.name] += 1
            return
        index = seq - FIRST_SEQ
        self._acked[index] = 1
        if index >= self._first:
            self._ack_ms.append((now_s - self._due_s(index)) * 1000)

    def pushed(self, client: Client, cmd: int, data: bytes, start: int, end: int) -> None:
        now_s = time.perf_counter()
        if cmd != im_pb2.CMD_PUSH_MESSAGES:
            self._counts[f"push {cmd}"] += 1
            return
        body = data[start:end]
        indexes = self._read.get(body)
        if indexes is None:  # the same bytes come to every member
            if len(self._read) > 1000:
                self._read.clear()
            push = views_pb2.MessagesView.FromString(body)
            indexes = self._read[body] = [
                int(message.sequence[-DIGITS:])
                for message in push.messages
                if message.sequence.startswith(self._prefix)
            ]
        who, speakers, first = client.index, self._speakers, self._first
        heard, latest = self._heard[who], self._latest[who]
        for index in indexes:
            speaker = index % speakers
            if index > latest[speaker]:
                latest[speaker] = index
            elif heard[index]:
                self._duplicates += 1
                continue
            else:
                self._counts["out of order"] += 1
            heard[index] = 1
            self._heard_all += 1
            if speaker == who and self._plan.speaks:
                continue  # its own, on its own device
            self._heard_others += 1
            if index >= first:
                self._push_ms.append((now_s - self._due_s(index)) * 1000)
