"""The user-centre clients against a real `dev.usercenter` process and a real Redis."""

import os
import sqlite3
import stat
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import redis
import requests

from dev.child import Child
from dev.environment import ROOT, base_environment
from dev.ports import free_port
from dev.services import Redis
from dev.usercenter_store import REVOCATIONS_PAGE
from models import keys
from models.errors import Code
from models.redisclient import open_redis
from models.settings import Settings
from models.usercentre.client import UserCentreDown
from models.usercentre.profiles import Profiles
from models.usercentre.revocations import Revalidator, Revocation, RevocationFeed
from models.usercentre.tokens import TokenVerifier
from tests.usercentre_kit import Clock, make_settings, refusal, wait_until

SECRET = "a secret for tests"
FAKE_DB = 9


class Centre:
    """One development user centre with a folder and a port of its own."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.url = f"http://127.0.0.1:{(port := free_port())}"
        env = base_environment() | {
            "IM_USERCENTER_PORT": str(port),
            "IM_USERCENTER_DB": str(root / "users.db"),
            "IM_USERCENTER_SECRET": SECRET,
        }
        command = [sys.executable, "-m", "dev.usercenter"]
        self.child = Child(command, env=env, cwd=ROOT, log=root / "log")

    def start(self) -> None:
        self.child.start()
        wait_until(self._answers)

    def _answers(self) -> bool:
        assert self.child.alive, (self.root / "log").read_text()
        try:
            return requests.get(f"{self.url}/healthz", timeout=5).ok
        except requests.ConnectionError:
            return False

    def post(self, path: str, body: Any = None, bearer: str = "") -> requests.Response:
        headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
        return requests.post(f"{self.url}{path}", json=body, headers=headers, timeout=20)

    def token(self, user: str, ttl_s: int = 3600) -> str:
        answer = self.post("/tokens", {"users": [user], "ttl_s": ttl_s}, SECRET)
        return str(answer.json()["tokens"][user])

    def settings(self, **changes: Any) -> Settings:
        return make_settings(
            **{
                "jwks_url": f"{self.url}/jwks.json",
                "introspection_url": f"{self.url}/introspect",
                "revocations_url": f"{self.url}/revocations",
                "revocations_poll_s": 0.05,
                "profiles_url": f"{self.url}/profiles",
                "usercenter_secret": SECRET,
                "token_issuer": "im-usercenter",
                "token_audience": "",
            }
            | changes
        )


@pytest.fixture
def centre(tmp_path: Path) -> Iterator[Centre]:
    centre = Centre(tmp_path)
    try:
        centre.start()
        yield centre
    finally:
        centre.child.stop()


@pytest.fixture
def cache(redis_server: Redis) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_server.url(FAKE_DB)) as client:
        client.flushdb()
        yield client


def sign_up(centre: Centre, user: str, **profile: str) -> str:
    """A token of a user who signed up and logged in."""
    body = {"user": user, "password": "correct horse"}
    assert centre.post("/signup", body | profile).status_code == 201
    return str(centre.post("/login", body).json()["token"])


@pytest.mark.parametrize("mode", ["jwt", "introspection"])
def test_a_log_in_is_verified(centre: Centre, mode: str) -> None:
    token = sign_up(centre, "alice")
    identity = TokenVerifier(centre.settings(token_mode=mode)).verify(token)
    assert identity.user == "alice"
    assert identity.expires_at - identity.issued_at > 23 * 3600
    assert len(identity.token_id) == 32


def test_tokens_and_accounts_survive_a_restart(centre: Centre) -> None:
    token = sign_up(centre, "alice")
    assert centre.post("/logout", bearer=(gone := centre.token("bob"))).ok
    centre.child.kill()
    centre.start()
    verifier = TokenVerifier(centre.settings(token_mode="introspection"))
    assert verifier.verify(token).user == "alice"
    assert refusal(verifier, gone) is Code.UNAUTHENTICATED
    assert TokenVerifier(centre.settings()).verify(token).user == "alice"
    for name in ("users.db", "users.pem"):
        assert stat.S_IMODE((centre.root / name).stat().st_mode) == 0o600


def test_verified_tokens_outlive_the_user_centre_and_new_ones_wait(centre: Centre) -> None:
    token, other = centre.token("alice"), centre.token("bob")
    by_key = TokenVerifier(centre.settings())
    by_asking = TokenVerifier(centre.settings(token_mode="introspection"))
    by_key.verify(token)
    by_asking.verify(token)
    centre.child.kill()
    assert by_key.verify(other).user == "bob"
    assert by_asking.verify(token).user == "alice"
    assert refusal(by_asking, other) is Code.UNAVAILABLE


def test_the_wrong_secret_is_unavailable_and_not_a_refusal_of_the_token(centre: Centre) -> None:
    settings = centre.settings(token_mode="introspection", usercenter_secret="wrong")
    assert refusal(TokenVerifier(settings), centre.token("alice")) is Code.UNAVAILABLE


def test_the_feed_carries_revocations_to_a_running_loop(centre: Centre) -> None:
    feed = RevocationFeed(centre.settings())
    verifier = TokenVerifier(centre.settings(), is_revoked=feed.is_revoked)
    logged_out, everywhere, kept = (centre.token(user) for user in ("alice", "bob", "carol"))
    identities = [verifier.verify(token) for token in (logged_out, everywhere, kept)]
    entries: list[Revocation] = []
    stop = threading.Event()
    loop = threading.Thread(target=feed.run, args=(entries.extend, stop), daemon=True)
    loop.start()
    try:
        assert centre.post("/logout", bearer=logged_out).ok
        wait_until(lambda: len(entries) == 1)
        centre.child.kill()
        centre.start()
        assert centre.post("/revoke", {"user": "bob"}, SECRET).ok
        wait_until(lambda: len(entries) == 2)
    finally:
        stop.set()
        loop.join(10)
    assert [entries[0].ends(i) for i in identities] == [True, False, False]
    assert [entries[1].ends(i) for i in identities] == [False, True, False]
    assert refusal(verifier, logged_out) is Code.TOKEN_REVOKED
    assert refusal(verifier, everywhere) is Code.TOKEN_REVOKED
    assert verifier.verify(kept).user == "carol"
    assert verifier.verify(centre.token("bob")).user == "bob"


def test_the_feed_is_paged_and_revokes_by_token_and_by_id(centre: Centre) -> None:
    token = centre.token("alice")
    identity = TokenVerifier(centre.settings()).verify(token)
    form = {"token": token}
    headers = {"Authorization": f"Bearer {SECRET}"}
    assert requests.post(f"{centre.url}/revoke", data=form, headers=headers, timeout=5).ok
    assert centre.post("/revoke", {"token_id": "id"}, SECRET).ok
    with sqlite3.connect(centre.root / "users.db") as store:
        store.executemany(
            "INSERT INTO revocations (token_id, expires_at) VALUES (?, ?)",
            [(f"id{number}", identity.expires_at) for number in range(REVOCATIONS_PAGE)],
        )
    store.close()
    feed = RevocationFeed(centre.settings())
    assert len(feed.poll()) == REVOCATIONS_PAGE + 2
    assert feed.is_revoked(identity)
    assert feed.poll() == []


def test_live_tokens_are_asked_about_where_there_is_no_feed(centre: Centre) -> None:
    settings = centre.settings(token_mode="introspection", revocations_url="")
    verifier = TokenVerifier(settings)
    tokens = [centre.token(user) for user in ("alice", "bob", "carol")]
    live = {token: verifier.verify(token) for token in tokens}
    assert centre.post("/logout", bearer=tokens[1]).ok
    ended: list[Revocation] = []
    stop = threading.Event()

    def on_revoked(entries: Sequence[Revocation]) -> None:
        ended.extend(entries)
        stop.set()

    Revalidator(settings, verifier).run(lambda: live, on_revoked, stop)
    assert [entry.token_id for entry in ended] == [live[tokens[1]].token_id]
    centre.child.kill()
    assert Revalidator(settings, verifier).check(live) == []


def test_profiles_are_fetched_in_batches_and_cached(centre: Centre, cache: redis.Redis) -> None:
    token = sign_up(centre, "alice", name="Alice", avatar="https://a.example/1.png")
    strangers = [f"stranger{number}" for number in range(230)]
    profiles = Profiles(centre.settings(profile_cache_s=77), cache)
    found = profiles.get([*strangers, "alice", "alice"])
    assert {user: (p.user, p.name, p.avatar) for user, p in found.items()} == {
        "alice": ("alice", "Alice", "https://a.example/1.png")
    }
    assert cache.dbsize() == 231
    assert 0 < cache.ttl(keys.profile("alice")) <= 77
    assert cache.get(keys.profile("stranger0")) == b""

    assert centre.post("/profile", {"name": "Alicia"}, token).json()["name"] == "Alicia"
    assert profiles.get(["alice"])["alice"].name == "Alice", "the cache answers"
    cache.delete(keys.profile("alice"))
    assert profiles.get(["alice"])["alice"].name == "Alicia"
    centre.child.kill()
    assert profiles.get(["alice", "new"]).keys() == {"alice"}


def test_a_user_centre_that_is_down_is_left_alone_for_a_while(
    centre: Centre, cache: redis.Redis
) -> None:
    sign_up(centre, "alice")
    clock = Clock()
    profiles = Profiles(centre.settings(), cache, clock=clock)
    centre.child.kill()
    assert profiles.get(["alice"]) == {}
    centre.start()
    assert profiles.get(["alice"]) == {}
    clock.now += 5
    assert profiles.get(["alice"]).keys() == {"alice"}


def test_profiles_need_neither_cache_nor_url(centre: Centre) -> None:
    sign_up(centre, "alice")
    dead = open_redis(centre.settings(redis_url=f"redis://127.0.0.1:{free_port()}/0"))
    assert Profiles(centre.settings(), dead).get(["alice"])["alice"].name == "alice"
    assert Profiles(centre.settings(profiles_url=""), dead).get(["alice"]) == {}


def test_a_cache_entry_that_is_none_is_fetched_again(centre: Centre, cache: redis.Redis) -> None:
    sign_up(centre, "alice")
    for broken in (b"\xff", b"{", b"[]", b"7"):
        cache.set(keys.profile("alice"), broken)
        assert Profiles(centre.settings(), cache).get(["alice"])["alice"].name == "alice"


def test_the_client_takes_no_proxy_from_the_environment(
    centre: Centre, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(os.environ, "http_proxy", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setitem(os.environ, "no_proxy", "")
    verifier = TokenVerifier(centre.settings())
    with requests.Session() as session:
        session.trust_env = False
        headers = {"Authorization": f"Bearer {SECRET}"}
        answer = session.post(
            f"{centre.url}/tokens", json={"users": ["alice"]}, headers=headers, timeout=5
        )
    assert verifier.verify(answer.json()["tokens"]["alice"]).user == "alice"


def test_a_feed_that_is_down_says_so(centre: Centre) -> None:
    centre.child.kill()
    with pytest.raises(UserCentreDown):
        RevocationFeed(centre.settings()).poll()
