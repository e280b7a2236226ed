"""What is read out of counters, answers and reports."""

import pytest

from bench.httpusers import complete
from bench.measure import Figure
from bench.plots import rate_lines, row_lines, size_lines
from bench.stores import Work, work_between


def test_the_question_itself_is_not_counted() -> None:
    # Given two readings with one statement and one command of a client between them
    before = ({"Questions": 10, "Com_show_status": 4}, {"info": 7, "get": 1})
    after = (
        {"Questions": 12, "Com_show_status": 5, "Com_insert": 1, "Handler_write": 3},
        {"info": 8, "get": 2},
    )
    # When the work between them is asked for
    work = work_between(before, after)
    # Then the readings are not part of it
    assert (work.statements, work.redis_commands, work.rows_written) == (1, 1, 3)
    assert work.by_statement == {"insert": 1}
    assert work.by_redis_command == {"get": 1}


def test_what_is_done_at_rest_is_taken_off_and_nothing_is_negative() -> None:
    busy = Work(statements=100, fsyncs=3, by_redis_command={"get": 10, "ping": 4})
    rest = Work(statements=20, fsyncs=4, by_redis_command={"ping": 2})
    left = busy.without(rest, 2.0)
    assert (left.statements, left.fsyncs) == (60, 0)
    assert left.by_redis_command == {"get": 10}


@pytest.mark.parametrize("split", range(1, 50))
def test_an_answer_is_taken_when_all_of_it_is_there(split: int) -> None:
    whole = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
    part = whole[:split]
    assert complete(part, part.find(b"\r\n\r\n")) == (b"hello" if split >= len(whole) else None)


def test_figures_become_the_lines_of_plots() -> None:
    figures = [
        Figure("capacity", "tcp at 4000: push p99", 80, "ms"),
        Figure("capacity", "tcp at 500: push p99", 8, "ms"),
        Figure("capacity", "tcp at 4000: push p99", 90, "ms"),  # tried twice
        Figure("group/1000", "push p50", 15, "ms"),
        Figure("group/10", "push p50", 4, "ms"),
        Figure("history/10M", "page p50", 3, "ms"),
        Figure("history/100k", "page p50", 2, "ms"),
    ]
    assert rate_lines(figures) == {"tcp push p99": [(500, 8), (4000, 85)]}
    assert size_lines(figures) == {"push p50, ms": [(10, 4), (1000, 15)]}
    assert row_lines(figures) == {"p50": [(100_000, 2), (10_000_000, 3)]}
