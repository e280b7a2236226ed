"""The commands of the `Procfile` and the environment they need on a developer's machine."""

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from honcho.environ import parse_procfile

ROOT = Path(__file__).resolve().parent.parent


def commands() -> dict[str, str]:
    """Process name to shell command, as in the `Procfile`."""
    return dict(parse_procfile((ROOT / "Procfile").read_text()).processes)


def base_environment() -> dict[str, str]:
    """Our own environment without the platform's settings, and with `.venv`'s commands first."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("IM_")}
    env["PATH"] = f"{Path(sys.executable).parent}:{env.get('PATH', os.defpath)}"
    env["PYTHONUNBUFFERED"] = "1"
    env["PYTHONWARNINGS"] = "ignore:You're running the worker with superuser"
    return env


def store_settings(mysql_urls: Sequence[str], redis_url: str) -> dict[str, str]:
    return {"IM_MYSQL_URL": ",".join(mysql_urls), "IM_REDIS_URL": redis_url}


def usercenter_settings(port: int, secret: str, database: Path) -> dict[str, str]:
    """What makes the platform use the development user centre, and that one listen on `port`.

    `database` is the file where the user centre keeps its users.
    """
    url = f"http://127.0.0.1:{port}"
    return {
        "IM_USERCENTER_PORT": str(port),
        "IM_USERCENTER_SECRET": secret,
        "IM_USERCENTER_DB": str(database),
        "IM_JWKS_URL": f"{url}/jwks.json",
        "IM_REVOCATIONS_URL": f"{url}/revocations",
        "IM_PROFILES_URL": f"{url}/profiles",
        "IM_PAGE_USERCENTER_URL": url,
    }


def names_usercenter(env: Mapping[str, str]) -> bool:
    """Whether the settings name a user centre, so that ours is not needed."""
    return bool(env.get("IM_JWKS_URL") or env.get("IM_INTROSPECTION_URL"))
