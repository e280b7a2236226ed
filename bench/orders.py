"""How a load generator's process and whoever started it talk: one JSON object per line."""

import json
import sys
from typing import Any


def tell(**event: Any) -> None:
    """Say what has happened."""
    print(json.dumps(event), flush=True)


def agreed_start_s() -> float:
    """Wait for the moment at which all load generators start, on the clock they share."""
    return float(json.loads(sys.stdin.readline()))
