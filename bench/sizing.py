"""`python -m bench.sizing [report ...]`: machines for 10 thousand, 1 million, 100 million users.

Derived from the cost per message in `var/bench.json`, or in the given files in its form. What is
assumed about users is in `Assumptions`; everything else is measured. A message costs less the more
of them one process has in a second, because batches grow: between the rates of the scenarios
`sparse`, `latency` and `one-to-one` the cost follows a power of the rate, outside of them it stays.
"""

import json
import math
import sys
from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

DEFAULT = Path(__file__).resolve().parent.parent / "var" / "bench.json"
USERS = (10_000, 1_000_000, 100_000_000)
PROCESSES = ("web", "worker", "mariadb", "redis")
BY_RATE = ("sparse", "latency", "one-to-one")  # scenarios of one-to-one messages, fewest first
DAY_S = 86_400
KIB_PER_GIB = 1024 * 1024
BYTES_PER_GIB = 1024**3
CONNECTIONS_PER_PROCESS = 10_000  # what the scenario `idle` holds on one
ON_DISK = "on disk, for each row"
ROWS_OF_ONE_TO_ONE, ROWS_OF_GROUP = 2, 1  # a mailbox each; one log for the group
SMALL_GROUP, LARGE_GROUP = 10, 1000  # of the scenario `sizes`


@dataclass(frozen=True, slots=True)
class Assumptions:
    """What users do, and how full processes may be."""

    messages_per_user_and_day: float = 40
    peak_factor: float = 4  # the busiest seconds against the mean of the day
    online_share: float = 0.3  # of all users, at the peak
    group_share: float = 0.3  # of the messages
    group_online: float = 30  # members who are online, for each message to a group
    use_share: float = 0.6  # of a core, at the peak


@dataclass(frozen=True, slots=True)
class MessageCost:
    """What one message took at a rate: CPU in milliseconds by process, and statements."""

    rate: float  # messages a second of one process
    web_ms: float
    worker_ms: float
    mysql_ms: float
    redis_ms: float
    statements: float

    def towards(self, other: "MessageCost", rate: float) -> "MessageCost":
        """The cost at a rate between this one and the other's, on a straight line of logarithms."""
        share = math.log(rate / self.rate) / math.log(other.rate / self.rate)
        share = min(1.0, max(0.0, share))
        mine, theirs = astuple(self), astuple(other)
        return MessageCost(*(a * (b / a) ** share for a, b in zip(mine, theirs, strict=True)))


@dataclass(frozen=True, slots=True)
class MemberCost:
    """What a message to a group takes for each further member who is online, in milliseconds.

    The large group of the scenario `sizes` hears fewer messages a second than the small one, so
    what is done by the clock weighs more in each: an upper bound where that is not nothing.
    """

    web_ms: float
    worker_ms: float
    mysql_ms: float
    redis_ms: float


@dataclass(frozen=True, slots=True)
class Costs:
    """What was measured."""

    by_rate: tuple[MessageCost, ...]  # fewest messages a second first
    member: MemberCost
    connection_kib: float
    row_bytes: float

    def at(self, rate: float) -> MessageCost:
        """What one message takes where a process has so many a second."""
        pairs = list(pairwise(self.by_rate))
        fewer, more = next((pair for pair in pairs if rate <= pair[1].rate), pairs[-1])
        return fewer.towards(more, rate)


@dataclass(frozen=True, slots=True)
class Needs:
    """What so many users need."""

    users: int
    online: float
    messages_per_s: float  # at the peak
    web_processes: int
    worker_processes: int
    mysql_cores: int
    mysql_statements_per_s: float
    redis_cores: float  # at the peak
    redis_servers: int  # a Redis uses one core
    connections_gib: float
    rows_per_day: float
    disk_gib_per_day: float


def costs(figures: Iterable[Mapping[str, Any]]) -> Costs:
    """The costs in a report; `KeyError` names the scenario and figure that is missing."""
    known = {(figure["scenario"], figure["name"]): figure["value"] for figure in figures}
    row_bytes = {known[run, "rows"]: n for (run, name), n in known.items() if name == ON_DISK}
    if not row_bytes:
        raise KeyError("history", ON_DISK)
    return Costs(
        by_rate=tuple(_message_cost(known, scenario) for scenario in BY_RATE),
        member=_member_cost(known),
        connection_kib=known["idle", "websocket memory for each"],
        row_bytes=row_bytes[max(row_bytes)],  # of the largest table
    )


def _cpu_ms(known: Mapping[tuple[str, str], float], scenario: str) -> list[float]:
    return [known[scenario, f"CPU of {name} per message"] for name in PROCESSES]


def _message_cost(known: Mapping[tuple[str, str], float], scenario: str) -> MessageCost:
    web, worker, mysql, redis = _cpu_ms(known, scenario)
    statements = known[scenario, "MySQL statements per message"]
    return MessageCost(known[scenario, "offered"], web, worker, mysql, redis, statements)


def _member_cost(known: Mapping[tuple[str, str], float]) -> MemberCost:
    small, large = (_cpu_ms(known, f"group/{members}") for members in (SMALL_GROUP, LARGE_GROUP))
    further = LARGE_GROUP - SMALL_GROUP
    return MemberCost(*(max(0.0, m - n) / further for n, m in zip(small, large, strict=True)))


def size(users: int, cost: Costs, assumed: Assumptions) -> Needs:
    """What so many users need at their busiest."""
    per_day = users * assumed.messages_per_user_and_day
    peak = per_day / DAY_S * assumed.peak_factor
    online = users * assumed.online_share
    heard = assumed.group_share * assumed.group_online  # by members of groups, for each message
    busy_ms = 1000 * assumed.use_share  # of the CPU milliseconds a second has

    def processes(each_ms: float) -> int:
        return math.ceil(peak * each_ms / busy_ms)

    web, wanted = 0, max(1, math.ceil(online / CONNECTIONS_PER_PROCESS))
    while web < wanted:  # more processes have fewer messages each, which then cost more
        web = wanted
        each = cost.at(peak / web)
        wanted = processes(each.web_ms + heard * cost.member.web_ms)
    redis_ms = each.redis_ms + heard * cost.member.redis_ms
    rows_per_day = per_day * (
        (1 - assumed.group_share) * ROWS_OF_ONE_TO_ONE + assumed.group_share * ROWS_OF_GROUP
    )
    return Needs(
        users=users,
        online=online,
        messages_per_s=peak,
        web_processes=web,
        worker_processes=processes(each.worker_ms + heard * cost.member.worker_ms),
        mysql_cores=processes(each.mysql_ms + heard * cost.member.mysql_ms),
        mysql_statements_per_s=peak * each.statements,
        redis_cores=peak * redis_ms / 1000,
        redis_servers=processes(redis_ms),
        connections_gib=online * cost.connection_kib / KIB_PER_GIB,
        rows_per_day=rows_per_day,
        disk_gib_per_day=rows_per_day * cost.row_bytes / BYTES_PER_GIB,
    )


def table(cost: Costs, assumed: Assumptions) -> str:
    """The needs side by side."""
    needs = [size(users, cost, assumed) for users in USERS]
    lines = [
        ("users", [f"{n.users:,}" for n in needs]),
        ("online at the peak", [f"{n.online:,.0f}" for n in needs]),
        ("messages a second at the peak", [f"{n.messages_per_s:,.0f}" for n in needs]),
        ("web or gateway processes", [f"{n.web_processes:,}" for n in needs]),
        ("worker processes", [f"{n.worker_processes:,}" for n in needs]),
        ("MySQL cores", [f"{n.mysql_cores:,}" for n in needs]),
        ("MySQL statements a second", [f"{n.mysql_statements_per_s:,.0f}" for n in needs]),
        ("Redis servers", [f"{n.redis_servers:,}" for n in needs]),
        ("Redis, cores in use", [f"{n.redis_cores:,.3g}" for n in needs]),
        ("memory of connections, GiB", [f"{n.connections_gib:,.2f}" for n in needs]),
        ("rows stored a day", [f"{n.rows_per_day:,.0f}" for n in needs]),
        ("disk a day, GiB", [f"{n.disk_gib_per_day:,.1f}" for n in needs]),
    ]
    return "\n".join(f"{name:<30}" + "".join(f"{c:>16}" for c in cells) for name, cells in lines)


def main() -> int:
    files = [Path(name) for name in sys.argv[1:]] or [DEFAULT]
    try:
        figures = [figure for path in files for figure in json.loads(path.read_text())]
        measured = costs(figures)
    except FileNotFoundError as error:
        print(f"{error.filename} is not there: run `make bench`", file=sys.stderr)
        return 1
    except KeyError as error:
        print(f"not measured: {error}; run `make bench` with all scenarios", file=sys.stderr)
        return 1
    print(table(measured, Assumptions()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
