"""Gathers sends while a commit is in flight and appends them together; one per database.

A lone send is committed at once. Where sends come thick, as those showed that came while the last
commit was under way, commits begin at least `GATHER_S` apart: most of the work is per commit, and
what arrived meanwhile shares it.
"""

import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import monotonic, sleep

import structlog

from models.append import Draft, Outcome, append
from models.errors import Code, IMError
from models.metrics import Metrics
from models.mysql import Database

log = structlog.get_logger()

BATCH_BYTES_MAX = 1 << 20
QUEUE_BYTES_MAX = 64 << 20
GATHER_S = 0.004
Done = Callable[[Outcome], None]
Screen = Callable[[Sequence[Draft]], Sequence[Outcome | None]]
Appended = Callable[[set[int]], None]


@dataclass(slots=True)
class _Waiting:
    """A send on its way to the log; answered once, whatever happens."""

    draft: Draft
    done: Done
    since: float = field(default_factory=monotonic)
    answered: bool = False

    def answer(self, outcome: Outcome) -> None:
        """Pass the outcome on; a listener that fails harms nobody else."""
        if self.answered:
            return
        self.answered = True
        try:
            self.done(outcome)
        except Exception as error:
            log.error("answer failed", exc_info=error)


class Appender:
    """The only writer of sends in this process for one database.

    `screen` may answer drafts of a batch in our place (the blacklist), `appended` hears which
    shards grew. `done` callbacks run in this thread and must not block.
    """

    def __init__(
        self,
        database: Database,
        *,
        batch_max: int,
        queue_max: int,
        patience_s: float,
        screen: Screen,
        appended: Appended,
        metrics: Metrics,
    ) -> None:
        self._database = database
        self._batch_max = batch_max
        self._queue_max = queue_max
        self._patience_s = patience_s
        self._screen = screen
        self._appended = appended
        self._metrics = metrics
        self._queue: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._queued_bytes = 0
        self._thread = threading.Thread(
            target=self._run, name=f"append-{database.name}", daemon=True
        )
        self._thread.start()

    def submit(self, draft: Draft, done: Done) -> None:
        """Queue a send; `done` gets its outcome. Raises OVERLOADED when too many wait."""
        if self._queue.qsize() >= self._queue_max or self._queued_bytes > QUEUE_BYTES_MAX:
            raise IMError(Code.OVERLOADED, "too many sends are waiting", retry_after_ms=1000)
        self._queued_bytes += draft.size
        self._queue.put(_Waiting(draft, done))

    def waiting(self) -> int:
        """Sends in the queue."""
        return self._queue.qsize()

    def close(self) -> None:
        """Finish what is queued, then stop."""
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        closing = False
        began, busy = 0.0, False
        while not closing:
            batch: list[_Waiting] = []
            size = 0
            item = self._queue.get()
            left_s = began + GATHER_S - monotonic()
            if busy and left_s > 0 and self._queue.qsize() < self._batch_max:
                sleep(left_s)
            while True:
                if item is None:
                    closing = True
                    break
                batch.append(item)
                size += item.draft.size
                if len(batch) >= self._batch_max or size >= BATCH_BYTES_MAX:
                    break
                try:
                    item = self._queue.get_nowait()
                except queue.Empty:
                    break
            self._queued_bytes -= size
            began = monotonic()
            try:
                busy = self._commit(batch)
            except Exception as error:
                log.error("batch failed", database=self._database.name, exc_info=error)
                for waiting in batch:
                    waiting.answer(IMError(Code.INTERNAL, "the message could not be stored"))

    def _commit(self, batch: list[_Waiting]) -> bool:
        """Store and answer; returns whether others came before anybody was answered.

        Who waits for an answer before the next send is no reason to gather.
        """
        self._metrics.sends.inc(len(batch))
        too_old = monotonic() - self._patience_s
        for waiting in batch:
            if waiting.since < too_old:
                waiting.answer(IMError(Code.TIMEOUT, "waited too long for the database"))
        live = [waiting for waiting in batch if not waiting.answered]
        if not live:
            return False
        verdicts = self._screen([waiting.draft for waiting in live])
        for waiting, verdict in zip(live, verdicts, strict=True):
            if verdict is not None:
                waiting.answer(verdict)
        accepted = [waiting for waiting in live if not waiting.answered]
        if not accepted:
            return False
        started = monotonic()
        outcomes = self._store([waiting.draft for waiting in accepted])
        self._metrics.batch_messages.observe(len(accepted))
        self._metrics.append_seconds.observe(monotonic() - started)
        busy = not self._queue.empty()
        grown: set[int] = set()
        acks = 0
        for waiting, outcome in zip(accepted, outcomes, strict=True):
            if not isinstance(outcome, IMError):
                grown.update(shard.number for shard in waiting.draft.logs)
                acks += 1
            waiting.answer(outcome)
        if grown:
            self._metrics.acks.inc(acks)
            self._appended(grown)
        return busy

    def _store(self, drafts: list[Draft]) -> list[Outcome]:
        """Append; a batch that the database refuses is halved until the bad draft stands alone."""
        try:
            return append(self._database, drafts)
        except IMError as error:
            log.warning("append failed", database=self._database.name, error=error.message)
            return [error] * len(drafts)
        except Exception as error:
            if len(drafts) > 1:
                middle = len(drafts) // 2
                return [*self._store(drafts[:middle]), *self._store(drafts[middle:])]
            log.error("append refused", database=self._database.name, error=type(error).__name__)
            return [IMError(Code.INTERNAL, "the message could not be stored")]
