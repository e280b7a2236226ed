"""One number for the versions of all groups of a user."""

from hypothesis import given
from hypothesis import strategies as st

from proto.groupsversion import groups_version

cursors = st.dictionaries(st.text(max_size=8), st.integers(0, 2**63), max_size=6)


def test_no_groups_are_zero() -> None:
    assert groups_version({}) == 0


def test_the_published_rule() -> None:
    """CRC-32 of "g1" is 0x3abbefa5 in every language: clients work this out themselves."""
    assert groups_version({"g1": 7}) == 0x3ABBEFA5 + 7


@given(cursors, st.integers(1, 1000))
def test_lagging_shows(known: dict[str, int], lag: int) -> None:
    for group in known:
        assert groups_version(known) != groups_version(known | {group: known[group] + lag})


def test_one_group_missed_and_another_left_unnoticed_show() -> None:
    assert groups_version({"g1": 3, "g2": 5}) != groups_version({"g3": 3, "g2": 5})
