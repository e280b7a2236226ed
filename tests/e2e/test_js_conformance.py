"""The scenarios both SDKs share, with the transports the JavaScript SDK falls back to."""

from pathlib import Path
from typing import Any

import pytest

from tests.support.cluster import Cluster
from tests.support.sdkdriver import SDK
from tests.support.sdkplatform import platform_for_sdks  # noqa: F401
from tests.support.sdkscenario import SCENARIOS, Play

DRIVER = "client/js/conformance/driver.mjs"
FALLBACKS = {
    name: SDK("js", ("env", f"IM_DRIVER_TRANSPORTS={name}", "node", DRIVER), ("comet",))
    for name in ("events", "comet")
}
OVER_HTTP = [
    scenario
    for scenario in SCENARIOS
    if "js" in scenario.get("sdks", ["js"])
    and "comet" in scenario.get("transports", ["comet"])
    and not any("endpoints" in device for device in scenario["devices"].values())
]


@pytest.mark.parametrize("transport", FALLBACKS)
@pytest.mark.parametrize("scenario", OVER_HTTP, ids=lambda scenario: str(scenario["name"]))
def test_scenario(
    platform_for_sdks: Cluster,
    scenario: dict[str, Any],
    transport: str,
    tmp_path: Path,
) -> None:
    play = Play(platform_for_sdks, FALLBACKS[transport], "comet", scenario, tmp_path)
    try:
        play.run()
    finally:
        play.close()
