"""Token verification against a scripted user centre; sockets are in tests/contract."""

import base64
import hmac
import json
import time
from functools import partial
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from hypothesis import given
from hypothesis import strategies as st

from models.errors import Code, IMError
from models.usercentre.jwks import JWKS_MAX_AGE_S, JWKS_PAUSE_S
from models.usercentre.tokens import Identity, TokenVerifier
from tests.usercentre_kit import (
    Clock,
    ScriptedClient,
    SigningKey,
    down,
    good_claims,
    make_settings,
    refusal,
    wait_until,
)

KEY = SigningKey()


def jwt_verifier(
    *answers: dict[str, Any] | Exception, clock: Clock | None = None, **changes: Any
) -> tuple[TokenVerifier, ScriptedClient]:
    client = ScriptedClient(*(answers or ({"keys": [KEY.jwk]},)))
    settings = make_settings(**changes)
    return TokenVerifier(settings, client=client, clock=clock or Clock()), client


@pytest.mark.parametrize("algorithm", ["ES256", "EdDSA", "RS256", "PS256"])
@pytest.mark.parametrize("kid", ["k1", None])
def test_a_signed_token_names_its_user(algorithm: str, kid: str | None) -> None:
    key = SigningKey(algorithm, kid)
    verifier, _ = jwt_verifier({"keys": [KEY.jwk | {"kid": "other"}, key.jwk]})
    claims = good_claims()
    identity = verifier.verify(key.sign(**claims))
    assert identity == Identity("alice", "t1", float(claims["exp"]), float(claims["iat"]))


def test_a_token_without_jti_and_exp_is_known_by_its_hash_and_trusted_only_as_long_as_cached() -> (
    None
):
    clock = Clock()
    verifier, client = jwt_verifier(clock=clock, token_cache_s=60.0)
    identity = verifier.verify(KEY.sign(jti=None, exp=None, iat=None))
    assert identity.expires_at == float("inf")
    assert identity.issued_at == 0.0
    assert len(identity.token_id) == 64
    token = KEY.sign(exp=None)
    verifier.verify(token)
    client.answers = [{"keys": [SigningKey(kid="k2").jwk]}]
    clock.now += JWKS_MAX_AGE_S - 1
    assert verifier.verify(token).user == "alice"


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://elsewhere.example"},
        {"iss": None},
        {"aud": "other"},
        {"aud": None},
        pytest.param({"exp": int(time.time()) - 1}, id="ended"),
        {"exp": "soon"},
        pytest.param({"nbf": int(time.time()) + 86_400}, id="not yet"),
        pytest.param({"iat": int(time.time()) + 86_400}, id="made tomorrow"),
        {"sub": None},
        {"sub": ""},
        {"sub": "two words"},
        {"sub": "x" * 65},
        {"sub": ["alice"]},
        {"jti": 7},
    ],
    ids=str,
)
def test_wrong_claims_are_refused(claims: dict[str, Any]) -> None:
    verifier, _ = jwt_verifier()
    payload = {name: v for name, v in (good_claims() | claims).items() if v is not None}
    assert refusal(verifier, sign_raw(payload)) is Code.UNAUTHENTICATED


def sign_raw(payload: Any) -> str:
    """Signed like KEY.sign, but with claims PyJWT would refuse to encode."""
    return jwt.PyJWS().encode(
        json.dumps(payload).encode(), KEY.private, algorithm="ES256", headers={"kid": "k1"}
    )


def test_issuer_and_audience_are_free_where_not_configured() -> None:
    verifier, _ = jwt_verifier(token_issuer="", token_audience="")
    assert verifier.verify(KEY.sign(iss="https://any.example", aud="any")).user == "alice"


def test_the_user_may_be_a_number_in_another_claim() -> None:
    verifier, _ = jwt_verifier(token_user_claim="uid")
    assert verifier.verify(KEY.sign(uid=4711, sub=None)).user == "4711"
    assert refusal(verifier, KEY.sign(uid=True, jti="t2")) is Code.UNAUTHENTICATED


def unsigned(header: dict[str, Any], claims: dict[str, Any], signature: bytes = b"") -> str:
    parts = [json.dumps(header).encode(), json.dumps(claims).encode(), signature]
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


def test_symmetric_and_missing_signatures_are_refused() -> None:
    verifier, _ = jwt_verifier()
    none = unsigned({"alg": "none", "kid": "k1"}, good_claims())
    assert refusal(verifier, none) is Code.UNAUTHENTICATED
    assert refusal(verifier, unsigned({"kid": "k1"}, good_claims())) is Code.UNAUTHENTICATED
    pem = KEY.private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    for secret in (pem, json.dumps(KEY.jwk).encode(), b""):
        assert refusal(verifier, hmac_signed(secret)) is Code.UNAUTHENTICATED


def hmac_signed(secret: bytes) -> str:
    """A token signed with a public key used as a secret; PyJWT itself refuses to make one."""
    head = unsigned({"alg": "HS256", "kid": "k1"}, good_claims()).rsplit(".", 1)[0]
    digest = hmac.digest(secret, head.encode(), "sha256")
    return f"{head}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"


def test_a_symmetric_key_in_the_jwks_is_not_used() -> None:
    secret = base64.urlsafe_b64encode(b"x" * 32).rstrip(b"=").decode()
    verifier, _ = jwt_verifier({"keys": [KEY.jwk, {"kty": "oct", "k": secret, "kid": "sym"}]})
    forged = jwt.encode(good_claims(), b"x" * 32, algorithm="HS256", headers={"kid": "sym"})
    assert refusal(verifier, forged) is Code.UNAUTHENTICATED


def test_a_key_signs_only_with_the_algorithm_and_for_the_use_it_states() -> None:
    rsa = SigningKey("RS256")
    token = rsa.sign()
    assert jwt_verifier({"keys": [rsa.jwk | {"alg": "RS256"}]})[0].verify(token).user == "alice"
    pinned, _ = jwt_verifier({"keys": [rsa.jwk | {"alg": "RS512"}]})
    assert refusal(pinned, token) is Code.UNAUTHENTICATED
    for_encryption, _ = jwt_verifier({"keys": [rsa.jwk | {"use": "enc"}]})
    assert refusal(for_encryption, token) is Code.UNAVAILABLE


def test_a_changed_payload_is_refused() -> None:
    verifier, _ = jwt_verifier()
    head, _, signature = KEY.sign().split(".")
    payload = unsigned({}, good_claims() | {"sub": "mallory"}).split(".")[1]
    assert refusal(verifier, f"{head}.{payload}.{signature}") is Code.UNAUTHENTICATED


@pytest.mark.parametrize("token", ["x", " ", "a.b", "a.b.c", "..."])
def test_what_is_no_jwt_costs_no_call(token: str) -> None:
    verifier, client = jwt_verifier()
    assert refusal(verifier, token) is Code.UNAUTHENTICATED
    assert client.calls == []


def test_nested_json_does_not_break_the_verifier() -> None:
    verifier, _ = jwt_verifier()
    deep = base64.urlsafe_b64encode(b"[" * 5000).decode().rstrip("=")
    assert refusal(verifier, f"{deep}.e30.AA") is Code.UNAUTHENTICATED
    assert refusal(verifier, sign_raw(good_claims() | {"exp": 10**400})) is Code.UNAUTHENTICATED


@given(st.text(max_size=200), st.dictionaries(st.text(max_size=5), st.integers() | st.text()))
def test_hostile_tokens_are_refused_and_nothing_else_happens(text: str, header: Any) -> None:
    verifier, _ = jwt_verifier()
    for token in (text, unsigned(header, {}), unsigned(header | {"alg": "ES256"}, {}, b"x")):
        assert refusal(verifier, token) is Code.UNAUTHENTICATED


def test_unknown_keys_cause_one_fetch_per_pause() -> None:
    clock = Clock()
    verifier, client = jwt_verifier(clock=clock)
    verifier.verify(KEY.sign())
    for number in range(20):
        clock.now += JWKS_PAUSE_S / 25
        stranger = SigningKey(kid=f"x{number}")
        assert refusal(verifier, stranger.sign()) is Code.UNAUTHENTICATED
    assert len(client.calls) == 1
    clock.now += JWKS_PAUSE_S
    assert refusal(verifier, stranger.sign()) is Code.UNAUTHENTICATED
    assert len(client.calls) == 2


def test_a_new_key_is_found_when_a_token_names_it() -> None:
    clock = Clock()
    newer = SigningKey(kid="k2")
    verifier, _ = jwt_verifier({"keys": [KEY.jwk]}, {"keys": [KEY.jwk, newer.jwk]}, clock=clock)
    verifier.verify(KEY.sign())
    token = newer.sign(jti="t2")
    assert refusal(verifier, token) is Code.UNAUTHENTICATED
    clock.now += JWKS_PAUSE_S
    assert verifier.verify(token).token_id == "t2"


def test_without_keys_and_user_centre_tokens_are_unavailable_then_accepted() -> None:
    clock = Clock()
    verifier, client = jwt_verifier(down(), {"keys": [KEY.jwk]}, clock=clock)
    assert refusal(verifier, KEY.sign()) is Code.UNAVAILABLE
    assert refusal(verifier, KEY.sign()) is Code.UNAVAILABLE
    assert len(client.calls) == 1
    clock.now += JWKS_PAUSE_S
    assert verifier.verify(KEY.sign()).user == "alice"


@pytest.mark.parametrize("answer", [down(), {"keys": []}, {"keys": "k"}, {}], ids=repr)
def test_old_keys_stay_while_new_ones_cannot_be_fetched(answer: Any) -> None:
    clock = Clock()
    verifier, client = jwt_verifier({"keys": [KEY.jwk]}, answer, clock=clock)
    verifier.verify(KEY.sign())

    def accepted_and_asked(calls: int) -> bool:
        # A fresh token each time: the fetch before this one may not be quite over.
        assert verifier.verify(KEY.sign(jti=f"n{time.monotonic_ns()}")).user == "alice"
        return len(client.calls) == calls

    for calls in (2, 3, 4):
        clock.now += JWKS_MAX_AGE_S + 1
        wait_until(partial(accepted_and_asked, calls))


def test_a_withdrawn_key_stops_working() -> None:
    clock = Clock()
    verifier, _ = jwt_verifier(
        {"keys": [KEY.jwk]}, {"keys": [SigningKey(kid="k2").jwk]}, clock=clock
    )
    verifier.verify(KEY.sign())
    clock.now += JWKS_MAX_AGE_S + 1

    def refused() -> bool:
        try:
            verifier.verify(KEY.sign(jti=f"n{time.monotonic_ns()}"))
        except IMError as error:
            return error.code is Code.UNAUTHENTICATED
        return False

    wait_until(refused)


def test_a_token_expires_while_it_is_cached(monkeypatch: pytest.MonkeyPatch) -> None:
    verifier, _ = jwt_verifier()
    token = KEY.sign()
    assert verifier.verify(token).user == "alice"
    later = time.time() + 3601
    monkeypatch.setattr(time, "time", lambda: later)
    assert refusal(verifier, token) is Code.UNAUTHENTICATED


def test_a_revoked_identity_is_refused_on_a_cache_hit_too() -> None:
    revoked: set[str] = set()
    verifier = TokenVerifier(
        make_settings(),
        client=ScriptedClient({"keys": [KEY.jwk]}),
        is_revoked=lambda identity: identity.token_id in revoked,
    )
    token = KEY.sign()
    verifier.verify(token)
    revoked.add("t1")
    assert refusal(verifier, token) is Code.TOKEN_REVOKED


@pytest.mark.parametrize("changes", [{"jwks_url": ""}, {"token_mode": "introspection"}], ids=str)
def test_a_mode_without_its_url_is_a_mistake_at_start(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="needs"):
        TokenVerifier(make_settings(**({"introspection_url": ""} | changes)))
