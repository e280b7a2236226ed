"""Both SDKs do what tests/e2e/scenarios.json says, over each of their transports."""

from collections.abc import Iterator
from typing import cast

import pytest

from tests.support.cluster import Cluster
from tests.support.sdkconcert import Concert, Part, parts
from tests.support.sdkplatform import platform_for_sdks  # noqa: F401


@pytest.fixture(scope="module")
def concert(
    request: pytest.FixtureRequest,
    platform_for_sdks: Cluster,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Concert]:
    """What was selected of this module begins to play."""
    asked = [
        cast(Part, item.callspec.params["part"])
        for item in request.session.items
        if item.path == request.path and isinstance(item, pytest.Function)
    ]
    opened = Concert(platform_for_sdks, tmp_path_factory.mktemp("plays"), asked)
    yield opened
    opened.close()


@pytest.mark.parametrize("part", list(parts()), ids=lambda part: part.name)
def test_scenario(concert: Concert, part: Part) -> None:
    concert.check(part)
