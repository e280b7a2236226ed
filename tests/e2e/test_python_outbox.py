"""What waits in the outbox: taken back in time, or not any more."""

import asyncio

import pytest

from dev.clients.wait import wait_until
from im_client import MaybeSent, Refused
from im_client.aio import Client
from tests.support.proxy import Proxy
from tests.support.sdkphones import Phones, phones, platform_for_sdks  # noqa: F401


def test_what_was_never_sent_can_be_taken_back(phones: Phones) -> None:
    alice, bob = phones.cluster.pair()
    client, reader = phones.start(alice), phones.start(bob)
    # Given messages that wait for a network
    client.suspend()
    wait_until(lambda: not client.online)
    for text in ("one", "a slip", "two"):
        client.send_text(bob, text, key=text)
    # When one is taken back, and the network is there
    assert client.forget("a slip")
    assert not client.forget("a slip"), "it is there no more"
    client.resume()
    # Then the others are sent
    client.wait_acked("two")
    phones.wait_texts(reader, "one", "two")
    with pytest.raises(KeyError):
        client.wait_acked("a slip")
    assert not client.forget("two"), "that can be recalled only"


def test_what_the_server_may_have_cannot_be_taken_back(phones: Phones) -> None:
    alice, bob = phones.cluster.pair()
    proxy = Proxy(phones.cluster.platform.port("gateway"), "mars")
    try:
        reader = phones.start(bob)
        client = phones.start(alice, endpoint=f"tcp://127.0.0.1:{proxy.port}", platform="ios")
        # Given a message that was sent, without an answer, and another behind it
        proxy.deafen()
        client.send_text(bob, "who knows", key="sent")
        client.send_text(bob, "never mind", key="waits")
        phones.wait_texts(reader, "who knows")
        assert [(one.key, one.maybe_sent) for one in client.outbox(bob)] == [
            ("sent", True),
            ("waits", False),
        ]
        # When both are taken back, then the one that is stored is not, not even after a restart
        with pytest.raises(MaybeSent):
            client.forget("sent")
        assert client.forget("waits")
        client.close()
        proxy.cut()
        proxy.heal()
        again = phones.make(alice)
        with pytest.raises(MaybeSent):
            again.forget("sent")
        again.start()
        again.wait_acked("sent")
        assert phones.texts(reader) == ["who knows"]
    finally:
        proxy.close()


def test_who_waits_for_what_is_taken_back_hears_so(phones: Phones) -> None:
    alice, bob = phones.cluster.pair()

    async def take_back() -> None:
        async with Client(alice, phones.cluster.token(alice), ["tcp://127.0.0.1:1"]) as client:
            key = await client.send_text(bob, "a slip")
            waiting = asyncio.create_task(client.wait_acked(key))
            await asyncio.sleep(0)  # it looks for the first time
            assert await client.forget(key)
            with pytest.raises(Refused, match="FORGOTTEN"):
                await waiting

    asyncio.run(take_back())
