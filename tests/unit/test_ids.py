"""Ids and names: what is accepted, and that message ids sort like the log."""

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import Code, IMError
from models.ids import (
    FIRST_ID,
    LAST_ID,
    NO_ID,
    born_version,
    check_message_id,
    check_sequence,
    check_user,
    message_id,
    message_time_ms,
)

TIME = st.integers(0, (1 << 48) - 1)
SHARD = st.integers(0, 4095)
VERSION = st.integers(0, (1 << 62) - 1)


@given(TIME, SHARD, VERSION)
def test_a_message_id_is_a_uuid_of_version_8_that_tells_its_time(
    time_ms: int, shard: int, version: int
) -> None:
    made = message_id(time_ms, shard, version)
    assert check_message_id(made) == made
    assert FIRST_ID < made < LAST_ID
    assert message_time_ms(made) == time_ms
    assert born_version(bytes.fromhex(made)) == version
    parsed = uuid.UUID(hex=made)
    assert (parsed.version, parsed.variant) == (8, uuid.RFC_4122)


@given(TIME, TIME, SHARD, VERSION, VERSION)
def test_ids_of_one_shard_sort_by_time_then_version(
    first_ms: int, second_ms: int, shard: int, first: int, second: int
) -> None:
    by_log = (first_ms, first) < (second_ms, second)
    assert by_log == (message_id(first_ms, shard, first) < message_id(second_ms, shard, second))


@pytest.mark.parametrize(
    ("time_ms", "shard", "version"), [(-1, 0, 0), (1 << 48, 0, 0), (0, 4096, 0), (0, 0, 1 << 62)]
)
def test_what_does_not_fit_is_a_fault_of_ours(time_ms: int, shard: int, version: int) -> None:
    with pytest.raises(ValueError, match="out of range"):
        message_id(time_ms, shard, version)


@pytest.mark.parametrize("user", ["a", "alice@example.com", "ou_1|x=y:z", "A" * 64])
def test_user_ids(user: str) -> None:
    assert check_user(user) == user


@pytest.mark.parametrize("user", ["", "a b", "{a}", "é", "a\n", "A" * 65, "a/b"])
def test_what_is_no_user_id(user: str) -> None:
    with pytest.raises(IMError) as caught:
        check_user(user)
    assert caught.value.code is Code.BAD_REQUEST


@pytest.mark.parametrize("sequence", ["", "a b", "é", "x" * 65, "a\n"])
def test_what_is_no_sequence(sequence: str) -> None:
    with pytest.raises(IMError):
        check_sequence(sequence)


@pytest.mark.parametrize("bad", ["", "0" * 31, "0" * 33, "G" * 32, "A" * 32])
def test_what_is_no_message_id(bad: str) -> None:
    with pytest.raises(IMError):
        check_message_id(bad)


def test_no_id_was_born_before_every_version() -> None:
    assert born_version(NO_ID) == 0
