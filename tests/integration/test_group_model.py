"""Fifty users do in groups what they like, all at once; all they see is what the logs say.

The model is made of the groups' logs alone (chaos/groupmodel.py), so it knows nothing of
indexes, windows, counts and pushes.
"""

from collections.abc import Iterator

import pytest

from dev.services import MariaDB
from tests.support import grouptruth
from tests.support.cluster import Cluster
from tests.support.groupload import GroupLoad

WEBS = ("web", "web.2")


@pytest.fixture(scope="module", params=["500", "0"], ids=["fan-out", "derived"])
def counting(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, mariadb: MariaDB
) -> Iterator[Cluster]:
    """A platform that keeps the members' counts up to date, and one that makes them when asked."""
    with Cluster(
        tmp_path_factory.mktemp("counting"),
        mariadb,
        processes=("usercenter", "worker", "beat", *WEBS),
        env={"IM_GROUP_FANOUT_MAX": request.param, "IM_GROUP_CACHE_MESSAGES": "50"},
    ) as cluster:
        yield cluster


@pytest.mark.slow
def test_fifty_users_at_once(counting: Cluster) -> None:
    # When
    with GroupLoad(counting, webs=WEBS) as load:
        load.finish()

        # Then
        grouptruth.check(load)
    counting.hang_up()
    met = {op.error for op in load.ops}
    assert {"", "NOT_FOUND", "FORBIDDEN", "MUTED", "DISBANDED"} <= met, met
