"""Whom the Python SDK lets in with which token, and when it stays away."""

import queue

import pytest

from im_client import Closed, StateEvent
from tests.support.sdkphones import Phones, phones, platform_for_sdks  # noqa: F401


def test_a_refused_token_is_asked_for_again_once(phones: Phones) -> None:
    # Given an application whose first token is stale
    user = phones.cluster.person()
    tokens = queue.SimpleQueue[str]()
    for token in ("stale", phones.cluster.token(user)):
        tokens.put(token)
    client = phones.make(user, token=lambda: tokens.get(timeout=1))
    client.start()
    # Then the second is asked for and lets it in
    client.wait_ready()
    assert tokens.empty()


def test_tokens_that_are_refused_end_it(phones: Phones) -> None:
    user = phones.cluster.person()
    asked: list[int] = []

    def token() -> str:
        asked.append(1)
        return f"no token {len(asked)}"

    client = phones.make(user, token=token)
    client.start()
    with pytest.raises(Closed) as refusal:
        client.wait_ready()
    assert refusal.value.name == "UNAUTHENTICATED"
    assert len(asked) == 2
    phones.wait(client, lambda event: isinstance(event, StateEvent) and event.state == "closed")


def test_a_token_that_expires_is_renewed(phones: Phones) -> None:
    # Given a token that lives for seconds only
    user, cluster = phones.cluster.person(), phones.cluster
    lives = iter([3, 3600])
    client = phones.make(user, token=lambda: cluster.token(user, ttl_s=next(lives)))
    client.start()
    client.wait_ready()
    # When the server ends the connection over it
    phones.wait(client, lambda event: isinstance(event, StateEvent) and event.state == "offline")
    # Then the client comes back with another one
    client.wait_ready()
    assert next(lives, None) is None


def test_another_users_token_is_not_used(phones: Phones) -> None:
    alice, bob = phones.cluster.pair()
    client = phones.make(alice, token=phones.cluster.token(bob))
    client.start()
    with pytest.raises(Closed) as refusal:
        client.wait_ready()
    assert refusal.value.name == "WRONG_USER"
