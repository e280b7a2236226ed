"""A page is read in parts: all of what fits, and little more than that."""

from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.content import CONTENT_BYTES_MAX
from models.log import Row
from models.messages import message_view
from models.usecases.reading import ANSWER_BYTES_MAX, LIMIT_MAX, PART_ROWS, fit, read_page

SIZES = st.one_of(
    st.lists(st.integers(0, 300), max_size=450),
    st.lists(st.sampled_from([0, 10, 4000, CONTENT_BYTES_MAX]), max_size=450),
)


def log_of(sizes: list[int]) -> list[Row]:
    """Rows with the least that they can hold beside content of these sizes."""
    return [
        Row(bytes(16), version, "s", "a", "b", 0, b"x" * size, 1, 0)
        for version, size in enumerate(sizes, 1)
    ]


def behind(log: list[Row], last: Row | None, count: int) -> list[Row]:
    """As the stores read: up to `count` rows behind one."""
    start = last.version if last else 0
    return log[start : start + count]


@given(SIZES, st.integers(1, LIMIT_MAX))
def test_pages_hold_each_row_once_and_as_many_as_fit(sizes: list[int], limit: int) -> None:
    log, reached, more = log_of(sizes), 0, True
    while more:
        # When: the next page is read, as a client does until it is told that there are no more
        held: list[int] = []

        def read(
            last: Row | None, count: int, held: list[int] = held, at: int = reached
        ) -> list[Row]:
            start = last.version if last else at
            held.append(count)
            return log[start : start + count]

        rows = read_page(read, limit)
        views = [message_view(row) for row in rows[:limit]]
        count, more = fit(views), fit(views) < len(rows)

        # Then: it begins where the last one ended and holds what one read of them all would
        whole = [message_view(row) for row in log[reached : reached + limit]]
        assert views[:count] == whole[: fit(whole)]
        reached += count
        assert more == (reached < len(log))
        assert held[0] <= PART_ROWS
        assert len(held) <= LIMIT_MAX // PART_ROWS + 1
    assert reached == len(log)


def test_of_large_messages_few_are_read() -> None:
    log = log_of([CONTENT_BYTES_MAX] * 300)
    rows = read_page(partial(behind, log), LIMIT_MAX)
    assert len(rows) == PART_ROWS


def test_of_others_about_as_many_as_fit() -> None:
    log = log_of([400] * 300)
    rows = read_page(partial(behind, log), LIMIT_MAX)
    assert len(rows) < 1.3 * fit([message_view(row) for row in log])


@pytest.mark.parametrize(
    ("sizes", "parts"),
    [
        ([60] * 300, [PART_ROWS, LIMIT_MAX + 1 - PART_ROWS]),
        ([1700] * PART_ROWS + [0] * 300, [PART_ROWS] * 2),  # little room, as it looks
    ],
    ids=["small", "smaller behind"],
)
def test_a_page_is_read_in_few_parts(sizes: list[int], parts: list[int]) -> None:
    counts: list[int] = []

    def read(last: Row | None, count: int) -> list[Row]:
        counts.append(count)
        return behind(log, last, count)

    log = log_of(sizes)
    read_page(read, LIMIT_MAX)
    assert counts[: len(parts)] == parts
    assert len(counts) <= LIMIT_MAX // PART_ROWS + 1


def test_a_page_that_ends_with_a_part_is_not_taken_for_the_last() -> None:
    log = log_of([900] * PART_ROWS + [0] * (PART_ROWS + 1))
    assert read_page(partial(behind, log), 2 * PART_ROWS) == log


def test_rows_that_just_fit_are_not_taken_for_all() -> None:
    log = log_of([ANSWER_BYTES_MAX // PART_ROWS - 62] * (PART_ROWS + 1))
    assert fit([message_view(row) for row in log]) == PART_ROWS
    rows = read_page(partial(behind, log), LIMIT_MAX)
    assert rows == log
