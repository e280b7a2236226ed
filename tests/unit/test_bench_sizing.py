"""The arithmetic of the sizing table."""

from dataclasses import astuple, replace
from typing import Any

import pytest

from bench.sizing import Assumptions, Costs, MemberCost, MessageCost, costs, size, table

FEW = MessageCost(rate=100, web_ms=0.8, worker_ms=0.4, mysql_ms=0.6, redis_ms=0.2, statements=12)
MANY = MessageCost(rate=1600, web_ms=0.2, worker_ms=0.1, mysql_ms=0.15, redis_ms=0.05, statements=3)
NO_MORE = MemberCost(web_ms=0, worker_ms=0, mysql_ms=0, redis_ms=0)
COST = Costs(by_rate=(FEW, MANY), member=NO_MORE, connection_kib=8, row_bytes=512)
ASSUMED = Assumptions(
    messages_per_user_and_day=86.4,
    peak_factor=5,
    online_share=0.25,
    group_share=0.5,
    group_online=20,
    use_share=0.5,
)


def figure(scenario: str, name: str, value: float) -> dict[str, Any]:
    return {"scenario": scenario, "name": name, "value": value}


FEWEST = replace(FEW, rate=50, redis_ms=0.3)
CPU = ("web", "worker", "mariadb", "redis")
REPORT = [
    *(
        figure(scenario, name, value)
        for scenario, cost in (("sparse", FEWEST), ("latency", FEW), ("one-to-one", MANY))
        for name, value in (
            ("offered", cost.rate),
            ("CPU of web per message", cost.web_ms),
            ("CPU of worker per message", cost.worker_ms),
            ("CPU of mariadb per message", cost.mysql_ms),
            ("CPU of redis per message", cost.redis_ms),
            ("MySQL statements per message", cost.statements),
        )
    ),
    *(
        figure(f"group/{size}", f"CPU of {name} per message", value)
        for size, values in ((10, (2.0, 0.7, 0.8, 0.3)), (1000, (11.9, 1.69, 0.8, 0.25)))
        for name, value in zip(CPU, values, strict=True)
    ),
    figure("idle", "websocket memory for each", 8),
    figure("history/100k", "rows", 100_000),
    figure("history/100k", "on disk, for each row", 400),
    figure("history/10M", "rows", 10_000_000),
    figure("history/10M", "on disk, for each row", 512),
]


def test_costs_are_those_of_the_report() -> None:
    found = costs(REPORT)
    assert astuple(found.member) == pytest.approx((0.01, 0.001, 0, 0))  # less is not a gain
    assert found.row_bytes == 512  # of the largest table
    assert (found.by_rate, found.connection_kib) == ((FEWEST, FEW, MANY), 8)


@pytest.mark.parametrize(
    "missing", ["sparse", "latency", "one-to-one", "group/10", "group/1000", "idle", "history"]
)
def test_a_scenario_that_was_not_run_is_named(missing: str) -> None:
    left = [
        one for one in REPORT if missing not in (one["scenario"], one["scenario"].split("/")[0])
    ]
    with pytest.raises(KeyError, match=missing):
        costs(left)


def test_a_million_users_by_hand() -> None:
    # Given 1,000,000 users: 86.4 messages a day each are 1,000 a second, 5,000 at the peak
    needs = size(1_000_000, COST, ASSUMED)
    assert needs.messages_per_s == pytest.approx(5000)
    # Then 250,000 connections at 10,000 each need 25 processes with 200 messages a second each:
    # twice the rate of few, a quarter of the way to 16 times; costs fall by 4 ** 0.25 = sqrt(2)
    assert needs.web_processes == 25
    assert needs.worker_processes == 3  # 5,000 times 0.283 ms, processes half full
    assert needs.mysql_cores == 5  # 5,000 times 0.424 ms
    assert needs.redis_servers == 2  # 5,000 times 0.141 ms: more than half of one
    assert needs.redis_cores == pytest.approx(5 * 0.2 / 2**0.5)
    assert needs.mysql_statements_per_s == pytest.approx(5000 * 12 / 2**0.5)
    assert needs.connections_gib == pytest.approx(250_000 * 8 / 1024**2)
    # And 86.4 million messages a day are 1.5 rows each
    assert needs.rows_per_day == pytest.approx(129_600_000)
    assert needs.disk_gib_per_day == pytest.approx(129_600_000 * 512 / 1024**3)


def test_processes_follow_the_messages_where_these_need_more() -> None:
    busy = Assumptions(messages_per_user_and_day=8640, peak_factor=5, online_share=0.01)
    needs = size(10_000, replace(COST, member=replace(NO_MORE, web_ms=0.01)), busy)
    # 5,000 messages a second of 0.2 + 0.3 * 30 * 0.01 ms are 1.45 s, at 0.6 of a core each: 3
    # processes, which have more than 1,600 messages a second
    assert needs.web_processes == 3


def test_members_of_groups_who_hear_a_message_cost_every_process() -> None:
    # Given 10 members who hear each message, on the whole, at 0.01 ms and more each
    member = MemberCost(web_ms=0.05, worker_ms=0.01, mysql_ms=0.02, redis_ms=0.03)
    needs = size(1_000_000, replace(COST, member=member), ASSUMED)
    # Then 5,000 messages a second take 0.1, 0.2 and 0.3 ms more each, of half a core each
    assert needs.worker_processes == 4
    assert needs.mysql_cores == 7
    assert needs.redis_cores == pytest.approx(5 * (0.2 / 2**0.5 + 0.3))
    assert needs.redis_servers == 5
    # and web 0.5 ms: too little to need more processes than connections do
    assert needs.web_processes == 25


def test_a_cost_lies_between_those_of_the_rates_beside_it() -> None:
    cost = replace(COST, by_rate=(FEWEST, FEW, MANY))
    assert cost.at(100) == FEW
    assert cost.at(50 * 2**0.5).redis_ms == pytest.approx(0.3 * (0.2 / 0.3) ** 0.5)
    assert cost.at(400).statements == pytest.approx(6)
    assert cost.at(1) == FEWEST
    assert cost.at(1e6).web_ms == pytest.approx(MANY.web_ms)


def test_costs_stay_what_they_are_outside_of_the_measured_rates() -> None:
    assert FEW.towards(MANY, 1) == FEW
    beyond = FEW.towards(MANY, 1e6)
    assert beyond.web_ms == pytest.approx(MANY.web_ms)
    assert FEW.towards(MANY, 400).statements == pytest.approx(6)  # half way


def test_the_table_fits_the_page() -> None:
    assert max(map(len, table(COST, Assumptions()).splitlines())) <= 80
