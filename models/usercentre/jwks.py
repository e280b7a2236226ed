"""The user centre's public keys.

Keys are fetched on first use, again when a token names a key that is not known, and in the
background once they are JWKS_MAX_AGE_S old, so that a withdrawn key stops working. Fetches start
at least JWKS_PAUSE_S apart whatever tokens arrive. When a fetch fails the keys already held stay.
"""

import threading
import time
from collections.abc import Callable

import jwt
import structlog

from models.errors import Code, IMError
from models.usercentre.client import UserCentreClient, UserCentreDown

JWKS_MAX_AGE_S = 60.0
JWKS_PAUSE_S = 3.0
KEYS_MAX = 64

# What a key may sign with, by key type and curve. No symmetric algorithm and no "none".
_RSA = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
_CURVES = {
    ("EC", "P-256"): ("ES256",),
    ("EC", "P-384"): ("ES384",),
    ("EC", "P-521"): ("ES512",),
    ("EC", "secp256k1"): ("ES256K",),
    ("OKP", "Ed25519"): ("EdDSA",),
    ("OKP", "Ed448"): ("EdDSA",),
}

log = structlog.get_logger(__name__)


class UnknownKey(IMError):
    """The token names a key the user centre does not publish."""

    def __init__(self) -> None:
        super().__init__(Code.UNAUTHENTICATED, "the token is signed with an unknown key")


class _Key:
    """One published key: its id, and the verifying key for each algorithm it fits."""

    def __init__(self, kid: str | None, by_algorithm: dict[str, jwt.PyJWK]) -> None:
        self.kid = kid
        self.by_algorithm = by_algorithm


class KeySet:
    """The published keys, kept current."""

    def __init__(
        self, client: UserCentreClient, url: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._client = client
        self._url = url
        self._clock = clock
        self._fetching = threading.Lock()
        self._keys: tuple[_Key, ...] = ()
        self._fetched = float("-inf")
        self._tried = float("-inf")
        self._failed = False

    def find(self, kid: str | None, algorithm: str) -> list[jwt.PyJWK]:
        """The keys a token with this header may be signed with; all that fit, without a `kid`.

        Raises UnknownKey, or UserCentreDown when the keys could not be fetched to know better.
        """
        keys = self._named(kid)
        if not keys:
            # Those who arrive during a fetch wait for its result here.
            with self._fetching:
                keys = self._named(kid)
                if not keys and self._may_fetch():
                    self._fetch()
                    keys = self._named(kid)
        elif self._clock() - self._fetched > JWKS_MAX_AGE_S:
            self._fetch_behind()
        if not keys:
            raise UserCentreDown("no keys") if self._failed else UnknownKey()
        return [key.by_algorithm[algorithm] for key in keys if algorithm in key.by_algorithm]

    def _named(self, kid: str | None) -> list[_Key]:
        return [key for key in self._keys if kid is None or key.kid == kid]

    def _may_fetch(self) -> bool:
        return self._clock() - self._tried >= JWKS_PAUSE_S

    def _fetch_behind(self) -> None:
        if not self._may_fetch() or not self._fetching.acquire(blocking=False):
            return
        try:
            threading.Thread(target=self._fetch_and_release, daemon=True).start()
        except RuntimeError:
            self._fetching.release()

    def _fetch_and_release(self) -> None:
        try:
            self._fetch()
        finally:
            self._fetching.release()

    def _fetch(self) -> None:
        self._tried = self._clock()
        try:
            keys = _usable(self._client.get(self._url, with_secret=False))
        except UserCentreDown as error:
            self._failed = True
            log.warning("usercentre.jwks_failed", reason=error.reason, kept=len(self._keys))
            return
        self._keys = keys
        self._fetched = self._tried
        self._failed = False


def _usable(document: dict[str, object]) -> tuple[_Key, ...]:
    """The signing keys of a JWKS. A set without any counts as a failure: it would end everybody."""
    entries = document.get("keys")
    if not isinstance(entries, list):
        raise UserCentreDown("not a JWKS")
    keys = tuple(key for entry in entries[:KEYS_MAX] if (key := _key(entry)) is not None)
    if not keys:
        raise UserCentreDown("no usable key in the JWKS")
    return keys


def _key(entry: object) -> _Key | None:
    if not isinstance(entry, dict) or entry.get("use", "sig") != "sig":
        return None
    kid = entry.get("kid")
    try:
        made = {name: jwt.PyJWK(entry, name) for name in _algorithms(entry)}
    except (jwt.PyJWTError, ValueError, TypeError, AttributeError, KeyError) as error:
        log.warning("usercentre.jwk_skipped", error=type(error).__name__)
        return None
    return _Key(kid if isinstance(kid, str) else None, made) if made else None


def _algorithms(entry: dict[str, object]) -> tuple[str, ...]:
    kind, curve = str(entry.get("kty")), str(entry.get("crv"))
    fitting = _RSA if kind == "RSA" else _CURVES.get((kind, curve), ())
    named = entry.get("alg")
    return fitting if named is None else tuple(name for name in fitting if name == named)
