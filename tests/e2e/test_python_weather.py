"""Two people talk over networks that lose, repeat, cut and stall: each hears all of it once."""

import random
import threading
from contextlib import closing

import pytest

from dev.clients.wait import wait_until
from im_client import Client, Conversation, MessageEvent
from im_client.model import GROUP
from tests.support.cluster import Cluster
from tests.support.proxy import Proxy
from tests.support.proxyframes import Speech
from tests.support.sdkphones import Phones, phones, platform_for_sdks  # noqa: F401

MESSAGES = 60
ROUNDS = 25
PUSH_MESSAGES = 10001

ROADS: dict[str, tuple[str, Speech, str]] = {
    "tcp": ("gateway", "mars", "tcp://127.0.0.1:{}"),
    "ws": ("web", "websocket", "ws://127.0.0.1:{}/ws"),
    "comet": ("web", "http", "http://127.0.0.1:{}"),
}


def _bad_weather(proxies: list[Proxy], seed: int) -> None:
    """Disturb both networks again and again; in the end they work."""
    chance = random.Random(seed)
    pause = threading.Event()
    for _ in range(ROUNDS):
        proxy = chance.choice(proxies)
        match chance.randrange(6):
            case 0:
                proxy.cut()
            case 1:
                proxy.drop(PUSH_MESSAGES, chance.randrange(1, 4))
            case 2:
                proxy.duplicate(PUSH_MESSAGES, chance.randrange(1, 4))
            case 3:
                proxy.deafen()
                pause.wait(chance.random() / 4)
                proxy.cut()
                proxy.heal()
            case 4:
                proxy.down()
                pause.wait(chance.random() / 4)
                proxy.heal()
            case 5:
                proxy.freeze()
                pause.wait(chance.random() / 4)
                proxy.heal()
        pause.wait(chance.random() / 10)
    for proxy in proxies:
        proxy.heal()


def _talk(client: Client, peer: str, group: str) -> None:
    for number in range(MESSAGES):
        target = Conversation.group(group) if number % 3 == 0 else Conversation.person(peer)
        client.send_text(target, f"{number}", key=f"{number}")


@pytest.mark.chaos
@pytest.mark.slow
@pytest.mark.parametrize("road", list(ROADS))
def test_each_message_is_told_once_and_in_order(phones: Phones, road: str) -> None:
    cluster = phones.cluster
    process, speech, url = ROADS[road]
    alice, bob = cluster.pair()
    with (
        closing(Proxy(cluster.platform.port(process), speech)) as one,
        closing(Proxy(cluster.platform.port(process), speech)) as other,
    ):
        # Given two people in a conversation and a group, each behind a network of their own
        clients = {
            user: phones.start(
                user, endpoint=url.format(proxy.port), pong_timeout_s=2, follow_addresses=False
            )
            for user, proxy in ((alice, one), (bob, other))
        }
        group = clients[alice].create_group("sailors", [bob]).group
        wait_until(lambda: group in [info.group for info in clients[bob].groups()])
        # When both talk in bad weather
        weather = threading.Thread(target=_bad_weather, args=([one, other], 7))
        weather.start()
        _talk(clients[alice], bob, group)
        _talk(clients[bob], alice, group)
        weather.join()
        # Then everything is acknowledged, and told to both
        for client in clients.values():
            for number in range(MESSAGES):
                client.wait_acked(f"{number}", timeout_s=60)
        for user, client in clients.items():
            _check(phones, cluster, user, client, group)
            client.close()


def _check(phones: Phones, cluster: Cluster, user: str, client: Client, group: str) -> None:
    """The user was told exactly what MySQL holds for them, by each log in its order."""
    truth = {row.id: row.version for row in cluster.store.mailbox(user)}
    in_group = {row.id: row.version for row in cluster.store.rows(f"receiver = '{group}'")}
    assert len(truth) + len(in_group) >= 2 * MESSAGES

    def told() -> list[MessageEvent]:
        return phones.messages(client)

    wait_until(lambda: len(told()) >= len(truth) + len(in_group), what=f"all events of {user}")
    ids = [event.message.id for event in told()]
    assert len(ids) == len(set(ids)), "told once"
    for type_, log in ((0, truth), (GROUP, in_group)):
        found = [one.message for one in told() if one.message.conversation.type == type_]
        versions = [message.version for message in found]
        assert versions == sorted(versions), "in the order of the log"
        assert {message.id: message.version for message in found} == log
    for sender in {event.message.sender for event in told()} - {""}:
        for type_ in (0, GROUP):
            said = [
                int(event.message.text)
                for event in told()
                if event.message.sender == sender and event.message.conversation.type == type_
            ]
            assert said == sorted(said), "as they were said"
