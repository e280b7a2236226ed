"""Token verification by introspection, against a scripted user centre."""

import threading
from typing import Any

import pytest

from models.errors import Code
from models.usercentre.tokens import REFUSED_CACHE_S, TOKEN_BYTES_MAX, TokenVerifier
from tests.usercentre_kit import (
    Clock,
    ScriptedClient,
    down,
    good_claims,
    make_settings,
    refusal,
    wait_until,
)


def asking_verifier(
    *answers: dict[str, Any] | Exception, clock: Clock | None = None, **changes: Any
) -> tuple[TokenVerifier, ScriptedClient]:
    client = ScriptedClient(*answers)
    settings = make_settings(token_mode="introspection", **changes)
    return TokenVerifier(settings, client=client, clock=clock or Clock()), client


def active(**claims: Any) -> dict[str, Any]:
    return {"active": True, **good_claims(), **claims}


def test_introspection_is_asked_once_per_cache_time() -> None:
    clock = Clock()
    verifier, client = asking_verifier(active(), clock=clock, token_cache_s=60.0)
    for _ in range(5):
        assert verifier.verify("opaque").user == "alice"
    assert client.calls == [{"token": "opaque"}]
    clock.now += 60
    verifier.verify("opaque")
    assert len(client.calls) == 2


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param({"active": False}, id="inactive"),
        pytest.param({}, id="empty"),
        pytest.param(active() | {"active": "true"}, id="active is a text"),
        pytest.param(active() | {"active": 1}, id="active is a number"),
        pytest.param(active(exp=1), id="ended"),
        pytest.param(active(exp=True), id="exp is no number"),
        pytest.param(active(sub=None), id="nobody"),
        pytest.param(active(iss="https://elsewhere.example"), id="of another issuer"),
        pytest.param(active(aud=["other"]), id="for others"),
    ],
)
def test_introspection_refusals_are_remembered_for_a_while(answer: dict[str, Any]) -> None:
    clock = Clock()
    verifier, client = asking_verifier(answer, clock=clock)
    for _ in range(5):
        assert refusal(verifier, "opaque") is Code.UNAUTHENTICATED
    assert len(client.calls) == 1
    clock.now += REFUSED_CACHE_S
    refusal(verifier, "opaque")
    assert len(client.calls) == 2


def test_an_unreachable_user_centre_is_not_remembered_as_a_refusal() -> None:
    verifier, _ = asking_verifier(down(), active())
    assert refusal(verifier, "opaque") is Code.UNAVAILABLE
    assert verifier.verify("opaque").user == "alice"


def test_a_token_that_was_active_and_is_not_any_more_was_revoked() -> None:
    clock = Clock()
    verifier, _ = asking_verifier(active(), {"active": False}, clock=clock)
    verifier.verify("opaque")
    clock.now += 61
    assert refusal(verifier, "opaque") is Code.TOKEN_REVOKED


def test_concurrent_calls_for_one_token_share_one_call() -> None:
    entered, go = threading.Event(), threading.Event()

    class SlowClient(ScriptedClient):
        def post_form(self, url: str, form: Any) -> dict[str, object]:
            entered.set()
            assert go.wait(10)
            return super().post_form(url, form)

    client = SlowClient(active())
    verifier = TokenVerifier(make_settings(token_mode="introspection"), client=client)
    users: list[str] = []
    threads = [
        threading.Thread(target=lambda: users.append(verifier.verify("opaque").user))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    assert entered.wait(10)
    (flight,) = verifier._flights._flights.values()
    wait_until(lambda: len(flight._condition._waiters) == 7)  # type: ignore[attr-defined]
    go.set()
    for thread in threads:
        thread.join(10)
    assert users == ["alice"] * 8
    assert len(client.calls) == 1


@pytest.mark.parametrize(
    "token",
    ["", "é.é.é", "a\n.b.c", "\ud800", "a" * (TOKEN_BYTES_MAX + 1)],
    ids=lambda token: ascii(token[:10]),
)
def test_what_is_no_token_costs_no_call(token: str) -> None:
    verifier, client = asking_verifier(active())
    assert refusal(verifier, token) is Code.UNAUTHENTICATED
    assert client.calls == []
