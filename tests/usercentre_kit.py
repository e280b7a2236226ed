"""Keys, tokens and a scripted user centre for the tests of `models.usercentre`."""

import time
from collections.abc import Callable, Mapping
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from models.errors import Code, IMError
from models.settings import Settings
from models.usercentre.client import UserCentreClient, UserCentreDown
from models.usercentre.tokens import TokenVerifier

ISSUER = "https://users.example"


def make_settings(**changes: Any) -> Settings:
    """Settings of JWT mode; nothing listens at the URLs unless changed."""
    values: dict[str, Any] = {
        "mysql_url": ("mysql://im:im@127.0.0.1/im",),
        "jwks_url": "http://127.0.0.1:9/jwks.json",
        "introspection_url": "http://127.0.0.1:9/introspect",
        "usercenter_secret": "s3cret",
        "token_issuer": ISSUER,
        "token_audience": "im",
    }
    return Settings(**(values | changes))


class SigningKey:
    """A key pair that signs tokens and knows its JWK."""

    def __init__(self, algorithm: str = "ES256", kid: str | None = "k1") -> None:
        self.algorithm = algorithm
        self.kid = kid
        if algorithm.startswith("ES"):
            key = ec.generate_private_key(ec.SECP256R1())
            self.private: Any = key
            self.jwk: dict[str, Any] = ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
        elif algorithm == "EdDSA":
            edwards = ed25519.Ed25519PrivateKey.generate()
            self.private = edwards
            self.jwk = OKPAlgorithm.to_jwk(edwards.public_key(), as_dict=True)
        else:
            pair = rsa.generate_private_key(65537, 2048)
            self.private = pair
            self.jwk = RSAAlgorithm.to_jwk(pair.public_key(), as_dict=True)
        # Some libraries state what the key is for, some do not; the verifier must not need it.
        self.jwk.pop("key_ops", None)
        if kid is not None:
            self.jwk["kid"] = kid

    def sign(self, headers: Mapping[str, Any] | None = None, **claims: Any) -> str:
        """A token of alice, good for an hour; a claim given as None is left out."""
        merged = good_claims() | claims
        head = ({"kid": self.kid} if self.kid else {}) | dict(headers or {})
        return jwt.encode(
            {name: value for name, value in merged.items() if value is not None},
            self.private,
            algorithm=self.algorithm,
            headers=head,
        )


def good_claims() -> dict[str, Any]:
    now = int(time.time())
    return {
        "iss": ISSUER,
        "aud": "im",
        "sub": "alice",
        "jti": "t1",
        "iat": now,
        "exp": now + 3600,
    }


class ScriptedClient(UserCentreClient):
    """Answers from `answers` in turn, the last one for ever; an exception there is raised."""

    def __init__(self, *answers: dict[str, Any] | Exception) -> None:
        super().__init__(make_settings())
        self.answers = list(answers)
        self.calls: list[Any] = []

    def get(
        self, url: str, params: Mapping[str, str] | None = None, *, with_secret: bool = True
    ) -> dict[str, object]:
        return self._next(dict(params or {}))

    def post_form(self, url: str, form: Mapping[str, str]) -> dict[str, object]:
        return self._next(dict(form))

    def post_json(
        self, url: str, body: object, *, timeout_s: float | None = None
    ) -> dict[str, object]:
        return self._next(body)

    def _next(self, call: object) -> dict[str, object]:
        self.calls.append(call)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


def down() -> UserCentreDown:
    return UserCentreDown("scripted")


class Clock:
    """A monotonic clock that moves when told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def refusal(verifier: TokenVerifier, token: str) -> Code:
    """The code `token` is refused with."""
    with pytest.raises(IMError) as caught:
        verifier.verify(token)
    return caught.value.code


def wait_until(condition: Callable[[], bool]) -> None:
    """Return once `condition` holds; fails after ten seconds."""
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "the condition never came true"
        time.sleep(0.005)
