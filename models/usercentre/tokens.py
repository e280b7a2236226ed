"""Who a token belongs to: by signature (JWT, JWKS) or by asking (RFC 7662)."""

import hashlib
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import jwt

from models.errors import Code, IMError
from models.ids import check_user
from models.settings import Settings
from models.usercentre.cache import BoundedCache, SingleFlight
from models.usercentre.client import UserCentreClient
from models.usercentre.jwks import KeySet, UnknownKey

TOKEN_BYTES_MAX = 8192
VERIFIED_MAX = 65536
REFUSED_MAX = 8192
REFUSED_CACHE_S = 5.0
# How far ahead the user centre's clock may be; expiry gets no such grace.
CLOCK_SKEW_S = 5.0

Claims = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Identity:
    """A verified token: `token_id` is its jti, or the SHA-256 of the token in hex without one.

    Times are epoch seconds. Without an expiry `expires_at` is infinite; without an issue time
    `issued_at` is 0, so that "every token issued before" includes it.
    """

    user: str
    token_id: str
    expires_at: float
    issued_at: float = 0.0


class TokenVerifier:
    """Verifies tokens; a token seen within `token_cache_s` costs one hash.

    Verified and refused tokens live in separate bounded caches, so garbage cannot push out the
    good. Concurrent calls for the same new token make one call to the user centre.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        client: UserCentreClient | None = None,
        is_revoked: Callable[[Identity], bool] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        client = client or UserCentreClient(settings)
        self._settings = settings
        self._is_revoked = is_revoked
        self._verified: BoundedCache[Identity] = BoundedCache(VERIFIED_MAX, clock)
        self._refused: BoundedCache[tuple[Code, str]] = BoundedCache(REFUSED_MAX, clock)
        self._flights: SingleFlight[Identity] = SingleFlight()
        self._claims = (
            _by_signature(settings, client, clock)
            if settings.token_mode == "jwt"
            else _by_asking(settings, client)
        )

    def verify(self, token: str) -> Identity:
        """Who `token` belongs to.

        Raises IMError: UNAUTHENTICATED for a bad or expired token, TOKEN_REVOKED for one taken
        back, UNAVAILABLE when the user centre is needed and gives no answer.
        """
        key = _digest(token)
        identity = self._verified.get(key)
        if identity is None:
            if refusal := self._refused.get(key):
                raise IMError(*refusal)
            identity = self._flights.run(
                key, lambda: self._verified.get(key) or self._check(key, token)
            )
        self.check(identity)
        return identity

    def check(self, identity: Identity) -> None:
        """Raise when a token that was verified is no longer good: expired, or taken back."""
        if identity.expires_at <= time.time():
            raise _refusal("the token has expired")
        if self._is_revoked is not None and self._is_revoked(identity):
            raise IMError(Code.TOKEN_REVOKED, "the token was revoked")

    def recheck(self, token: str) -> Identity:
        """`verify` without the caches, which take over the new result."""
        return self._check(_digest(token), token)

    def _check(self, key: bytes, token: str) -> Identity:
        try:
            identity = self._identity(self._claims(token), key)
        except UnknownKey:
            # Cheap to find out again, and the key may be published any moment.
            raise
        except IMError as error:
            if error.code is not Code.UNAUTHENTICATED:
                raise
            known = self._verified.last_known(key)
            if known is not None and time.time() < known.expires_at < math.inf:
                error = IMError(Code.TOKEN_REVOKED, "the token was revoked")
            self._verified.drop(key)
            self._refused.put(key, (error.code, error.message), REFUSED_CACHE_S)
            raise error from None
        trust_s = min(self._settings.token_cache_s, identity.expires_at - time.time())
        self._refused.drop(key)
        self._verified.put(key, identity, trust_s)
        return identity

    def _identity(self, claims: Claims, key: bytes) -> Identity:
        user = claims.get(self._settings.token_user_claim)
        if isinstance(user, int) and not isinstance(user, bool):
            user = str(user)
        if not isinstance(user, str):
            raise _refusal("the token names no user")
        try:
            check_user(user)
        except IMError:
            raise _refusal("the token names no valid user") from None
        expires_at = _seconds(claims.get("exp"), math.inf)
        if expires_at <= time.time():
            raise _refusal("the token has expired")
        token_id = claims.get("jti")
        return Identity(
            user=user,
            token_id=token_id if isinstance(token_id, str) and token_id else key.hex(),
            expires_at=expires_at,
            issued_at=_seconds(claims.get("iat"), 0.0),
        )


def _by_signature(
    settings: Settings, client: UserCentreClient, clock: Callable[[], float]
) -> Callable[[str], Claims]:
    """Claims of a JWT whose signature, issuer, audience and times hold."""
    if not settings.jwks_url:
        raise ValueError("token_mode jwt needs jwks_url")
    keys = KeySet(client, settings.jwks_url, clock)
    options: jwt.types.Options = {
        "verify_aud": bool(settings.token_audience),
        "verify_sub": False,
        "enforce_minimum_key_length": True,
    }

    def claims(token: str) -> Claims:
        try:
            header = jwt.get_unverified_header(token)
        except (jwt.PyJWTError, ValueError, RecursionError):
            raise _refusal("not a JWT") from None
        algorithm, kid = header.get("alg"), header.get("kid")
        if not isinstance(algorithm, str):
            raise _refusal("the token names no algorithm")
        reason = "the algorithm does not fit the key"
        for key in keys.find(kid, algorithm):
            try:
                return jwt.decode(
                    token,
                    key,
                    algorithms=[algorithm],
                    options=options,
                    issuer=settings.token_issuer or None,
                    audience=settings.token_audience or None,
                    leeway=CLOCK_SKEW_S,
                )
            except (jwt.PyJWTError, ValueError, TypeError, RecursionError) as error:
                reason = type(error).__name__
        raise _refusal(f"the token does not verify: {reason}")

    return claims


def _by_asking(settings: Settings, client: UserCentreClient) -> Callable[[str], Claims]:
    """Claims the user centre states for an active token (RFC 7662).

    A configured issuer or audience is held against the answer where the answer states one.
    """
    if not settings.introspection_url:
        raise ValueError("token_mode introspection needs introspection_url")
    wanted = settings.token_audience

    def claims(token: str) -> Claims:
        answer = client.post_form(settings.introspection_url, {"token": token})
        if answer.get("active") is not True:
            raise _refusal("the token is not active")
        issuer, audience = answer.get("iss"), answer.get("aud")
        if settings.token_issuer and issuer not in (None, settings.token_issuer):
            raise _refusal("the token is from another issuer")
        stated = audience if isinstance(audience, list) else [audience]
        if wanted and audience is not None and wanted not in stated:
            raise _refusal("the token is for another audience")
        return answer

    return claims


def _digest(token: str) -> bytes:
    """The token's SHA-256; refuses what cannot be a token before any work is done for it."""
    if not 0 < len(token) <= TOKEN_BYTES_MAX or not (token.isascii() and token.isprintable()):
        raise _refusal("not a token")
    return hashlib.sha256(token.encode()).digest()


def _seconds(value: object, default: float) -> float:
    if value is None:
        return default
    try:
        if isinstance(value, (int, float, str)) and math.isfinite(seconds := float(value)):
            return seconds
    except (ValueError, OverflowError):
        pass
    raise _refusal("the token carries a time that is none")


def _refusal(message: str) -> IMError:
    return IMError(Code.UNAUTHENTICATED, message)
