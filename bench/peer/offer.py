"""One open-loop run over connections that are open already, the same for both servers.

Message i is due at start + i / rate whatever the server does, and its latency counts from that
moment (as in `bench/load.py`). Everybody who is to hear a message counts once: its receiver, or
all but the sender in a room. XMPP does not acknowledge, so acknowledgements are not compared.
"""

import time
from array import array
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from bench import procs
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

    def __init__(
        self, clients: Clients, plan: Plan, prefix: bytes, users: Sequence[str], room: str = ""
    ) -> None:
        """`users` by the index of their client; `room`: all of them are in it."""
        self._clients = clients
        self._plan = plan
        self._prefix = prefix
        self._users = users
        self._audience = len(users) - 1 if room else 1
        self._total = int(plan.rate * (plan.warmup_s + plan.duration_s))
        self._first = int(plan.rate * plan.warmup_s)
        self._letters: Sequence[Letter] = ()
        self._senders: list[int] = []  # of each letter, as indices of clients
        self._receivers: list[int] = []  # likewise; none in a room
        self._start_s = 0.0
        self._sent = 0
        self._hopeless = False
        ears = len(users) if room else 1
        self._heard = [bytearray(self._total) for _ in range(ears)]
        """Which messages were heard: by each in the room, otherwise by whom they are to."""
        self._latest = [array("l", [-1]) * len(users) for _ in users]
        """By who hears and who sends: the newest message that was heard."""
        self._heard_all = 0
        self._doubled = self._disordered = self._strayed = 0
        self._newest = 0
        self._last_s = 0.0
        self._push_ms = array("d")
        self._send_ms = array("d")
        self._refused: Counter[str] = Counter()

    def run(self, letters: Sequence[Letter]) -> dict[str, Any]:
        """Offer one message of each letter in turn, wait for the rest, and return the figures."""
        self._letters = letters
        self._senders = [letter.client.index for letter in letters]
        if len(self._heard) == 1:
            indices = {user: index for index, user in enumerate(self._users)}
            self._receivers = [indices[letter.to] for letter in letters]
        self._clients.handler = self
        self._start_s = time.perf_counter() + 0.1
        self._offer(self._first)
        heard, cpu_s, started_s = self._heard_all, time.process_time(), time.perf_counter()
        machine_s = procs.machine_cpu_s()
        self._offer(self._total)
        span_s = time.perf_counter() - started_s
        cpu_s = time.process_time() - cpu_s
        machine_s = procs.machine_cpu_s() - machine_s
        heard = self._heard_all - heard
        self._drain()
        return {
            "heard_rate": heard / span_s,
            "cut_short": self._sent < self._total,
            "audience": self._audience,
            "prefix": self._prefix.decode(),
            "sent": self._sent,
            "lost": self._sent * self._audience - self._heard_all,
            "doubled": self._doubled,
            "disordered": self._disordered,
            "strayed": self._strayed,
            "refused": dict(self._refused),
            "push": asdict(summarise(self._push_ms)),
            "send": asdict(summarise(self._send_ms)),
            "cpu_share": cpu_s / span_s,
            "machine_share": procs.machine_share(machine_s, span_s),
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
                if index >= self._first:
                    self._send_ms.append(-wait_s * 1000)
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
        """Called very often in a room: what stays the same is looked up once."""
        now_s = time.perf_counter()
        prefix, size = self._prefix, len(self._prefix)
        senders, receivers, count = self._senders, self._receivers, len(self._senders)
        start_s, rate, append = self._start_s, self._plan.rate, self._push_ms.append
        who, first = client.index, self._first
        heard = self._heard[0 if receivers else who]
        latest = self._latest[who]
        new = 0
        at = data.find(prefix, start, end)
        while at >= 0:
            at += size
            index = int(data[at : at + DIGITS])
            at = data.find(prefix, at, end)
            letter = index % count
            sender = senders[letter]
            if sender == who:  # its own copy
                continue
            if receivers and receivers[letter] != who:
                self._strayed += 1
                continue
            if index > latest[sender]:
                latest[sender] = index
            elif heard[index]:
                self._doubled += 1
                continue
            else:
                self._disordered += 1
            heard[index] = 1
            new += 1
            if index > self._newest:
                self._newest = index
            if index >= first:
                append((now_s - start_s - index / rate) * 1000)
        if new:
            self._heard_all += new
            self._last_s = now_s
