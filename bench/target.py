"""The running platform, as the scenarios see it, and the knobs that explore it."""

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass

import requests

from bench.stores import Stores
from dev.platform import Platform
from dev.services import MariaDB

USERS_PER_TOKEN_CALL = 5000
TOKENS_TIMEOUT_S = 120


@dataclass(frozen=True, slots=True)
class Target:
    """A running platform."""

    host: str
    ports: Mapping[str, int]  # by transport
    usercenter_url: str
    usercenter_secret: str
    pids: Mapping[str, int]
    platform: Platform
    mariadb: MariaDB
    stores: Stores

    def tokens(self, users: list[str]) -> list[str]:
        """A token of the user centre for each user."""
        tokens: dict[str, str] = {}
        for start in range(0, len(users), USERS_PER_TOKEN_CALL):
            answer = requests.post(
                f"{self.usercenter_url}/tokens",
                json={"users": users[start : start + USERS_PER_TOKEN_CALL]},
                headers={"Authorization": f"Bearer {self.usercenter_secret}"},
                timeout=TOKENS_TIMEOUT_S,
            )
            answer.raise_for_status()
            tokens |= answer.json()["tokens"]
        return [tokens[user] for user in users]


def knob(name: str, default: float) -> float:
    """A number from the environment, to explore; the targets are those of the default."""
    return float(os.environ.get(name) or default)


def users(scenario: str, count: int) -> list[str]:
    """Names nobody has had before."""
    run = f"{time.time_ns() // 1_000_000:x}"
    return [f"{scenario}-{run}-{number}" for number in range(count)]
