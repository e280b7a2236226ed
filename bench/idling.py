"""The load generator's part that holds connections: quiet ones, returning ones, a storm of them."""

import json
import sys
import time
from dataclasses import asdict
from typing import Any

from bench.client import Client, ClientError, Clients
from bench.measure import summarise
from bench.orders import tell
from bench.transports import TRANSPORTS

CONNECT_TIMEOUT_S = 180.0


class Idler:
    """Keeps as many connections as it is told, and does nothing with them.

    `at_once_max`: so many may be on their way to being open; None: the generator's usual number.
    """

    def __init__(
        self,
        host: str,
        port: int,
        tokens: list[str],
        transport: str = "websocket",
        at_once_max: int | None = None,
    ) -> None:
        self._clients = Clients((host, port), tokens, self, TRANSPORTS[transport])
        if at_once_max is not None:
            self._clients.at_once_max = at_once_max
        self._clients.also_read(sys.stdin.fileno(), self._obey)
        self._stopped = False

    def run(self) -> dict[str, Any]:
        """Obey until told to stop."""
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
            clients = self._clients
            started_s, cpu_s, before = time.perf_counter(), time.process_time(), clients.opened
            clients.open_until(count, CONNECT_TIMEOUT_S)
            span_s = time.perf_counter() - started_s
            took = summarise((s - started_s) * 1000 for s in clients.opened_at_s[before:])
            cpu_share = (time.process_time() - cpu_s) / span_s
            tell(event="connected", span_s=span_s, open=asdict(took), cpu_share=cpu_share)
        else:
            self._come_back()

    def _come_back(self) -> None:
        """Wait for all to be cut and open again; CPU is looked at from the first who is back.

        Before that the server starts, and a generator that waits for it looks less busy than it is.
        """
        clients = self._clients
        count = clients.opened
        clients.returns = True
        clients.greets = False  # who comes back has its contact list
        tell(event="expecting")
        deadline_s = time.monotonic() + CONNECT_TIMEOUT_S
        while clients.opened == count and time.monotonic() < deadline_s:
            clients.run_once(0.1)
        cut_s = began_s = time.monotonic()
        began_cpu_s = time.process_time()
        half_s, fewest = 0.0, count
        while clients.opened < count and time.monotonic() < deadline_s:
            clients.run_once(0.1)
            if clients.opened <= fewest:
                fewest = clients.opened
                began_s, began_cpu_s = time.monotonic(), time.process_time()
            if not half_s and fewest < count // 2 <= clients.opened:
                half_s = time.monotonic() - cut_s
        if clients.opened < count:
            raise ClientError(f"only {clients.opened} of {count} came back")
        clients.returns = False
        now_s = time.monotonic()
        cpu_share = (time.process_time() - began_cpu_s) / (now_s - began_s)
        tell(event="back", half_s=half_s, all_s=now_s - cut_s, cpu_share=cpu_share)

    def answered(self, seq: int, data: bytes, start: int, end: int) -> None:
        """Nothing was asked."""

    def pushed(self, client: Client, cmd: int, data: bytes, start: int, end: int) -> None:
        """Nobody sends."""
