"""Accounts, revocations and the signing key of the development user centre.

Accounts and revocations live in SQLite (WAL, full sync); the key lies beside the file. Issued
tokens are not stored: a token is valid if it is signed, not expired and not revoked.
"""

import base64
import hashlib
import json
import os
import sqlite3
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

ISSUER = "im-usercenter"
ALGORITHM = "ES256"
TOKEN_TTL_S = 24 * 3600
TOKEN_TTL_S_MAX = 30 * 24 * 3600
REVOCATIONS_PAGE = 1000

_SCHEMA = """
CREATE TABLE IF NOT EXISTS users (
    user TEXT PRIMARY KEY,
    password TEXT NOT NULL,
    name TEXT NOT NULL,
    avatar TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS revocations (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    token_id TEXT,
    user TEXT,
    issued_before REAL,
    expires_at REAL NOT NULL
);
CREATE INDEX IF NOT EXISTS revocations_token ON revocations (token_id);
CREATE INDEX IF NOT EXISTS revocations_user ON revocations (user);
"""


@dataclass(frozen=True, slots=True)
class Token:
    """What a signed token says; times in epoch seconds."""

    user: str
    token_id: str
    issued_at: float
    expires_at: float


class Signer:
    """Signs and reads tokens with the key in `path`, made on first use, readable by its owner."""

    def __init__(self, path: Path) -> None:
        self._key = _load_or_make(path)
        public = ECAlgorithm.to_jwk(self._key.public_key(), as_dict=True)
        # RFC 7638: the id of a key is the hash of its required members in this order.
        members = json.dumps({name: public[name] for name in ("crv", "kty", "x", "y")})
        digest = hashlib.sha256(members.replace(" ", "").encode()).digest()
        self._kid = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        self.jwks = {"keys": [{**public, "kid": self._kid, "use": "sig", "alg": ALGORITHM}]}

    def issue(self, user: str, ttl_s: int = TOKEN_TTL_S) -> str:
        """A token of `user`."""
        now = time.time()
        # `iat` has fractions: a log-in right after "log out everywhere" must survive it.
        claims = {
            "iss": ISSUER,
            "sub": user,
            "jti": uuid.uuid4().hex,
            "iat": round(now, 6),
            "exp": int(now) + ttl_s,
        }
        return jwt.encode(claims, self._key, algorithm=ALGORITHM, headers={"kid": self._kid})

    def read(self, token: str) -> Token | None:
        """What the token says, or None if it is not ours or has expired."""
        try:
            claims = jwt.decode(
                token,
                self._key.public_key(),
                algorithms=[ALGORITHM],
                issuer=ISSUER,
                options={"require": ["sub", "jti", "iat", "exp"], "verify_iat": False},
            )
        except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
            return None
        return Token(claims["sub"], claims["jti"], float(claims["iat"]), float(claims["exp"]))


class Store:
    """The SQLite file; every method is one transaction on a connection of its own."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        # Stays open unused: the last connection to close would write the whole log back each time.
        self._keeper = sqlite3.connect(path, check_same_thread=False)
        self._keeper.execute("PRAGMA journal_mode = WAL")
        self._keeper.executescript(_SCHEMA)

    def add_user(self, user: str, password: str, name: str, avatar: str) -> bool:
        """Store the account; False when the user exists. `password` is a hash."""
        with self._connection() as connection:
            done = connection.execute(
                "INSERT INTO users VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
                (user, password, name, avatar),
            )
            return done.rowcount == 1

    def password_of(self, user: str) -> str | None:
        """The hash of the user's password."""
        with self._connection() as connection:
            row = connection.execute(
                "SELECT password FROM users WHERE user = ?", (user,)
            ).fetchone()
        return row[0] if row else None

    def change_profile(self, user: str, name: str | None, avatar: str | None) -> bool:
        """Change what is not None; False when there is no such user."""
        with self._connection() as connection:
            done = connection.execute(
                "UPDATE users SET name = coalesce(?, name), avatar = coalesce(?, avatar)"
                " WHERE user = ?",
                (name, avatar, user),
            )
            return done.rowcount == 1

    def profiles(self, users: Sequence[str]) -> list[dict[str, str]]:
        """The profiles of those that exist."""
        marks = ", ".join("?" * len(users))
        with self._connection() as connection:
            rows = connection.execute(
                f"SELECT user, name, avatar FROM users WHERE user IN ({marks})", tuple(users)
            ).fetchall()
        return [{"user": user, "name": name, "avatar": avatar} for user, name, avatar in rows]

    def revoke_token(self, token_id: str, expires_at: float) -> None:
        """End one token."""
        self._revoke(token_id, None, None, expires_at)

    def revoke_user(self, user: str) -> None:
        """End every token of the user issued until now."""
        now = time.time()
        self._revoke(None, user, now, now + TOKEN_TTL_S_MAX)

    def is_revoked(self, token: Token) -> bool:
        """Whether the token, or all of its user's at that time, were revoked."""
        with self._connection() as connection:
            row = connection.execute(
                "SELECT 1 FROM revocations WHERE token_id = ?"
                " UNION ALL SELECT 1 FROM revocations WHERE user = ? AND issued_before > ? LIMIT 1",
                (token.token_id, token.user, token.issued_at),
            ).fetchone()
        return row is not None

    def revocations(self, since: int) -> tuple[list[dict[str, object]], int, bool]:
        """Entries after `since`, the cursor behind them, and whether there are more."""
        with self._connection() as connection:
            rows = connection.execute(
                "SELECT id, token_id, user, issued_before, expires_at FROM revocations"
                " WHERE id > ? ORDER BY id LIMIT ?",
                (since, REVOCATIONS_PAGE + 1),
            ).fetchall()
        page = rows[:REVOCATIONS_PAGE]
        entries: list[dict[str, object]] = [
            {"token_id": row[1], "user": row[2], "issued_before": row[3], "expires_at": row[4]}
            for row in page
        ]
        return entries, page[-1][0] if page else since, len(rows) > len(page)

    def _revoke(
        self, token_id: str | None, user: str | None, before: float | None, expires_at: float
    ) -> None:
        with self._connection() as connection:
            connection.execute("DELETE FROM revocations WHERE expires_at < ?", (time.time(),))
            connection.execute(
                "INSERT INTO revocations (token_id, user, issued_before, expires_at)"
                " VALUES (?, ?, ?, ?)",
                (token_id, user, before, expires_at),
            )

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        connection = sqlite3.connect(self._path, timeout=5.0)
        try:
            with connection:
                yield connection
        finally:
            connection.close()


def _load_or_make(path: Path) -> ec.EllipticCurvePrivateKey:
    if not path.exists():
        made = ec.generate_private_key(ec.SECP256R1()).private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        # Written aside and renamed, so that a crash leaves no half a key.
        draft = path.with_name(f"{path.name}.{os.getpid()}")
        with os.fdopen(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
            file.write(made)
            file.flush()
            os.fsync(file.fileno())
        draft.rename(path)
    key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError(f"{path} holds no EC key")
    return key
