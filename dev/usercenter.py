"""A stand-in for the customer's user centre, for development and tests.

`python -m dev.usercenter` serves it, with `IM_USERCENTER_HOST` (127.0.0.1), `IM_USERCENTER_PORT`
(8100; 0 takes a free one), `IM_USERCENTER_DB` (var/usercenter.db) and `IM_USERCENTER_SECRET`, and
prints the address once it listens. Answers are JSON, errors `{"error": code, "message"}`.

For people: POST /signup, /login, and with `Authorization: Bearer <token>` /logout, /profile.
For the platform, with the secret as bearer: POST /introspect, /profiles, /revoke, /tokens,
GET /revocations. For everybody: GET /jwks.json, /healthz.
"""

import hmac
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable
from functools import wraps
from pathlib import Path

from flask import Flask, Response, jsonify, request
from flask.typing import ResponseReturnValue
from limits import parse
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from werkzeug.exceptions import HTTPException
from werkzeug.security import check_password_hash, generate_password_hash
from werkzeug.serving import WSGIRequestHandler, make_server

from dev.usercenter_store import ISSUER, TOKEN_TTL_S, TOKEN_TTL_S_MAX, Signer, Store, Token

USERS_PER_LOOKUP = 100
USERS_PER_BULK = 10_000
BODY_BYTES_MAX = 16 * 1024
BULK_BYTES_MAX = 2 << 20
LOGINS = "10/minute"
# scrypt takes 32 MiB and 50 ms of a core each time.
HASHES_AT_ONCE = 2

_USER = re.compile(r"[A-Za-z0-9._@+=|:-]{1,64}")
_FOR_PEOPLE = ("/signup", "/login", "/logout", "/profile")

Handler = Callable[..., ResponseReturnValue]


class Refusal(Exception):
    """An answer with a status, a stable code and a message."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


def create_app(store: Store, signer: Signer, secret: str) -> Flask:
    """The WSGI application; `secret` opens the platform's endpoints."""
    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = BULK_BYTES_MAX
    hashing = threading.BoundedSemaphore(HASHES_AT_ONCE)
    attempts = MovingWindowRateLimiter(MemoryStorage())
    attempt = parse(LOGINS)

    def for_platform(handler: Handler) -> Handler:
        @wraps(handler)
        def guarded(*args: object) -> ResponseReturnValue:
            if not hmac.compare_digest(_bearer().encode(), secret.encode()):
                raise Refusal(401, "unauthorized", "the secret is missing or wrong")
            return handler(*args)

        return guarded

    def own_token() -> Token:
        token = signer.read(_bearer())
        if token is None or store.is_revoked(token):
            raise Refusal(401, "unauthorized", "the token is missing, expired or revoked")
        return token

    @app.before_request
    def limit_body() -> None:
        if request.path != "/tokens":
            request.max_content_length = BODY_BYTES_MAX

    @app.after_request
    def allow_pages(response: Response) -> Response:
        if request.path in _FOR_PEOPLE:
            response.headers["Access-Control-Allow-Origin"] = "*"
            response.headers["Access-Control-Allow-Headers"] = "Authorization, Content-Type"
            response.headers["Access-Control-Allow-Methods"] = "POST"
            response.headers["Access-Control-Max-Age"] = "600"
        response.headers["Cache-Control"] = "no-store"
        return response

    @app.errorhandler(Refusal)
    def refused(error: Refusal) -> ResponseReturnValue:
        return jsonify(error=error.code, message=error.message), error.status

    @app.errorhandler(HTTPException)
    def http_error(error: HTTPException) -> ResponseReturnValue:
        code = (error.name or "error").lower().replace(" ", "_")
        return jsonify(error=code, message=error.description), error.code or 500

    @app.errorhandler(RecursionError)
    def too_deep(_: RecursionError) -> ResponseReturnValue:
        return jsonify(error="bad_request", message="the JSON is nested too deep"), 400

    @app.post("/signup")
    def signup() -> ResponseReturnValue:
        body = _json()
        user, password = _user(body.get("user")), _text(body, "password", 200)
        if not password:
            raise Refusal(400, "bad_request", "a password is needed")
        name, avatar = _text(body, "name", 128) or user, _text(body, "avatar", 1024) or ""
        if store.password_of(user) is not None:
            raise Refusal(409, "user_exists", "this user id is taken")
        with hashing:
            hashed = generate_password_hash(password, "scrypt")
        if not store.add_user(user, hashed, name, avatar):
            raise Refusal(409, "user_exists", "this user id is taken")
        return jsonify(user=user, name=name, avatar=avatar), 201

    @app.post("/login")
    def login() -> ResponseReturnValue:
        body = _json()
        user, password = _user(body.get("user")), _text(body, "password", 200) or ""
        if not attempts.hit(attempt, user):
            raise Refusal(429, "too_many_attempts", "too many failed log-ins, wait a minute")
        hashed = store.password_of(user)
        with hashing:
            right = hashed is not None and check_password_hash(hashed, password)
        if not right:
            raise Refusal(401, "wrong_password", "no such user, or the password is wrong")
        attempts.clear(attempt, user)
        return jsonify(token=signer.issue(user), user=user, expires_in=TOKEN_TTL_S)

    @app.post("/logout")
    def logout() -> ResponseReturnValue:
        token = own_token()
        store.revoke_token(token.token_id, token.expires_at)
        return jsonify(revoked=True)

    @app.post("/profile")
    def profile() -> ResponseReturnValue:
        token, body = own_token(), _json()
        name, avatar = _text(body, "name", 128), _text(body, "avatar", 1024)
        if not store.change_profile(token.user, name, avatar):
            raise Refusal(404, "not_found", "this user never signed up")
        return jsonify(store.profiles([token.user])[0])

    @app.post("/revoke")
    @for_platform
    def revoke() -> ResponseReturnValue:
        # RFC 7009 sends a form and answers 200 for tokens that are none.
        body: dict[str, object] = dict(request.form) if request.form else _json()
        if "token" in body:
            token = signer.read(_text(body, "token", 8192) or "")
            if token is not None:
                store.revoke_token(token.token_id, token.expires_at)
        elif "token_id" in body:
            token_id = _text(body, "token_id", 255)
            if not token_id:
                raise Refusal(400, "bad_request", "token_id is empty")
            store.revoke_token(token_id, time.time() + TOKEN_TTL_S_MAX)
        else:
            store.revoke_user(_user(body.get("user")))
        return jsonify(revoked=True)

    @app.post("/tokens")
    @for_platform
    def tokens() -> ResponseReturnValue:
        body = _json()
        users = _users(body, USERS_PER_BULK)
        ttl_s = body.get("ttl_s", TOKEN_TTL_S)
        if not isinstance(ttl_s, int) or isinstance(ttl_s, bool):
            raise Refusal(400, "bad_request", "ttl_s is a number of seconds")
        if not 1 <= ttl_s <= TOKEN_TTL_S_MAX:
            raise Refusal(400, "bad_request", f"ttl_s is 1 to {TOKEN_TTL_S_MAX}")
        return jsonify(tokens={user: signer.issue(user, ttl_s) for user in users})

    @app.get("/jwks.json")
    def jwks() -> ResponseReturnValue:
        return jsonify(signer.jwks)

    @app.post("/introspect")
    @for_platform
    def introspect() -> ResponseReturnValue:
        token = signer.read(request.form.get("token", ""))
        if token is None or store.is_revoked(token):
            return jsonify(active=False)
        return jsonify(
            active=True,
            iss=ISSUER,
            sub=token.user,
            jti=token.token_id,
            iat=token.issued_at,
            exp=token.expires_at,
        )

    @app.get("/revocations")
    @for_platform
    def revocations() -> ResponseReturnValue:
        since = request.args.get("since", "0")
        if not re.fullmatch(r"[0-9]{1,18}", since):
            raise Refusal(400, "bad_request", "since is a cursor of this feed")
        entries, cursor, more = store.revocations(int(since))
        return jsonify(revoked=entries, cursor=str(cursor), more=more)

    @app.post("/profiles")
    @for_platform
    def profiles() -> ResponseReturnValue:
        return jsonify(profiles=store.profiles(_users(_json(), USERS_PER_LOOKUP)))

    @app.get("/healthz")
    def healthz() -> ResponseReturnValue:
        store.profiles([])
        return jsonify(ok=True)

    return app


def _bearer() -> str:
    kind, _, value = request.headers.get("Authorization", "").partition(" ")
    return value.strip() if kind.lower() == "bearer" else ""


def _json() -> dict[str, object]:
    body = request.get_json(force=True)
    if not isinstance(body, dict):
        raise Refusal(400, "bad_request", "the body is not a JSON object")
    return body


def _text(body: dict[str, object], key: str, chars_max: int) -> str | None:
    """The text under `key`, None without one."""
    value = body.get(key)
    if value is None:
        return None
    if not isinstance(value, str) or len(value) > chars_max:
        raise Refusal(400, "bad_request", f"{key} is a text of at most {chars_max} characters")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise Refusal(400, "bad_request", f"{key} is not valid Unicode") from None
    return value


def _user(value: object) -> str:
    if not isinstance(value, str) or not _USER.fullmatch(value):
        raise Refusal(
            400, "bad_request", "a user id is 1 to 64 characters of letters, digits and ._@+=|:-"
        )
    return value


def _users(body: dict[str, object], count_max: int) -> list[str]:
    users = body.get("users")
    if not isinstance(users, list) or len(users) > count_max:
        raise Refusal(400, "bad_request", f"users is a list of at most {count_max} user ids")
    return [_user(user) for user in users]


class _QuietHandler(WSGIRequestHandler):
    """Logs no requests, and cuts connections that stay silent."""

    timeout = 30

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        pass


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    secret = os.environ.get("IM_USERCENTER_SECRET", "")
    if not secret:
        sys.exit("set IM_USERCENTER_SECRET, the secret the platform presents")
    host = os.environ.get("IM_USERCENTER_HOST", "127.0.0.1")
    port = int(os.environ.get("IM_USERCENTER_PORT", "8100"))
    path = Path(os.environ.get("IM_USERCENTER_DB", "var/usercenter.db"))
    app = create_app(Store(path), Signer(path.with_suffix(".pem")), secret)
    # Threads, not greenlets: scrypt and SQLite would hold up a whole event loop.
    server = make_server(host, port, app, threaded=True, request_handler=_QuietHandler)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    print(f"user centre on http://{host}:{server.server_port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
