"""Whom the Python SDK lets in with which token, and when it stays away."""

import queue
import threading
import time

import pytest

from dev.clients.wait import wait_until
from im_client import Closed, FrameEvent, KickedEvent, StateEvent, im_pb2
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
    lives = iter([5, 3600])
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


def test_a_device_that_is_logged_out_stays_away(phones: Phones) -> None:
    cluster, user = phones.cluster, phones.cluster.person()
    one = phones.start(user, name="one", token=cluster.new_token(user), device="one")
    other = phones.start(user, name="other", token=cluster.new_token(user), device="other")
    one.log_out("other")
    kicked = phones.wait(other, lambda event: isinstance(event, KickedEvent))
    assert kicked.error == "TOKEN_REVOKED"
    with pytest.raises(Closed) as refusal:
        other.wait_ready()
    assert refusal.value.name == "TOKEN_REVOKED"
    assert one.online


def test_a_server_that_goes_away_says_when_to_come_back(phones: Phones) -> None:
    # Given a client whose frames are watched
    cluster, user = phones.cluster, phones.cluster.person()
    client = phones.make(user)
    pushed: list[tuple[float, int]] = []
    stated: list[tuple[float, str]] = []

    def see(event: FrameEvent) -> None:
        if event.cmd == im_pb2.CMD_PUSH_GO_AWAY:
            delay_ms = im_pb2.GoAwayPush.FromString(event.body).delay_ms
            pushed.append((time.monotonic(), delay_ms))

    client.watch_frames(see)
    client.on(StateEvent, lambda event: stated.append((time.monotonic(), event.state)))
    client.start()
    client.wait_ready()
    # When its server stops in an orderly way, and is there again at once
    cluster.platform.restart("gateway")
    # Then it comes back, not before it was told to
    wait_until(lambda: [state for _, state in stated][-1:] == ["online"] and len(stated) > 2)
    ((told_at, delay_ms),) = pushed
    again_at = next(at for at, state in stated if state == "connecting" and at > told_at)
    assert again_at - told_at >= delay_ms / 1000 - 0.01


def test_a_user_centre_that_is_down_is_asked_again(phones: Phones) -> None:
    user, cluster = phones.cluster.person(), phones.cluster
    lives = iter([5, 3600])
    down = [True, False, True]

    def token() -> str:
        if down and down.pop(0):
            raise OSError("the user centre is down")
        return cluster.token(user, ttl_s=next(lives))

    # Given a user centre that is down at first
    client = phones.make(user, token=token)
    client.start()
    client.wait_ready()
    # When the token expires while it is down again, then the client comes back all the same
    phones.wait(client, lambda event: isinstance(event, StateEvent) and event.state == "offline")
    client.wait_ready()
    assert not down


def test_a_network_that_comes_back_during_an_attempt_is_used_at_once(phones: Phones) -> None:
    # Given an attempt that is about to fail
    user = phones.cluster.person()
    asked, fail = threading.Event(), threading.Event()

    def token() -> str:
        if not asked.is_set():
            asked.set()
            assert fail.wait(30)
            raise OSError("no network")
        return phones.cluster.token(user)

    client = phones.make(user, token=token, backoff_least_s=60.0, backoff_most_s=60.0)
    client.start()
    assert asked.wait(30)
    # When the application hears that the network is back
    client.resume()
    assert not client.online  # that was heard
    fail.set()
    # Then the next attempt does not wait
    client.wait_ready()
