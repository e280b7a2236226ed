"""One open-loop run over connections that are open already, the same for both servers.

Message i is due at start + i / rate whatever the server does, and its latency counts from that
moment (as in `bench/load.py`). Everybody who hears a message but its sender counts: one user, or
all others in a room. XMPP does not acknowledge, so acknowledgements are not compared.
"""

import time
from array import array
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from bench.client import Client, ClientError, Clients
from bench.measure import summarise
from bench.peer.letters import DIGITS, FIRST_SEQ, Letter
from proto import im_pb2

DRAIN_S = 20.0
SILENCE_S = 3.0  # after so long without a message, no more are on their way
LATE_S = 0.1  # for what comes twice
HOPELESS_S = 2.0  # so far behind, a rate is not sustained and the rest need not be offered


@dataclass(frozen=True, slots=True)
class Plan:
    rate: float
    warmup_s: float
    duration_s: float


class Offer:
    """Sends by the clock and books who heard what when. `prefix` marks what is of this run."""

    def __init__(self, clients: Clients, plan: Plan, prefix: bytes, audience: int) -> None:
        self._clients = clients
        self._plan = plan
        self._prefix = prefix
        self._audience = audience
        self._total = int(plan.rate * (plan.warmup_s + plan.duration_s))
        self._first = int(plan.rate * plan.warmup_s)
        self._letters: Sequence[Letter] = ()
        self._start_s = 0.0
        self._sent = 0
        self._hopeless = False
        self._heard = array("l", bytes(array("l").itemsize * self._total))
        self._heard_all = 0
        self._newest = 0
        self._last_s = 0.0
        self._push_ms = array("d")
        self._refused: Counter[str] = Counter()

    def run(self, letters: Sequence[Letter]) -> dict[str, Any]:
        """Offer one message of each letter in turn, wait for the rest, and return the figures."""
        self._letters = letters
        self._clients.handler = self
        self._start_s = time.perf_counter() + 0.1
        self._offer(self._first)
        heard, cpu_s, started_s = self._heard_all, time.process_time(), time.perf_counter()
        self._offer(self._total)
        span_s = time.perf_counter() - started_s
        cpu_s = time.process_time() - cpu_s
        heard = self._heard_all - heard
        self._drain()
        counts = Counter(self._heard[: self._sent])
        lost = sum(number for times, number in counts.items() if times < self._audience)
        return {
            "heard_rate": heard / span_s,
            "cut_short": self._sent < self._total,
            "audience": self._audience,
            "sent": self._sent,
            "lost": lost,
            "doubled": self._sent - lost - counts[self._audience],
            "refused": dict(self._refused),
            "push": asdict(summarise(self._push_ms)),
            "cpu_share": cpu_s / span_s,
        }

    def _due_s(self, index: int) -> float:
        return self._start_s + index / self._plan.rate

    def _offer(self, end: int) -> None:
        """Send the messages up to `end` (exclusive) as they fall due, unless it is hopeless."""
        clients, letters, clock = self._clients, self._letters, time.perf_counter
        count, index = len(letters), self._sent
        while index < end and not self._hopeless:
            now_s = clock()
            wait_s = self._due_s(index) - now_s
            while wait_s <= 0 and index < end:
                letter = letters[index % count]
                letter.client.send(letter.encode(index))
                index += 1
                wait_s = self._due_s(index) - now_s
            self._sent = index
            clients.run_once(max(wait_s, 0))
            if clients.failures:
                raise ClientError(clients.failures[0])
            self._hopeless = now_s - self._due_s(self._newest) > HOPELESS_S

    def _drain(self) -> None:
        """Wait until everything was heard, or nothing more comes."""
        now_s = time.perf_counter()
        deadline_s = now_s + DRAIN_S
        self._last_s = now_s
        wanted = self._sent * self._audience
        while self._heard_all < wanted and now_s < min(deadline_s, self._last_s + SILENCE_S):
            self._clients.run_once(0.05)
            now_s = time.perf_counter()
        until_s = now_s + LATE_S
        while time.perf_counter() < until_s:
            self._clients.run_once(0.05)

    def answered(self, seq: int, data: bytes, start: int, end: int) -> None:
        """An acknowledgement, or a refusal: field 1 is the error."""
        if seq >= FIRST_SEQ and (start == end or data[start] == 0x0A):
            answer = im_pb2.SendResponse.FromString(data[start:end])
            self._refused[answer.error.name] += 1

    def pushed(self, client: Client, cmd: int, data: bytes, start: int, end: int) -> None:
        now_s = time.perf_counter()
        prefix, size = self._prefix, len(self._prefix)
        at = data.find(prefix, start, end)
        while at >= 0:
            at += size
            index = int(data[at : at + DIGITS])
            if self._letters[index % len(self._letters)].client is not client:
                self._heard[index] += 1
                self._heard_all += 1
                self._last_s = now_s
                if index > self._newest:
                    self._newest = index
                if index >= self._first:
                    self._push_ms.append((now_s - self._due_s(index)) * 1000)
            at = data.find(prefix, at, end)
