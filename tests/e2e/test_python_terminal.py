"""`im` in a terminal of 80 columns, against the real platform and its user centre."""

import stat
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest
import requests

from dev.clients.wait import wait_until
from dev.ports import free_port
from im_client.terminal.chat import PAGE
from im_client.terminal.profile import load, save
from tests.support.cluster import Cluster
from tests.support.sdkplatform import platform_for_sdks  # noqa: F401
from tests.support.sdkterminal import Screen, Terminal

PASSWORD = "secret words"
LONG = "a text that is much longer than one line of the screen " * 3
CHINESE = "这是一条很长的中文消息，每个字占两列，四十个字就满一行了，后面的内容必须换行显示。"


class Town:
    """People with terminals, signed up at the user centre."""

    def __init__(self, cluster: Cluster, folder: Path) -> None:
        self.cluster = cluster
        self._folder = folder
        self._screens: list[Screen] = []

    def signed_up(self, name: str, language: str = "en_GB.UTF-8") -> tuple[str, Terminal]:
        """A new user and their terminal, not logged in."""
        user = self.cluster.person(name)
        url = self.cluster.platform.url("usercenter")
        answer = requests.post(
            f"{url}/signup", json={"user": user, "password": PASSWORD, "name": user}, timeout=30
        )
        assert answer.status_code == 201
        return user, Terminal(self._folder / name, language)

    def logged_in(self, name: str, language: str = "en_GB.UTF-8") -> tuple[str, Terminal]:
        """The same, logged in."""
        user, terminal = self.signed_up(name, language)
        output = terminal.run(*self.login(user), typed=f"{PASSWORD}\n")
        assert user in output
        return user, terminal

    def login(self, user: str) -> list[str]:
        """The words of a login, with a fallback server."""
        platform = self.cluster.platform
        servers = [f"tcp://127.0.0.1:{platform.port('gateway')}", platform.url()]
        words = ["login", platform.url("usercenter"), "--user", user]
        return [*words, *(word for server in servers for word in ("--server", server))]

    def open(self, terminal: Terminal, *words: str) -> Screen:
        screen = terminal.open(*words)
        self._screens.append(screen)
        return screen

    def close(self) -> None:
        for screen in self._screens:
            screen.close()


@pytest.fixture
def town(platform_for_sdks: Cluster, tmp_path: Path) -> Iterator[Town]:
    found = Town(platform_for_sdks, tmp_path)
    try:
        yield found
    finally:
        found.close()


def test_logging_in(town: Town) -> None:
    user, terminal = town.signed_up("alice")
    assert "Log in first" in terminal.run("list", code=1)
    assert "wrong" in terminal.run(*town.login(user), typed="guess\n", code=1)
    assert f"Logged in as {user}." in terminal.run(*town.login(user), typed=f"{PASSWORD}\n")
    mode = (terminal.home / "profile.json").stat().st_mode
    assert stat.S_IMODE(mode) == 0o600, "the token is nobody else's"
    assert "No conversations yet." in terminal.run("list")
    assert "stay in" in terminal.run("logout")
    assert "Log in first" in terminal.run("list", code=1)


def test_sending_listing_and_reading(town: Town) -> None:
    alice, at_alices = town.logged_in("alice")
    bob, at_bobs = town.logged_in("bob", "zh_CN.UTF-8")
    assert f"Sent to {bob}." in at_alices.run("send", bob, LONG)
    at_alices.run("send", bob, CHINESE)
    at_alices.run("send", bob, "\x1b[2Jgone?\x07")
    listed = at_bobs.run("list")
    assert "(3)" in listed
    assert "\x1b" not in listed
    history = at_bobs.run("history", alice)
    assert history.count("much longer") == 3
    assert "".join(CHINESE.split()) in "".join(history.split()), "wide text is wrapped, not cut"
    assert "\x1b" not in history
    assert "你" in at_alices.run("--lang", "zh", "history", bob, "-n", "1")
    assert "INVALID_CONTENT" in at_alices.run("send", bob, "", code=1)
    assert "BAD_REQUEST" in at_alices.run("groups", "leave", "no group", code=1)


def test_groups(town: Town) -> None:
    alice, at_alices = town.logged_in("alice")
    bob, at_bobs = town.logged_in("bob")
    made = at_alices.run("groups", "create", "山友 hikers", bob)
    group = next(word for word in made.split() if word.startswith("#"))
    assert f"Sent to {group}." in at_alices.run("send", group, "at nine")
    listed = at_bobs.run("groups")
    assert group in listed
    assert "山友 hikers" in listed
    assert "2 members" in listed
    assert f"{alice}: at nine" in at_bobs.run("list")
    members = at_bobs.run("groups", "members", group)
    assert "owner" in next(line for line in members.splitlines() if alice in line)
    assert f"{alice} made the group" in at_bobs.run("history", group)
    screen = town.open(at_bobs, "chat", group)
    screen.wait(f"山友 hikers ({group})")
    screen.wait("at nine")
    screen.type("/quit")
    assert screen.end() == 0
    assert "Done." in at_bobs.run("groups", "leave", group)
    assert "You are in no group." in at_bobs.run("groups")
    assert f"You are in {group}." in at_bobs.run("groups", "join", group)


def test_files(town: Town, tmp_path: Path) -> None:
    alice, at_alices = town.logged_in("alice")
    bob, at_bobs = town.logged_in("bob")
    path = tmp_path / "report.pdf"
    path.write_bytes(b"x" * 2048)
    script = tmp_path / "store.sh"
    script.write_text(f'#!/bin/sh\ncp "$1" {tmp_path}/stored && echo files/by-command\n')
    script.chmod(0o755)
    # By hand, by a command, and by an address
    at_alices.run("send-file", bob, str(path), "--ref", "files/by-hand")
    at_alices.run("send-file", bob, str(path), "--upload", str(script))
    assert (tmp_path / "stored").read_bytes() == path.read_bytes()
    got: list[bytes] = []

    class Storage(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(201)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(b'{"ref": "files/by-address"}')

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Storage) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}/"
        at_alices.run("send-file", bob, str(path), "--upload-url", url)
        server.shutdown()
        thread.join()
    assert got == [path.read_bytes()]
    assert at_bobs.run("history", alice).count("[file] report.pdf (2.0 KB)") == 3
    assert "Say where files go" in at_alices.run("send-file", bob, str(path), code=1)
    assert "No such file" in at_alices.run("send-file", bob, "nothing", "--ref", "x", code=1)


def test_who_sends_with_a_login_that_is_over_is_told_so(town: Town) -> None:
    _, at_alices = town.logged_in("alice")
    profile = load(at_alices.home)
    assert profile is not None
    save(at_alices.home, replace(profile, token="stale"))
    assert "log in again" in at_alices.run("send", "bob", "hello", code=1)


def test_a_conversation(town: Town) -> None:
    alice, at_alices = town.logged_in("alice")
    bob, at_bobs = town.logged_in("bob")
    at_bobs.run("send", alice, "are you there?")
    mine, his = town.open(at_alices, "chat", bob), town.open(at_bobs, "chat", alice)
    mine.wait("are you there?")
    his.wait("connected (tcp)")
    mine.type("yes, here")
    his.wait("yes, here")
    mine.wait(f"{bob} has read this")
    his.type("good")
    mine.wait("good")
    mine.type("/recall")
    his.wait("recalled a message")
    mine.type("/what")
    mine.wait("No such command: /what")
    # A second im with the same messages is refused, in words
    assert "Another im has the messages" in at_alices.run("list", code=1)
    for screen in (mine, his):
        screen.type("/quit")
        assert screen.end() == 0
    assert "(0)" not in at_bobs.run("list")


def test_the_newest_message_is_taken_back_after_older_ones_were_shown(town: Town) -> None:
    # Given a conversation of which the screen shows a part
    alice, at_alices = town.logged_in("alice")
    bob, at_bobs = town.logged_in("bob")
    lines = [f"number {number}" for number in range(PAGE + 1)]
    at_alices.run("chat", bob, typed="\n".join([*lines, "/quit"]))
    mine = town.open(at_alices, "chat", bob)
    mine.wait(f"number {PAGE}")
    # When older ones are shown, and something is taken back
    assert "number 0" not in mine.text
    mine.type("/more")
    mine.wait("number 0")
    mine.type("/recall")
    mine.wait("recalled a message")
    mine.type("/quit")
    assert mine.end() == 0
    # Then it was the newest
    history = at_bobs.run("history", alice, "-n", "100")
    assert f"number {PAGE}" not in history
    assert "number 0" in history


def test_a_conversation_goes_on_when_the_server_is_back(town: Town) -> None:
    alice, at_alices = town.logged_in("alice")
    bob, at_bobs = town.logged_in("bob")
    mine = town.open(at_alices, "chat", bob)
    mine.wait("connected (tcp)")
    town.cluster.platform.kill("gateway")
    try:
        mine.wait("connection lost")
        mine.type("said meanwhile")
        wait_until(lambda: "said meanwhile" in at_bobs.run("history", alice), what="the message")
        mine.wait("connected (comet)")
    finally:
        town.cluster.mend()
    mine.type("/quit")
    assert mine.end() == 0


def test_what_waits_can_be_seen_and_taken_back(town: Town) -> None:
    # Given a terminal whose server is not there
    alice, terminal = town.signed_up("alice")
    login = ["login", town.cluster.platform.url("usercenter"), "--user", alice]
    server = f"tcp://127.0.0.1:{free_port()}"
    terminal.run(*login, "--server", server, typed=f"{PASSWORD}\n")
    assert "Nothing waits to be sent." in terminal.run("outbox")
    screen = town.open(terminal, "chat", "bob")
    screen.wait("No messages yet.")
    # When something is written, it is shown as waiting, and can be taken back
    screen.type("a slip")
    screen.wait("… a slip")
    screen.type("/recall")
    screen.wait("taken back before it was sent: a slip")
    screen.type("at nine then")
    screen.wait("… at nine then")
    screen.type("/quit")
    assert screen.end() == 0
    # Then what is left waits in the outbox, until it is taken back too
    (line,) = terminal.run("outbox").splitlines()
    assert "not sent yet" in line
    assert "at nine then" in line
    key = line.split()[0]
    assert "Nothing in the outbox" in terminal.run("outbox", "--forget", "zz", code=1)
    assert "Taken back" in terminal.run("outbox", "--forget", key)
    assert "Nothing waits to be sent." in terminal.run("outbox")


def test_watching_frames(town: Town) -> None:
    _, at_alices = town.logged_in("alice")
    bob, at_bobs = town.logged_in("bob")
    screen = town.open(at_bobs, "watch", "--seconds", "60")
    screen.wait("online tcp")
    screen.wait("← auth")
    token = town.cluster.token(bob)
    at_alices.run("send", bob, "look")
    screen.wait("← push_messages")
    assert "token" not in screen.text
    assert token[:20] not in screen.text
    screen.close()
    assert "push_" not in at_bobs.run("watch", "--seconds", "1")
