"""The load generator: a process of its own, told what to do on stdin, answering on stdout.

    python -m bench.load    one JSON object per line, both ways

Open loop: message i is due at start + i / rate whatever the server does, and every latency counts
from that moment, not from when the bytes left. A server that stalls therefore shows all of the
stall, in every message that was due meanwhile (no coordinated omission).

A message's index is its `seq` and its `sequence`, so one array look-up finds everything about it.
"""

import gc
import json
import random
import resource
import sys
import time
from array import array
from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

from bench.client import Client, ClientError, Clients
from bench.groupload import GroupPlan, Talk
from bench.measure import summarise
from bench.transports import TRANSPORTS
from proto import im_pb2, views_pb2
from proto.frame import CLIENT_VERSION, HEAD, HEAD_BYTES

CONNECT_TIMEOUT_S = 180.0
DRAIN_S = 20.0
PEERS = 8  # of each sender: few enough that pairs meet again and order means something
FIRST_SEQ = 2  # 1 is the authentication
SEQUENCE_DIGITS = 12
RECEIVER, SENDER = 1, 2  # bits: who was pushed a message
PRECISE_RATE_MAX = 1000.0  # above, the loop wakes often enough anyway
TEXT = "The quick brown fox jumps over the lazy dog, then rests 1234"


@dataclass(frozen=True, slots=True)
class Plan:
    """What to offer: `rate` messages a second among all `tokens`, for warm-up and duration."""

    host: str
    port: int
    users: list[str]
    tokens: list[str]
    rate: float
    warmup_s: float
    duration_s: float
    seed: int
    transport: str = "websocket"


class Conversation:
    """One sender and one receiver, with the bytes all its messages share."""

    __slots__ = ("after_seq", "before_seq", "client", "last", "receiver", "tail")

    def __init__(self, client: Client, receiver: int, name: str, prefix: bytes) -> None:
        self.client = client
        self.receiver = receiver
        self.last = -1
        """Index of the newest message that was pushed to the receiver."""
        content = im_pb2.Content(text=im_pb2.Text(text=TEXT))
        request = im_pb2.SendRequest(
            receiver=name, sequence="\x00" * (len(prefix) + SEQUENCE_DIGITS), content=content
        ).SerializeToString()
        at = request.index(b"\x00" * (len(prefix) + SEQUENCE_DIGITS))
        head = HEAD.pack(HEAD_BYTES, CLIENT_VERSION, im_pb2.CMD_SEND, 0, len(request))
        self.before_seq = client.head(HEAD_BYTES + len(request)) + head[:12]
        self.after_seq = head[16:] + request[:at] + prefix
        self.tail = request[at + len(prefix) + SEQUENCE_DIGITS :]

    def encode(self, index: int) -> bytes:
        seq = (index + FIRST_SEQ).to_bytes(4, "big")
        return b"%b%b%b%012d%b" % (self.before_seq, seq, self.after_seq, index, self.tail)


class Sender:
    """Sends by the clock and books what comes back."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._total = int(plan.rate * (plan.warmup_s + plan.duration_s))
        self._first = int(plan.rate * plan.warmup_s)  # of the messages that count
        self._interval_s = 1 / plan.rate
        self._start_s = 0.0
        self._last_push_s = 0.0
        self._clients = Clients(
            (plan.host, plan.port), plan.tokens, self, TRANSPORTS[plan.transport]
        )
        self._prefix = f"b{plan.seed:x}-".encode()
        self._by_message: list[Conversation] = []
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
        self._start_s = time.perf_counter() + 0.1
        self._offer(0, self._first)
        tell(event="measuring")
        cpu_s = time.process_time()
        acked, pushed = self._counts["acked"], self._counts["pushed"]
        self._offer(self._first, self._total)
        span_s = time.perf_counter() - self._due_s(self._first)
        cpu_s = time.process_time() - cpu_s
        acked, pushed = self._counts["acked"] - acked, self._counts["pushed"] - pushed
        tell(event="measured")
        self._drain()
        return self._report(span_s, cpu_s, acked / span_s, pushed / span_s)

    def _due_s(self, index: int) -> float:
        return self._start_s + index * self._interval_s

    def _make_conversations(self) -> None:
        chance = random.Random(self._plan.seed)
        count = len(self._plan.users)
        by_user = [
            [
                Conversation(client, peer, self._plan.users[peer], self._prefix)
                for peer in chance.sample(
                    [n for n in range(count) if n != client.index], min(PEERS, count - 1)
                )
            ]
            for client in self._clients.clients
        ]
        self._by_message = [
            chance.choice(by_user[chance.randrange(count)]) for _ in range(self._total)
        ]

    def _offer(self, index: int, end: int) -> None:
        """Send the messages from `index` to `end` (exclusive) as they fall due."""
        clients, messages, clock = self._clients, self._by_message, time.perf_counter
        precise = self._plan.rate <= PRECISE_RATE_MAX
        while index < end:
            now_s = clock()
            wait_s = self._due_s(index) - now_s
            while wait_s <= 0 and index < end:
                conversation = messages[index]
                conversation.client.send(conversation.encode(index))
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
        now_s = time.perf_counter()
        if cmd != im_pb2.CMD_PUSH_MESSAGES:
            self._counts[f"push {cmd}"] += 1
            return
        push = views_pb2.MessagesView.FromString(data[start:end])
        if push.previous > client.version:
            self._counts["holes"] += 1
        version = client.version
        for message in push.messages:
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
        return {
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


class Idler:
    """Keeps as many connections as it is told, and does nothing with them."""

    def __init__(
        self, host: str, port: int, tokens: list[str], transport: str = "websocket"
    ) -> None:
        self._clients = Clients((host, port), tokens, self, TRANSPORTS[transport])
        self._clients.also_read(sys.stdin.fileno(), self._obey)
        self._stopped = False

    def run(self) -> dict[str, Any]:
        tell(event="ready")
        while not self._stopped:
            self._clients.run_once(1.0)
            if self._clients.failures:
                raise ClientError(self._clients.failures[0])
        return {"opened": self._clients.opened}

    def _obey(self) -> None:
        """A line holds the number of connections to have; the end of stdin stops.

        0 means: all are about to be cut; they come back, and it is told when each of them has.
        """
        line = sys.stdin.readline()
        if not line:
            self._stopped = True
            return
        count = json.loads(line)
        if count:
            self._clients.open_until(count, CONNECT_TIMEOUT_S)
            tell(event="connected")
        else:
            self._come_back()

    def _come_back(self) -> None:
        count = self._clients.opened
        self._clients.returns = True
        self._clients.greets = False  # who comes back has its contact list
        tell(event="expecting")
        deadline_s = time.monotonic() + CONNECT_TIMEOUT_S
        while self._clients.opened == count and time.monotonic() < deadline_s:
            self._clients.run_once(0.1)
        cut_s = time.monotonic()
        half_s, fewest = 0.0, count
        while self._clients.opened < count and time.monotonic() < deadline_s:
            self._clients.run_once(0.1)
            fewest = min(fewest, self._clients.opened)
            if not half_s and fewest < count // 2 <= self._clients.opened:
                half_s = time.monotonic() - cut_s
        if self._clients.opened < count:
            raise ClientError(f"only {self._clients.opened} of {count} came back")
        self._clients.returns = False
        tell(event="back", half_s=half_s, all_s=time.monotonic() - cut_s)

    def answered(self, seq: int, data: bytes, start: int, end: int) -> None:
        """Nothing was asked."""

    def pushed(self, client: Client, cmd: int, data: bytes, start: int, end: int) -> None:
        """Nobody sends."""


def tell(**event: Any) -> None:
    print(json.dumps(event), flush=True)


def main() -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    order = json.loads(sys.stdin.readline())
    work: Idler | Sender | Talk
    if "idle" in order:
        work = Idler(**order["idle"])
    elif "group" in order:
        work = Talk(GroupPlan(**order["group"]), tell)
    else:
        work = Sender(Plan(**order["send"]))
    try:
        tell(event="done", **work.run())
    except ClientError as error:
        tell(event="failed", why=str(error))


if __name__ == "__main__":
    main()
