"""The shared scenarios fail with an SDK that does not do what they are about, where they should."""

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.cluster import Cluster
from tests.support.sdkdriver import PYTHON, SDK
from tests.support.sdkmutant import FAULTS
from tests.support.sdkplatform import platform_for_sdks  # noqa: F401
from tests.support.sdkscenario import SCENARIOS, Mismatch, Play

DEADLINE_S = 5.0
"""What has not happened then will not."""

FAILS = [
    ("newest_first", "tcp", "sends_keep_their_order", '"messages"'),
    ("newest_first", "comet", "sends_keep_their_order", '"messages"'),
    ("first_endpoint_only", "tcp", "fallback_to_the_next_endpoint", '"wait_ready"'),
    ("first_endpoint_only", "ws", "fallback_to_another_transport", "by the other road"),
    ("never_climbs", "tcp", "back_to_the_better_transport", '"times_heard"'),
    ("believes_every_push", "tls", "lost_push_seen_by_the_next", '"lost"'),
    ("believes_every_push", "ws", "lost_push_seen_by_the_next", '"lost"'),
    ("ignores_pongs", "tls", "lost_push_seen_by_the_pong", '"lost"'),
    ("ignores_pongs", "ws", "lost_group_push", '"lost"'),
    ("tells_again", "tcp", "duplicate_pushes", '"count": 3'),
    ("tells_again", "tls", "duplicate_pushes", '"count": 3'),
    ("tells_again", "comet", "duplicate_pushes", '"count": 3'),
    ("waits_for_ever", "tcp", "frozen_network", '"offline"'),
    ("waits_for_ever", "comet", "frozen_network", '"offline"'),
]
"""A fault, a transport, a scenario, and what the step says at which it must fail."""


@pytest.fixture(scope="module")
def failures(
    platform_for_sdks: Cluster,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[dict[tuple[str, str, str], str]]:
    """What each of them failed with; empty where it did not. They play side by side."""
    root = tmp_path_factory.mktemp("faults")

    def play(fault: str, transport: str, name: str) -> str:
        folder = root / f"{fault}-{transport}-{name}"
        folder.mkdir()
        return _failure(platform_for_sdks, fault, transport, name, folder)

    with ThreadPoolExecutor(5) as pool:
        keys = [(fault, transport, name) for fault, transport, name, _ in FAILS]
        yield dict(zip(keys, pool.map(lambda key: play(*key), keys), strict=True))


def _failure(cluster: Cluster, fault: str, transport: str, name: str, folder: Path) -> str:
    scenario = next(one for one in SCENARIOS if one["name"] == name)
    command = (sys.executable, "-m", "tests.support.sdkmutant", fault)
    sdk = SDK(PYTHON.name, command, PYTHON.transports)
    play = Play(cluster, sdk, transport, scenario, folder, DEADLINE_S)
    try:
        play.run()
    except Mismatch as mismatch:
        return str(mismatch).splitlines()[0]
    finally:
        play.close()
    return ""


@pytest.mark.parametrize(("fault", "transport", "name", "step"), FAILS)
def test_a_fault_is_found(
    failures: dict[tuple[str, str, str], str], fault: str, transport: str, name: str, step: str
) -> None:
    assert step in failures[fault, transport, name]


def test_no_fault_is_forgotten() -> None:
    assert {fault for fault, *_ in FAILS} == set(FAULTS)
