"""The development user centre's own rules, called without sockets."""

import base64
import json
from pathlib import Path
from typing import Any

import jwt
import pytest
from flask.testing import FlaskClient

from dev.usercenter import BODY_BYTES_MAX, LOGINS, USERS_PER_BULK, create_app
from dev.usercenter_store import TOKEN_TTL_S_MAX, Signer, Store

SECRET = {"Authorization": "Bearer s3cret"}
ALICE = {"user": "alice", "password": "correct horse"}
PLATFORM = ["/introspect", "/profiles", "/revoke", "/tokens"]


@pytest.fixture
def centre(tmp_path: Path) -> FlaskClient:
    app = create_app(Store(tmp_path / "users.db"), Signer(tmp_path / "users.pem"), "s3cret")
    return app.test_client()


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def active(centre: FlaskClient, token: str) -> bool:
    answer = centre.post("/introspect", data={"token": token}, headers=SECRET)
    return bool(answer.get_json()["active"])


def log_in(centre: FlaskClient) -> str:
    return str(centre.post("/login", json=ALICE).get_json()["token"])


def test_a_token_is_signed_with_the_published_key(centre: FlaskClient) -> None:
    centre.post("/signup", json=ALICE)
    token = log_in(centre)
    (jwk,) = centre.get("/jwks.json").get_json()["keys"]
    assert jwk.keys() == {"kty", "crv", "x", "y", "kid", "use", "alg"}, "and nothing private"
    assert jwt.get_unverified_header(token)["kid"] == jwk["kid"]
    claims = jwt.decode(token, jwt.PyJWK(jwk), algorithms=["ES256"], issuer="im-usercenter")
    assert claims.keys() == {"iss", "sub", "jti", "iat", "exp"}
    assert claims["exp"] == int(claims["iat"]) + 24 * 3600


def test_a_user_id_is_taken_once_and_the_password_is_checked(centre: FlaskClient) -> None:
    assert centre.post("/signup", json=ALICE).status_code == 201
    again = centre.post("/signup", json=ALICE | {"password": "mine now"})
    assert (again.status_code, again.get_json()["error"]) == (409, "user_exists")
    for wrong in ({"password": "mine now"}, {"user": "nobody"}, {"password": None}):
        answer = centre.post("/login", json=ALICE | wrong)
        assert (answer.status_code, answer.get_json()["error"]) == (401, "wrong_password")


def test_log_ins_are_limited_per_user_and_right_ones_are_not_counted(centre: FlaskClient) -> None:
    centre.post("/signup", json=ALICE)
    attempts = int(LOGINS.split("/")[0])
    for _ in range(attempts + 2):
        assert centre.post("/login", json=ALICE).status_code == 200
    for _ in range(attempts):
        centre.post("/login", json={"user": "bob", "password": "guess"})
    assert centre.post("/login", json={"user": "bob", "password": "guess"}).status_code == 429
    assert centre.post("/login", json=ALICE).status_code == 200


def test_logging_out_ends_that_token_only(centre: FlaskClient) -> None:
    centre.post("/signup", json=ALICE)
    first, second = log_in(centre), log_in(centre)
    assert centre.post("/logout", headers=bearer(first)).status_code == 200
    assert (active(centre, first), active(centre, second)) == (False, True)
    assert centre.post("/logout", headers=bearer(first)).status_code == 401
    assert centre.post("/profile", json={}, headers=bearer(first)).status_code == 401


def test_revoking_a_user_spares_a_log_in_right_after(centre: FlaskClient) -> None:
    centre.post("/signup", json=ALICE)
    before = log_in(centre)
    assert centre.post("/revoke", json={"user": "alice"}, headers=SECRET).status_code == 200
    assert (active(centre, before), active(centre, log_in(centre))) == (False, True)


@pytest.mark.parametrize("path", PLATFORM)
@pytest.mark.parametrize("headers", [{}, bearer("wrong"), {"Authorization": "Bearer é"}], ids=str)
def test_the_platforms_calls_need_the_secret(
    centre: FlaskClient, path: str, headers: dict[str, str]
) -> None:
    assert centre.post(path, json={}, headers=headers).status_code == 401
    assert centre.get("/revocations", headers=headers).status_code == 401


@pytest.mark.parametrize("path", ["/signup", "/login", "/tokens", "/profiles", "/revoke"])
@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"\xff", b"[" * 16000, b"{}", b'{"user": 7}', b'{"user": "two words"}',
     b'{"users": "alice"}', b'{"users": [["alice"]]}'],
)  # fmt: skip
def test_what_is_no_request_is_refused_in_json(centre: FlaskClient, path: str, body: bytes) -> None:
    answer = centre.post(path, data=body, headers=SECRET)
    assert answer.status_code == 400
    assert answer.get_json().keys() == {"error", "message"}


@pytest.mark.parametrize(
    "field",
    [{"password": ""}, {"password": "x" * 201}, {"name": "x" * 129}, {"avatar": 7}],
    ids=lambda field: next(iter(field)),
)
def test_fields_are_limited(centre: FlaskClient, field: dict[str, Any]) -> None:
    assert centre.post("/signup", json=ALICE | field).status_code == 400


def test_half_a_character_is_refused(centre: FlaskClient) -> None:
    body = json.dumps(ALICE | {"name": "\ud800"})
    assert centre.post("/signup", data=body).status_code == 400


def test_bodies_are_limited(centre: FlaskClient) -> None:
    answer = centre.post("/signup", data=b" " * (BODY_BYTES_MAX + 1))
    assert (answer.status_code, answer.get_json()["error"]) == (413, "request_entity_too_large")


def test_tokens_come_in_bulk_within_limits(centre: FlaskClient) -> None:
    users = [f"load-test-user-with-a-long-id-{number:030}" for number in range(2000)]
    answer = centre.post("/tokens", json={"users": users, "ttl_s": 60}, headers=SECRET)
    tokens = answer.get_json()["tokens"]
    assert list(tokens) == users
    assert active(centre, tokens[users[-1]])
    for body in (
        {"users": ["u"] * (USERS_PER_BULK + 1)},
        {"users": ["u"], "ttl_s": 0},
        {"users": ["u"], "ttl_s": True},
        {"users": ["u"], "ttl_s": TOKEN_TTL_S_MAX + 1},
    ):
        assert centre.post("/tokens", json=body, headers=SECRET).status_code == 400


def test_forged_tokens_are_not_active(centre: FlaskClient) -> None:
    none = base64.urlsafe_b64encode(b'{"alg":"none"}').rstrip(b"=").decode()
    for token in ("", "x", f"{none}.e30.", jwt.encode({"sub": "alice"}, "x" * 32, "HS256")):
        assert not active(centre, token)


def test_pages_elsewhere_may_log_in_and_may_not_see_the_platforms_answers(
    centre: FlaskClient,
) -> None:
    for path in ("/signup", "/login", "/logout", "/profile"):
        answer = centre.options(path)
        assert answer.status_code == 200
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert "Authorization" in answer.headers["Access-Control-Allow-Headers"]
    refused = centre.post("/login", json={})
    assert refused.headers["Access-Control-Allow-Origin"] == "*", "errors are readable too"
    assert "Set-Cookie" not in refused.headers
    for path in PLATFORM:
        assert "Access-Control-Allow-Origin" not in centre.post(path, headers=SECRET).headers


def test_what_does_not_exist_is_answered_in_json(centre: FlaskClient) -> None:
    assert centre.get("/nothing").get_json()["error"] == "not_found"
    assert centre.get("/login").get_json()["error"] == "method_not_allowed"
    assert centre.get("/revocations?since=x", headers=SECRET).status_code == 400
    assert centre.get("/healthz").get_json() == {"ok": True}
