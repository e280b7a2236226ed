"""What a broken or hostile server at the user centre's address can do: nothing but be down."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import pytest
import redis

from dev.services import Redis
from models import keys
from models.errors import Code
from models.usercentre.client import ANSWER_BYTES_MAX, CALLS_MAX, UserCentreClient, UserCentreDown
from models.usercentre.profiles import Profiles
from models.usercentre.tokens import TokenVerifier
from tests.usercentre_kit import SigningKey, make_settings, refusal, wait_until

KEY = SigningKey()
FAKE_DB = 9


class Hostile(BaseHTTPRequestHandler):
    """Misbehaves as the path says; `seen` records path and Authorization header of each call."""

    protocol_version = "HTTP/1.1"
    seen: ClassVar[list[tuple[str, str | None]]] = []
    over: ClassVar[threading.Event]

    def do_GET(self) -> None:
        name = self.path.strip("/")
        self.seen.append((name, self.headers["Authorization"]))
        self.rfile.read(int(self.headers["Content-Length"] or 0))
        with suppress(OSError):
            getattr(self, f"do_{name}")()
        self.close_connection = True

    do_POST = do_GET

    def answer(self, body: bytes, status: int = 200, **headers: str) -> None:
        self.send_response(status)
        for header, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(header.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def do_jwks(self) -> None:
        self.answer(json.dumps({"keys": [KEY.jwk]}).encode())

    def do_redirect(self) -> None:
        self.answer(b"", 302, Location="/jwks")

    def do_huge(self) -> None:
        self.answer(b"{" + b" " * (ANSWER_BYTES_MAX + 1) + b"}")

    def do_endless(self) -> None:
        self.send_response(200)
        self.end_headers()
        while not self.over.is_set():
            self.wfile.write(b" " * 65536)

    def do_zipped(self) -> None:
        self.answer(b"\x1f\x8b", Content_Encoding="gzip")

    def do_list(self) -> None:
        self.answer(b"[]")

    def do_text(self) -> None:
        self.answer(b"<html>")

    def do_deep(self) -> None:
        self.answer(b"[" * 100_000)

    def do_fault(self) -> None:
        self.answer(b"{}", 500)

    def do_short(self) -> None:
        self.answer(b"{", Content_Length="100")

    def do_silent(self) -> None:
        self.over.wait()

    def do_drip(self) -> None:
        self.send_response(200)
        self.end_headers()
        while not self.over.wait(0.02):
            self.wfile.write(b" ")

    def do_drip_headers(self) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\n")
        while not self.over.wait(0.02):
            self.wfile.write(b"X")

    def do_garbage(self) -> None:
        self.wfile.write(b"\x00\xff" * 100)

    def do_profiles(self) -> None:
        entries = [
            None,
            {"user": ["bob"]},
            {"user": "uninvited", "name": "x"},
            {"user": "alice", "name": "n" * 500, "avatar": "a" * 5000},
            {"user": "bob", "name": "\ud800!", "avatar": 7},
        ]
        self.answer(json.dumps({"profiles": entries}).encode())

    def log_message(self, format: str, *args: Any) -> None:
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False


@pytest.fixture
def hostile() -> Iterator[str]:
    Hostile.seen.clear()
    Hostile.over = threading.Event()
    server = Server(("127.0.0.1", 0), Hostile)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        Hostile.over.set()
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("redirect", "status 302"),
        ("huge", "answer too large"),
        ("endless", "answer too large"),
        ("zipped", "compressed answer"),
        ("list", "not a JSON object"),
        ("text", "not JSON"),
        ("deep", "not JSON"),
        ("short", ""),
        ("fault", "status 500"),
        ("garbage", "ConnectionError"),
    ],
)
def test_a_broken_answer_counts_as_down(hostile: str, path: str, reason: str) -> None:
    client = UserCentreClient(make_settings())
    with pytest.raises(UserCentreDown) as caught:
        client.get(f"{hostile}/{path}")
    assert reason in caught.value.reason
    assert hostile not in caught.value.message
    assert {name for name, _ in Hostile.seen} == {path}, "nothing else was fetched"


@pytest.mark.parametrize("path", ["silent", "drip", "drip_headers"])
def test_a_slow_answer_ends_at_the_timeout(hostile: str, path: str) -> None:
    client = UserCentreClient(make_settings(usercenter_timeout_s=0.2))
    with pytest.raises(UserCentreDown, match="timeout"):
        client.get(f"{hostile}/{path}")


def test_a_server_that_never_accepts_ends_at_the_timeout() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
        client = UserCentreClient(make_settings(usercenter_timeout_s=0.2))
        with pytest.raises(UserCentreDown, match="timeout"):
            client.get(f"http://127.0.0.1:{full.getsockname()[1]}/")
        for filler in fillers:
            filler.close()


def test_calls_are_bounded_and_an_abandoned_one_gives_its_place_back_when_it_ends(
    hostile: str,
) -> None:
    client = UserCentreClient(make_settings(usercenter_timeout_s=0.2))
    for _ in range(CALLS_MAX):
        client._slots.acquire()
    with pytest.raises(UserCentreDown, match="too many calls"):
        client.get(f"{hostile}/jwks")
    client._slots.release()
    with pytest.raises(UserCentreDown, match="timeout"):
        client.get(f"{hostile}/drip_headers")
    Hostile.over.set()

    def answers() -> bool:
        with suppress(UserCentreDown):
            return "keys" in client.get(f"{hostile}/jwks")
        return False

    wait_until(answers)


def test_the_secret_is_kept_from_the_public_keys_and_shown_to_the_rest(hostile: str) -> None:
    verifier = TokenVerifier(make_settings(jwks_url=f"{hostile}/jwks"))
    assert verifier.verify(KEY.sign()).user == "alice"
    asking = make_settings(token_mode="introspection", introspection_url=f"{hostile}/list")
    assert refusal(TokenVerifier(asking), "opaque") is Code.UNAVAILABLE
    assert Hostile.seen == [("jwks", None), ("list", "Bearer s3cret")]


def test_keys_behind_a_redirect_are_not_fetched(hostile: str) -> None:
    verifier = TokenVerifier(make_settings(jwks_url=f"{hostile}/redirect"))
    assert refusal(verifier, KEY.sign()) is Code.UNAVAILABLE
    assert [name for name, _ in Hostile.seen] == ["redirect"]


@pytest.fixture
def cache(redis_server: Redis) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_server.url(FAKE_DB)) as client:
        client.flushdb()
        yield client


def test_hostile_profiles_are_clipped_and_the_uninvited_left_out(
    hostile: str, cache: redis.Redis
) -> None:
    profiles = Profiles(make_settings(profiles_url=f"{hostile}/profiles"), cache)
    for _ in ("fetched", "cached"):
        found = profiles.get(["alice", "bob", "carol"])
        assert found.keys() == {"alice", "bob"}
        assert (len(found["alice"].name), len(found["alice"].avatar)) == (128, 1024)
        assert (found["bob"].name, found["bob"].avatar) == ("?!", "")
    assert [name for name, _ in Hostile.seen] == ["profiles"]
    assert cache.get(keys.profile("carol")) == b""
    assert not cache.exists(keys.profile("uninvited"))


@pytest.mark.parametrize("path", ["redirect", "text", "list", "jwks", "huge"])
def test_profiles_never_raise(hostile: str, path: str, cache: redis.Redis) -> None:
    cache.set(keys.profile("bob"), b'{"name": "Bob"}')
    profiles = Profiles(make_settings(profiles_url=f"{hostile}/{path}"), cache)
    assert profiles.get(["alice", "bob"]).keys() == {"bob"}
    assert profiles.get(["alice", "bob"]).keys() == {"bob"}
    assert len(Hostile.seen) == 1, "a failure is remembered"
