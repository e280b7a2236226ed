"""Scenarios of reading what is stored: sync after a long absence, history in a large table."""

import math
import random
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from bench import procs
from bench.caller import Caller, Timed
from bench.groups import open_caller
from bench.measure import Figure, summarise
from bench.merge import check_share
from bench.parts import in_parts
from bench.rows import Rows
from bench.stores import Work
from bench.target import Target, knob, users
from proto import im_pb2

BEHIND = {1_000: 20, 100_000: 1}
"""Rows to catch up with, and how many users do so."""

PAGE_ROWS = 200
HISTORY_ROWS = 10_000_000
HISTORY_PAGE_ROWS = 50
CONVERSATION_ROWS = 1_000
PEERS = 10
READERS = 20
PAGES_MAX = 20


@dataclass
class Asked:
    """What a number of requests took, one after the other: a closed loop of one."""

    took_ms: list[float] = field(default_factory=list)
    cpu_s: dict[str, float] = field(default_factory=dict)
    own_s: float = 0.0
    span_s: float = 0.0
    work: Work = field(default_factory=Work)

    def figures(self, scenario: str, rows: int) -> list[Figure]:
        """Time and cost of a page; raises `GeneratorLimited` when our own part was too large."""
        check_share(self.own_s / self.span_s)
        pages, took = len(self.took_ms), summarise(self.took_ms)
        values = {
            "p50": took.p50_ms,
            "p90": took.p90_ms,
            "p99": took.p99_ms,
            "p99.9": took.p999_ms,
            "max": took.max_ms,
        }
        each = 1 / pages
        costs = {
            "MySQL statements": self.work.statements,
            "MySQL rows read": self.work.rows_read,
            "Redis commands": self.work.redis_commands,
        }
        return [
            *(
                Figure(scenario, f"page {name}", value, "ms", minor=name in ("p90", "p99.9"))
                for name, value in values.items()
            ),
            Figure(scenario, "rows read", rows / self.span_s, "rows/s"),
            *(Figure(scenario, f"{n} per page", v * each, "") for n, v in costs.items()),
            *(
                Figure(scenario, f"CPU of {name} per page", 1000 * s * each, "ms", minor=not s)
                for name, s in self.cpu_s.items()
            ),
            Figure(scenario, "CPU of the generator", 100 * self.own_s / self.span_s, "% core"),
        ]


def ask(target: Target, work: Callable[[Callable[[Caller, Any], Any]], None]) -> Asked:
    """Do `work` with a function that asks and keeps the time, and measure all around it."""
    timed = Timed()
    asked = Asked(timed.took_ms)
    procs.wait_until_quiet(knob("QUIET_S", 30))
    stores, before = target.stores.read(), procs.by_name(target.pids)
    own_s, began_s = time.process_time(), time.perf_counter()
    work(timed.call)
    asked.span_s, asked.own_s = time.perf_counter() - began_s, time.process_time() - own_s
    after, asked.work = procs.by_name(target.pids), target.stores.since(stores)
    asked.cpu_s = {name: after[name].cpu_s - before[name].cpu_s for name in after}
    return asked


# ---------------------------------------------------------------- sync


def sync(target: Target) -> Iterator[Figure]:
    """Catching up after being offline, 1,000 and 100,000 rows behind."""
    with closing(Rows(target)) as rows:
        yield from in_parts(
            {
                _short(count): partial(_absence, target, rows, count, people)
                for count, people in BEHIND.items()
            }
        )


def _absence(target: Target, rows: Rows, most: int, people: int) -> Iterator[Figure]:
    count = min(most, int(knob("ROWS", most)))
    names = users(f"behind{count}", people)
    cursors = {name: rows.fill_mailbox(name, count, PEERS) for name in names}
    got = 0

    def catch_up(timed: Callable[[Caller, Any], Any]) -> None:
        nonlocal got
        for name, cursor in cursors.items():
            with open_caller(target, name) as caller:
                got += _catch_up(timed, caller, cursor)

    asked = ask(target, catch_up)
    scenario = f"sync/{_short(count)}"
    yield Figure(scenario, "all of it", asked.span_s / people, "s")
    yield Figure(scenario, "rows missing", people * count - got, "rows", most=0)
    yield from asked.figures(scenario, got)


def _catch_up(timed: Callable[[Caller, Any], Any], caller: Caller, cursor: int) -> int:
    """Read everything behind the cursor; return how many rows that was."""
    got, more = 0, True
    while more:
        answer = timed(caller, im_pb2.SyncRequest(cursor=cursor, limit=PAGE_ROWS))
        got += len(answer.messages)
        cursor, more = answer.cursor, answer.more
    return got


# ---------------------------------------------------------------- history


def history(target: Target) -> Iterator[Figure]:
    """Paging back through conversations in tables of up to 10 million rows."""
    most = int(knob("ROWS", HISTORY_ROWS))
    counts = sorted({max(most // 100, 1000), max(most // 10, 1000), most})
    with closing(Rows(target)) as rows:
        yield from in_parts(
            {_short(count): partial(_page_through, target, rows, count) for count in counts}
        )


def _page_through(target: Target, rows: Rows, count: int) -> list[Figure]:
    conversations = max(1, count // CONVERSATION_ROWS)
    shard = rows.shard_of("history")
    candidates = users("history", 40 + 16 * len(rows.shards) * conversations // PEERS)
    owners = [name for name in candidates if rows.shard_of(name) == shard]
    owners = owners[: math.ceil(conversations / PEERS)]
    chance = random.Random(count)
    scenario, got = f"history/{_short(count)}", 0
    started_s = time.monotonic()

    def page(timed: Callable[[Caller, Any], Any]) -> None:
        nonlocal got
        for name in chance.sample(owners, min(READERS, len(owners))):
            with open_caller(target, name) as caller:
                for peer in chance.sample(range(PEERS), 2):
                    got += _page_back(timed, caller, f"{name}-peer-{peer}")

    with rows.filled_table(shard, owners, PEERS, count):
        filled_s = time.monotonic() - started_s
        asked = ask(target, page)
        row_bytes = rows.bytes_per_row(shard, count)
    return [
        Figure(scenario, "rows", count, ""),
        Figure(scenario, "made in", filled_s, "s"),
        Figure(scenario, "on disk, for each row", row_bytes, "B"),
        *asked.figures(scenario, got),
    ]


def _page_back(timed: Callable[[Caller, Any], Any], caller: Caller, peer: str) -> int:
    """Read a conversation backwards; return how many rows that was."""
    before, got = "", 0
    for _ in range(PAGES_MAX):
        request = im_pb2.HistoryRequest(peer=peer, before=before, limit=HISTORY_PAGE_ROWS)
        answer = timed(caller, request)
        got += len(answer.messages)
        if not answer.more:
            break
        before = answer.messages[-1].id
    return got


def _short(count: int) -> str:
    """1000 as 1k, 10000000 as 10M."""
    for size, letter in ((1_000_000, "M"), (1_000, "k")):
        if count >= size and count % size == 0:
            return f"{count // size}{letter}"
    return str(count)
