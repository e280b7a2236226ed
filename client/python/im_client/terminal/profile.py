"""Who is logged in: a file only its owner can read, in the folder that also holds the messages."""

import json
import os
import re
from dataclasses import asdict, dataclass
from pathlib import Path

import httpx

TIMEOUT_S = 15.0


class LoginFailed(Exception):
    """The user centre said no; the text says why."""


class Unreachable(Exception):
    """The user centre did not answer."""


@dataclass(frozen=True, slots=True)
class Profile:
    """One logged-in user; `token` is a secret. `ca` is a PEM file to trust, or empty."""

    user: str
    token: str
    user_centre: str
    servers: list[str]
    ca: str = ""

    def store(self, home: Path) -> Path:
        """The file of this user's messages."""
        host = re.sub(r"[^A-Za-z0-9.-]+", "-", self.servers[0].partition("://")[2])
        user = re.sub(r"[^A-Za-z0-9.@+-]", lambda found: f"%{ord(found[0]):02x}", self.user)
        return home / f"{user}@{host}.db"


def home_of(given: str | None) -> Path:
    """The folder of the terminal client, made when it is missing."""
    base = given or os.environ.get("IM_HOME")
    home = Path(base) if base else Path.home() / ".im"
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    return home


def load(home: Path) -> Profile | None:
    """Who is logged in; None for nobody."""
    try:
        return Profile(**json.loads((home / "profile.json").read_text()))
    except FileNotFoundError:
        return None


def save(home: Path, profile: Profile) -> None:
    """Remember who is logged in; the file is only ever readable by its owner."""
    path = home / "profile.json"
    fresh = home / ".profile.json"
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(asdict(profile), file, indent=2)
    fresh.replace(path)


def forget(home: Path) -> None:
    """Nobody is logged in any more."""
    (home / "profile.json").unlink(missing_ok=True)


def fetch_token(url: str, user: str, password: str, ca: str = "") -> str:
    """A token from the user centre: POST {url}/login with user and password, as JSON."""
    try:
        with httpx.Client(verify=_trust(ca), timeout=TIMEOUT_S) as http:
            body = {"user": user, "password": password}
            answer = http.post(f"{url.rstrip('/')}/login", json=body)
    except httpx.HTTPError as error:
        raise Unreachable(str(error)) from error
    try:
        fields = answer.json()
    except ValueError:
        fields = {}
    if answer.is_success and isinstance(fields.get("token"), str):
        return str(fields["token"])
    raise LoginFailed(str(fields.get("message") or f"HTTP {answer.status_code}"))


def _trust(ca: str) -> "bool | str":
    return ca or True
