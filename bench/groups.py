"""Groups: what is said reaches everybody, whatever the size; a join costs the same everywhere."""

import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from bench import procs
from bench.caller import Caller, Timed
from bench.loader import TIMEOUT_S, GeneratorLimited, Loader
from bench.measure import Figure
from bench.merge import bottleneck, check_share
from bench.parts import Part, in_parts
from bench.target import Target, knob, users
from proto import im_pb2

MEMBERS = 100
RATE = 520  # messages a second: 51,480 deliveries to the 99 others
ROUNDS = 3
USERS_PER_INVITATION = 100
LARGE_ONLINE = 1000
LARGE_RATE = 10
CHANGED = 20
SYNCS = 100
JOINS = 100


def groups(target: Target) -> Iterator[Figure]:
    """A busy group of 100, a silent one of 100,000, a member of 500 groups, joins."""
    parts: dict[str, Part] = {}
    if knob("BUSY", 1):
        parts["busy"] = partial(_busy, target)
    if members := int(knob("MEMBERS", 100_000)):
        parts["large"] = partial(_large, target, members)
    if count := int(knob("MANY", 500)):
        parts["many"] = partial(_member_of_many, target, count)
    return in_parts(parts)


@contextmanager
def open_caller(target: Target, user: str) -> Iterator[Caller]:
    with Caller(target.host, target.ports["tcp"], target.tokens([user])[0]) as caller:
        yield caller


def make_group(
    caller: Caller, members: list[str], join_mode: "im_pb2.JoinMode" = im_pb2.INVITATION
) -> str:
    """A group of the caller and these members."""
    first, rest = members[:USERS_PER_INVITATION], members[USERS_PER_INVITATION:]
    request = im_pb2.GroupCreateRequest(
        sequence=f"{time.time_ns():x}", name="bench", users=first, join_mode=join_mode
    )
    group = str(caller.call(request).group.group)
    for start in range(0, len(rest), USERS_PER_INVITATION):
        chunk = rest[start : start + USERS_PER_INVITATION]
        caller.call(im_pb2.GroupInviteRequest(group=group, users=chunk))
    return group


# ---------------------------------------------------------------- a busy group


def _busy(target: Target) -> list[Figure]:
    rates, p99s, lost, late = [], [], 0, 0
    costs: dict[str, float] = {}
    duration_s = knob("DURATION_S", 10)
    for _ in range(int(knob("ROUNDS", ROUNDS))):
        names = users("group", MEMBERS)
        with open_caller(target, names[0]) as caller:
            group = make_group(caller, names[1:])
        for rate in (RATE, RATE / 2):
            report, cpu_s = _talk(target, names, group, rate, duration_s)
            lost += wrong(report)
            late += disordered(report)
            if rate == RATE:
                rates.append(report["deliveries_rate"])
                costs = cpu_s
            else:
                p99s.append(report["push"]["p99_ms"])
    return [
        Figure("groups", "100 online: deliveries", statistics.median(rates), "per s", least=50_000),
        Figure("groups", "at half that: push p99", statistics.median(p99s), "ms", most=100),
        Figure("groups", "lost, doubled or refused", lost, "messages", most=0),
        Figure("groups", "out of order", late, "messages", most=0),
        *(
            Figure("groups", f"CPU at full rate: {name}", 100 * used / duration_s, "% core")
            for name, used in costs.items()
        ),
    ]


def _talk(
    target: Target,
    names: list[str],
    group: str,
    rate: float,
    duration_s: float,
    quiet_s: float = 0.0,
) -> tuple[dict[str, Any], dict[str, float]]:
    """Let members talk; what the generator reports, and the CPU of processes beyond idling."""
    order = {
        "host": target.host,
        "port": target.ports["websocket"],
        "tokens": target.tokens(names),
        "group": group,
        "rate": rate,
        "warmup_s": 2.0,
        "duration_s": duration_s,
        "seed": time.time_ns() // 1_000_000,
        "quiet_s": quiet_s,
    }
    procs.wait_until_quiet(knob("QUIET_S", 30))
    with Loader({"group": order}, TIMEOUT_S + duration_s) as loader:
        loader.wait_for("connected")
        before = procs.by_name(target.pids)
        loader.wait_for("quiet")
        after = procs.by_name(target.pids)
        idle = {name: (after[name].cpu_s - before[name].cpu_s) for name in after}
        loader.wait_for("measuring")
        before = procs.by_name(target.pids)
        machine_s, began_s = procs.machine_cpu_s(), time.perf_counter()
        loader.wait_for("measured")
        machine_s, span_s = procs.machine_cpu_s() - machine_s, time.perf_counter() - began_s
        after = procs.by_name(target.pids)
        report = loader.wait_for("done")
    why = bottleneck(report, procs.machine_share(machine_s, span_s))
    if why is not None:
        raise GeneratorLimited(f"figures withheld: {why}")
    share = duration_s / quiet_s if quiet_s else 0.0
    cpu_s = {name: after[name].cpu_s - before[name].cpu_s - share * idle[name] for name in after}
    return report, cpu_s | {"generator": report["cpu_s"]}


def wrong(report: dict[str, Any]) -> int:
    """How often a message was lost for a member, doubled, refused or not answered."""
    refused = sum(report["refused"].values())
    return int(report["lost"] + report["duplicates"] + report["unanswered"] + refused)


def disordered(report: dict[str, Any]) -> int:
    """How often a member heard a message after a later one of the same speaker."""
    return int(report["counts"].get("out of order", 0))


# ---------------------------------------------------------------- a large group


def _large(target: Target, members: int) -> Iterator[Figure]:
    names = users("large", members)
    with open_caller(target, names[0]) as caller:
        started_s = time.monotonic()
        large = make_group(caller, names[1:], im_pb2.OPEN)
        made_s = time.monotonic() - started_s
        small = make_group(caller, names[1:10], im_pb2.OPEN)
        caller.call(im_pb2.PingRequest())
    online = names[:LARGE_ONLINE]
    duration_s = knob("DURATION_S", 10)
    used: dict[str, list[float]] = {"web": [], "worker": []}
    p99s, lost, late = [], 0, 0
    for _ in range(int(knob("ROUNDS", ROUNDS))):
        report, cpu_s = _talk(target, online, large, LARGE_RATE, duration_s, quiet_s=duration_s)
        for process, each in used.items():
            each.append(1000 * cpu_s[process] / report["messages"])
        p99s.append(report["push"]["p99_ms"])
        lost += wrong(report)
        late += disordered(report)
    sums = [sum(pair) for pair in zip(*used.values(), strict=True)]
    name = f"{members:,} members"
    yield from [
        Figure("groups", f"{name}: online", len(online), ""),
        Figure("groups", f"{name}: CPU", statistics.median(sums), "ms/send", most=10),
        Figure("groups", "of that: worker", statistics.median(used["worker"]), "ms/send"),
        Figure("groups", f"{name}: push p99", statistics.median(p99s), "ms"),
        Figure("groups", f"{name}: lost", lost, "messages", most=0),
        Figure("groups", f"{name}: out of order", late, "messages", most=0),
        Figure("groups", "members invited", (members - 1) / made_s, "per s"),
    ]
    yield from _joins(target, small, large)


def _joins(target: Target, small: str, large: str) -> list[Figure]:
    """Joins of the two groups in turn, by users who are in neither."""
    joins = {small: Timed(), large: Timed()}
    for name in users("joiner", JOINS):
        with open_caller(target, name) as caller:
            for group, timed in joins.items():
                timed.call(caller, im_pb2.GroupJoinRequest(group=group))
    share = max(timed.cpu_share for timed in joins.values())
    check_share(share)
    medians = {group: statistics.median(timed.took_ms) for group, timed in joins.items()}
    return [
        Figure("groups", "join a group of 10", medians[small], "ms"),
        Figure("groups", "join the large one", medians[large], "ms"),
        Figure("groups", "large / small", medians[large] / medians[small], "", most=1.25),
        Figure("groups", "joins: generator busy", 100 * share, "% core"),
    ]


# ---------------------------------------------------------------- many groups


def _member_of_many(target: Target, count: int) -> list[Figure]:
    owner, member = users("many", 2)
    with open_caller(target, owner) as caller:
        made = [make_group(caller, [member]) for _ in range(count)]
        with open_caller(target, member) as reader:
            answer = reader.call(im_pb2.GroupsRequest(limit=200))
            cursors = {one.group: one.version for one in answer.groups}
            while answer.more:
                answer = reader.call(im_pb2.GroupsRequest(limit=200, after=answer.groups[-1].group))
                cursors |= {one.group: one.version for one in answer.groups}
            for group in made[:CHANGED]:
                send = im_pb2.SendRequest(
                    receiver=group, sequence=f"{time.time_ns():x}", type=im_pb2.GROUP
                )
                send.content.text.text = "hello"
                caller.call(send)
            request = im_pb2.GroupSyncRequest()
            for group, cursor in cursors.items():
                request.cursors.add(group=group, cursor=cursor)
            timed, moved = Timed(), 0
            for _ in range(SYNCS):
                moved = len(timed.call(reader, request).groups)
    check_share(timed.cpu_share)
    took = timed.took_ms
    name = f"sync of {count} groups"
    return [
        Figure("groups", f"{name}: changed", moved, "", least=CHANGED),
        Figure("groups", f"{name}: median", statistics.median(took), "ms", most=15),
        Figure("groups", f"{name}: p90", sorted(took)[int(0.9 * len(took))], "ms"),
        Figure("groups", "sync: generator busy", 100 * timed.cpu_share, "% core"),
    ]
