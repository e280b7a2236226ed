"""A connection that looks open and carries nothing is noticed long before its next heartbeat."""

from collections.abc import Iterator

import pytest

from im_client import Client, NotConnected, StateEvent, im_pb2
from tests.support.proxy import Proxy
from tests.support.sdkphones import Phones, phones, platform_for_sdks  # noqa: F401


@pytest.fixture
def network(phones: Phones) -> Iterator[Proxy]:
    proxy = Proxy(phones.cluster.platform.port("gateway"), "mars")
    yield proxy
    proxy.close()


def _phone(phones: Phones, user: str, network: Proxy) -> Client:
    """A client that pings every 210 seconds, behind a network of its own."""
    return phones.start(
        user,
        endpoint=f"tcp://127.0.0.1:{network.port}",
        platform="ios",
        pong_timeout_s=1.0,
        follow_addresses=False,
    )


def _wait_offline(phones: Phones, client: Client) -> None:
    phones.wait(client, lambda event: isinstance(event, StateEvent) and event.state == "offline")


def test_a_send_that_gets_no_answer_gets_another_connection(phones: Phones, network: Proxy) -> None:
    alice, bob = phones.cluster.pair()
    reader = phones.start(bob)
    phone = _phone(phones, alice, network)
    # Given a network that dies without a word
    network.freeze()
    # When something is sent
    key = phone.send_text(bob, "hello?")
    # Then the connection is given up, and the next one brings it, once
    _wait_offline(phones, phone)
    network.heal()
    phone.wait_acked(key)
    phones.wait_texts(reader, "hello?")


def test_a_question_without_an_answer_ends_a_dead_connection(
    phones: Phones, network: Proxy
) -> None:
    phone = _phone(phones, phones.cluster.person(), network)
    network.freeze()
    with pytest.raises(NotConnected):
        phone.call(im_pb2.DevicesRequest(), timeout_s=0.1)
    _wait_offline(phones, phone)
    network.heal()
    phone.wait_ready()


def test_a_device_that_is_back_checks_its_connection(phones: Phones, network: Proxy) -> None:
    alice, bob = phones.cluster.pair()
    phone = _phone(phones, alice, network)
    # Given a connection that works, then it stays
    phone.resume()
    phone.devices()
    assert phone.online
    # Given one that died while the device slept
    network.freeze()
    # When the application says that the network is there
    phone.resume()
    # Then it is given up, and another one is made
    _wait_offline(phones, phone)
    network.heal()
    phone.wait_ready()
    phones.start(bob).send_text(alice, "there you are")
    phones.wait_texts(phone, "there you are")
