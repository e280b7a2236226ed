"""The revocation feed and the re-asking of live tokens, against a scripted user centre."""

import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from models.errors import Code, IMError
from models.usercentre.client import UserCentreDown
from models.usercentre.revocations import (
    FAILED_RECHECKS_MAX,
    RECHECKS_AT_ONCE,
    Revalidator,
    Revocation,
    RevocationFeed,
)
from models.usercentre.tokens import Identity, TokenVerifier
from tests.usercentre_kit import ScriptedClient, down, good_claims, make_settings

NOW = time.time()
LATER = NOW + 3600
FEED = {"revocations_url": "http://127.0.0.1:9/revocations", "revocations_poll_s": 0.01}


def identity(token_id: str = "t1", user: str = "alice", issued_at: float = NOW) -> Identity:
    return Identity(user, token_id, LATER, issued_at)


def page(cursor: object, *entries: Any, more: bool = False) -> dict[str, Any]:
    return {"cursor": cursor, "revoked": list(entries), "more": more}


def token(token_id: str, expires_at: Any = LATER) -> dict[str, Any]:
    return {"token_id": token_id, "user": None, "expires_at": expires_at}


def everywhere(user: str, issued_before: float) -> dict[str, Any]:
    return {"token_id": None, "user": user, "issued_before": issued_before, "expires_at": LATER}


def make_feed(*answers: Any) -> tuple[RevocationFeed, ScriptedClient]:
    client = ScriptedClient(*answers)
    return RevocationFeed(make_settings(**FEED), client=client), client


def test_a_revoked_token_is_reported_once_and_stays_revoked() -> None:
    feed, client = make_feed(page("1", token("t1")), page("1", token("t1")))
    assert not feed.is_revoked(identity())
    assert feed.poll() == [Revocation("t1", None, 0.0, LATER)]
    assert feed.poll() == []
    assert feed.is_revoked(identity())
    assert not feed.is_revoked(identity("t2"))
    assert client.calls == [{}, {"since": "1"}]


def test_pages_are_read_to_the_end() -> None:
    feed, client = make_feed(
        page(1, token("t1"), more=True), page(2, token("t2"), more=True), page(3, token("t3"))
    )
    assert [entry.token_id for entry in feed.poll()] == ["t1", "t2", "t3"]
    assert client.calls == [{}, {"since": "1"}, {"since": "2"}]


def test_a_feed_that_stands_still_does_not_trap_the_poll() -> None:
    feed, client = make_feed(page("1", token("t1"), more=True))
    feed.poll()
    assert len(client.calls) == 2


def test_logging_out_everywhere_ends_the_tokens_issued_before() -> None:
    feed, _ = make_feed(page(1, everywhere("alice", NOW)), page(2, everywhere("alice", NOW - 50)))
    assert len(feed.poll()) == 1
    assert feed.poll() == [], "an earlier cut-off says nothing new"
    assert feed.is_revoked(identity(issued_at=NOW - 1))
    assert feed.is_revoked(identity(issued_at=0.0)), "an unknown issue time counts as old"
    assert not feed.is_revoked(identity(issued_at=NOW))
    assert not feed.is_revoked(identity(user="bob", issued_at=NOW - 1))


def test_a_failure_on_a_later_page_keeps_the_earlier_ones() -> None:
    feed, client = make_feed(page("1", token("t1"), more=True), down(), page("2", token("t2")))
    assert [entry.token_id for entry in feed.poll()] == ["t1"]
    assert [entry.token_id for entry in feed.poll()] == ["t2"]
    assert client.calls[-1] == {"since": "1"}


@pytest.mark.parametrize(
    "answer",
    [{}, page(None), {"cursor": 1, "revoked": "t1"}, {"cursor": 1, "revoked": None}],
    ids=str,
)
def test_what_is_no_feed_counts_as_down(answer: dict[str, Any]) -> None:
    feed, _ = make_feed(answer)
    with pytest.raises(UserCentreDown):
        feed.poll()


def test_entries_that_are_none_are_skipped() -> None:
    broken: list[Any] = [
        None, "t9", {}, {"token_id": 7}, {"token_id": ""}, {"user": "alice"},
        {"user": "alice", "issued_before": "now"}, {"user": "alice", "issued_before": 10**400},
        {"user": "alice", "issued_before": float("nan")}, token("expired", NOW - 1),
    ]  # fmt: skip
    feed, _ = make_feed(page(1, *broken, token("t1", None)))
    assert [entry.token_id for entry in feed.poll()] == ["t1"]
    assert not feed.is_revoked(identity("expired"))


def test_revocations_are_forgotten_when_their_tokens_have_expired(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    feed, _ = make_feed(page(1, token("t1"), everywhere("bob", NOW)), page(1))
    feed.poll()
    monkeypatch.setattr(time, "time", lambda: LATER + 1)
    feed.poll()
    assert not feed.is_revoked(identity())
    assert not feed.is_revoked(identity(user="bob", token_id="t2", issued_at=0.0))


def run_until(
    feed: RevocationFeed, wanted: int, fail_first: bool = False
) -> list[list[str | None]]:
    """Run the feed until the handler was called `wanted` times; what it was handed."""
    stop, handed = threading.Event(), list[list[str | None]]()

    def on_revoked(entries: Sequence[Revocation]) -> None:
        handed.append([entry.token_id for entry in entries])
        if len(handed) == wanted:
            stop.set()
        if fail_first and len(handed) == 1:
            raise RuntimeError("no session table yet")

    thread = threading.Thread(target=feed.run, args=(on_revoked, stop), daemon=True)
    thread.start()
    thread.join(10)
    assert not thread.is_alive()
    return handed


def test_the_loop_outlives_a_user_centre_that_is_down() -> None:
    feed, _ = make_feed(
        page(1, token("t1")), down(), ValueError("odd"), down(), page(2, token("t2"))
    )
    assert run_until(feed, 2) == [["t1"], ["t2"]]
    assert feed.is_revoked(identity("t1"))


def test_entries_a_handler_failed_on_are_handed_over_again() -> None:
    feed, _ = make_feed(page(1, token("t1")), page(2, token("t2")), page(2))
    assert run_until(feed, 2, fail_first=True) == [["t1"], ["t1", "t2"]]


def test_without_a_url_nothing_is_asked() -> None:
    client = ScriptedClient(down())
    feed = RevocationFeed(make_settings(), client=client)
    assert feed.poll() == []
    feed.run(lambda _: None, threading.Event())
    assert client.calls == []


def make_revalidator(client: ScriptedClient, **changes: Any) -> tuple[Revalidator, TokenVerifier]:
    settings = make_settings(token_mode="introspection", revocations_poll_s=0.01, **changes)
    verifier = TokenVerifier(settings, client=client)
    return Revalidator(settings, verifier), verifier


def test_live_tokens_are_asked_about_past_the_cache() -> None:
    client = ScriptedClient({"active": True, **good_claims()})
    revalidator, verifier = make_revalidator(client)
    live = {"opaque": verifier.verify("opaque")}
    assert revalidator.check(live) == []
    client.answers = [{"active": False}]
    (ended,) = revalidator.check(live)
    assert ended.ends(live["opaque"])
    assert not ended.ends(identity("t2"))
    with pytest.raises(IMError) as caught:
        verifier.verify("opaque")
    assert caught.value.code is Code.TOKEN_REVOKED


def test_a_token_that_expired_was_not_revoked() -> None:
    """Clients get another one for it; those whose token was taken back log out."""
    revalidator, _ = make_revalidator(ScriptedClient({"active": False}))
    over = replace(identity("t2"), expires_at=NOW - 1)
    (ended,) = revalidator.check({"revoked": identity(), "over": over})
    assert ended.token_id == "t1"


def test_an_unreachable_user_centre_ends_no_session_and_is_soon_left_alone() -> None:
    client = ScriptedClient(down())
    revalidator, _ = make_revalidator(client)
    assert revalidator.check({f"opaque{n}": identity(f"t{n}") for n in range(500)}) == []
    assert FAILED_RECHECKS_MAX <= len(client.calls) <= FAILED_RECHECKS_MAX + RECHECKS_AT_ONCE


def test_the_loop_reports_ended_tokens() -> None:
    revalidator, _ = make_revalidator(ScriptedClient(down(), {"active": False}))
    stop, ended = threading.Event(), list[Revocation]()

    def on_revoked(entries: Sequence[Revocation]) -> None:
        ended.extend(entries)
        stop.set()

    thread = threading.Thread(
        target=revalidator.run, args=(lambda: {"opaque": identity()}, on_revoked, stop), daemon=True
    )
    thread.start()
    thread.join(10)
    assert not thread.is_alive()
    assert ended[0].token_id == "t1"


@pytest.mark.parametrize("changes", [{"token_mode": "jwt"}, FEED], ids=["jwt", "feed"])
def test_nothing_is_asked_in_jwt_mode_or_beside_a_feed(changes: dict[str, Any]) -> None:
    client = ScriptedClient(down())
    settings = make_settings(**({"token_mode": "introspection"} | changes))
    revalidator = Revalidator(settings, TokenVerifier(settings, client=client))
    revalidator.run(lambda: {"opaque": identity()}, lambda _: None, threading.Event())
    assert client.calls == []
