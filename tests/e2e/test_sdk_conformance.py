"""Both SDKs do what tests/e2e/scenarios.json says, over each of their transports."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.cluster import Cluster
from tests.support.sdkdriver import SDK, SDKS
from tests.support.sdkplatform import platform_for_sdks  # noqa: F401
from tests.support.sdkscenario import SCENARIOS, Play


def _plays() -> Iterator[Any]:
    for sdk in SDKS:
        for scenario in SCENARIOS:
            if sdk.name not in scenario.get("sdks", [sdk.name]):
                continue
            for transport in sdk.transports:
                if transport in scenario.get("transports", sdk.transports):
                    yield pytest.param(
                        sdk, scenario, transport, id=f"{sdk.name}-{transport}-{scenario['name']}"
                    )


@pytest.mark.parametrize(("sdk", "scenario", "transport"), list(_plays()))
def test_scenario(
    platform_for_sdks: Cluster,
    sdk: SDK,
    scenario: dict[str, Any],
    transport: str,
    tmp_path: Path,
) -> None:
    if not sdk.is_here:
        pytest.skip(f"there is no driver of the SDK {sdk.name}")
    play = Play(platform_for_sdks, sdk, transport, scenario, tmp_path)
    try:
        play.run()
    finally:
        play.close()
