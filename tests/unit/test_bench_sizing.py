"""The arithmetic of the sizing table."""

from typing import Any

import pytest

from bench.sizing import Assumptions, Costs, costs, size, table

COST = Costs(
    web_ms=0.2,
    worker_ms=0.1,
    mysql_ms=0.15,
    redis_ms=0.05,
    member_ms=0.01,
    statements=3,
    connection_kib=8,
    row_bytes=512,
)
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


REPORT = [
    *(
        figure("one-to-one", f"CPU of {name} per message", value)
        for name, value in (("web", 0.2), ("worker", 0.1), ("mariadb", 0.15), ("redis", 0.05))
    ),
    figure("one-to-one", "MySQL statements per message", 3),
    figure("group/10", "server CPU per message", 2.0),
    figure("group/1000", "server CPU per message", 11.9),
    figure("idle", "websocket memory for each", 8),
    figure("history/100k", "rows", 100_000),
    figure("history/100k", "on disk, for each row", 400),
    figure("history/10M", "rows", 10_000_000),
    figure("history/10M", "on disk, for each row", 512),
]


def test_costs_are_those_of_the_report() -> None:
    found = costs(REPORT)
    assert found.member_ms == pytest.approx(COST.member_ms)
    assert found.row_bytes == 512  # of the largest table
    assert (found.web_ms, found.redis_ms, found.connection_kib) == (0.2, 0.05, 8)


@pytest.mark.parametrize("missing", ["one-to-one", "group/10", "group/1000", "idle", "history"])
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
    # Then a message costs web 0.2 ms and half of them 20 times 0.01 ms: 1.5 s of CPU a second,
    # with processes half full 3; 250,000 connections at 10,000 each need 25
    assert needs.web_processes == 25
    assert needs.worker_processes == 1
    assert needs.mysql_cores == 2
    assert needs.redis_cores == pytest.approx(0.25)
    assert needs.mysql_statements_per_s == pytest.approx(15_000)
    assert needs.connections_gib == pytest.approx(250_000 * 8 / 1024**2)
    # And 86.4 million messages a day are 1.5 rows each
    assert needs.rows_per_day == pytest.approx(129_600_000)
    assert needs.disk_gib_per_day == pytest.approx(129_600_000 * 512 / 1024**3)


def test_processes_follow_the_messages_where_these_need_more() -> None:
    busy = Assumptions(messages_per_user_and_day=8640, peak_factor=5, online_share=0.01)
    needs = size(10_000, COST, busy)
    # 5,000 messages a second of 0.2 + 0.3 * 30 * 0.01 ms are 1.45 s, at 0.6 of a core each
    assert needs.web_processes == 3


def test_the_table_fits_the_page() -> None:
    assert max(map(len, table(COST, Assumptions()).splitlines())) <= 80
