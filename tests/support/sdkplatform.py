"""The platform SDK tests share: browsers ping every second, polls last two."""

from collections.abc import Iterator

import pytest

from dev.services import MariaDB
from tests.support.cluster import Cluster

SETTINGS = {"IM_HEARTBEAT_WEB_S": "1", "IM_COMET_WAIT_S": "2", "IM_DRAIN_S": "1"}


@pytest.fixture(scope="module")
def platform_for_sdks(
    tmp_path_factory: pytest.TempPathFactory, mariadb: MariaDB
) -> Iterator[Cluster]:
    """Everything once; connections opened through it end with the module."""
    root = tmp_path_factory.mktemp("sdks")
    with Cluster(root, mariadb, env=SETTINGS) as cluster:
        yield cluster
