"""Everything at once: one-to-one messages, a busy group, typing, reads and syncs."""

import time
from typing import Any

from bench.groups import make_group, open_caller
from bench.measure import Figure
from bench.merge import merge
from bench.sending import WARMUP_S, run_together, send_order
from bench.sent import Sent, per_message
from bench.sizes import group_figures, group_orders
from bench.target import Target, knob, users

ONE_TO_ONE_RATE, ONE_TO_ONE_USERS = 600, 600
GROUP_RATE, GROUP_MEMBERS = 30, 100
TURNS_RATE, TURNS_USERS = 100, 200


def mixed(target: Target) -> list[Figure]:
    """One-to-one, a group of 100, typing, reads and syncs at the same time."""
    duration_s, scale = knob("DURATION_S", 10), knob("SCALE", 1)
    members = users("mixed", GROUP_MEMBERS)
    with open_caller(target, members[0]) as caller:
        group = make_group(caller, members[1:])
    orders = [
        send_order(target, "mixed", scale * ONE_TO_ONE_RATE, duration_s, ONE_TO_ONE_USERS),
        *group_orders(target, members, group, scale * GROUP_RATE, duration_s),
        _chatter_order(target, scale * TURNS_RATE, duration_s),
    ]
    ran = run_together(target, orders, duration_s)
    ran.check()
    send, talk, chatter = ran.reports
    messages = sum(report["acked_measured"] for report in ran.reports)
    commands_rate = chatter["commands_rate"] - chatter["offered_rate"]
    people, group_run = (
        Sent(name, ran.span_s, merge([report]), ran.cpu_s, ran.work)
        for name, report in (("mixed/one", send), ("mixed/group", talk))
    )
    return [
        *people.rates(),
        *people.latencies(push_p99_ms={}),
        *people.integrity(),
        *(f for f in group_figures(group_run) if "CPU" not in f.name and "per mess" not in f.name),
        *_chatter_figures(chatter),
        Figure("mixed", "messages", messages / ran.span_s, "msg/s"),
        Figure("mixed", "other commands", commands_rate, "per s"),
        *(
            Figure("mixed", f"CPU of {name}", 100 * used_s / ran.span_s, "% core")
            for name, used_s in ran.cpu_s.items()
        ),
        *per_message("mixed", messages, ran.cpu_s, ran.work),
    ]


def _chatter_order(target: Target, rate: float, duration_s: float) -> dict[str, Any]:
    names = users("chatter", TURNS_USERS)
    return {
        "chatter": {
            "host": target.host,
            "port": target.ports["websocket"],
            "users": names,
            "tokens": target.tokens(names),
            "rate": rate,
            "warmup_s": knob("WARMUP_S", WARMUP_S),
            "duration_s": duration_s,
            "seed": time.time_ns() // 1_000_000,
        }
    }


def _chatter_figures(report: dict[str, Any]) -> list[Figure]:
    wrong = {
        "lost": report["lost"],
        "duplicates": report["counts"].get("duplicate", 0),
        "refused": sum(report["refused"].values()),
        "unanswered": report["unanswered"],
    }
    return [
        *(
            Figure("mixed/chat", f"{kind} {name}", took[f"{name}_ms"], "ms")
            for kind, took in report["kinds"].items()
            for name in ("p50", "p99")
        ),
        Figure("mixed/chat", "push p99", report["push"]["p99_ms"], "ms"),
        *(Figure("mixed/chat", name, n, "messages", most=0) for name, n in wrong.items()),
    ]
