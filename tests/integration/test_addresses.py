"""Where clients connect: asked for without a token, and told to whoever is sent away."""

from collections.abc import Iterable, Iterator

import pytest

from dev.clients.device import Device
from dev.clients.wait import DEADLINE_S
from dev.clients.wire import Caller, ok
from proto import im_pb2
from tests.support.cluster import Cluster

LISTED = "tcp://im.example.com:8002,wss://im.example.com:443,https://im.example.com:443"
BACKUPS = "tcp://backup.example.com:9002,tls://[2001:db8::1]:443"
SETTINGS = {
    "IM_ADDRESSES": LISTED,
    "IM_BACKUP_ADDRESSES": BACKUPS,
    "IM_ADDRESSES_LIFETIME_S": "77",
    "IM_DRAIN_S": "0",
}


@pytest.fixture
def listed(cluster: Cluster) -> Iterator[str]:
    """Suffix of a web and a gateway process that are told where clients connect."""
    names = ("web.listed", "gateway.listed")
    cluster.platform.start(*names, env=SETTINGS)
    yield ".listed"
    cluster.hang_up()  # or it waits for them
    cluster.platform.stop(*names)


def anybody(cluster: Cluster, place: str) -> list[Caller]:
    """Clients without a token, by every transport that takes requests."""
    web = f"web{place}"
    return [
        cluster.short("", web, json=True),
        cluster.short("", web),
        cluster.connect_bare(web, json=True),
        cluster.connect_bare(web),
        cluster.tcp(gateway=f"gateway{place}"),
        cluster.tcp(gateway=f"gateway{place}", tls=True),
    ]


def urls(addresses: Iterable[im_pb2.Address]) -> str:
    """As they are configured."""
    return ",".join(
        f"{a.scheme}://{f'[{a.host}]' if ':' in a.host else a.host}:{a.port}" for a in addresses
    )


def test_anybody_is_told_what_is_configured(cluster: Cluster, listed: str) -> None:
    for client in anybody(cluster, listed):
        answer = ok(client.call(im_pb2.AddressesRequest()))
        assert urls(answer.addresses) == LISTED
        assert urls(answer.backups) == BACKUPS
        assert answer.lifetime_s == 77


def test_without_configuration_it_is_where_they_came(cluster: Cluster) -> None:
    for client in anybody(cluster, ""):
        answer = ok(client.call(im_pb2.AddressesRequest()))
        schemes = [address.scheme for address in answer.addresses]
        assert schemes == sorted(set(schemes), key=schemes.index)
        assert {"ws", "http", "tcp"} <= set(schemes)
        # Then: the host is known where the client names it; else it is the one they know
        known = not isinstance(client, Device)
        assert {a.host for a in answer.addresses} == {"127.0.0.1" if known else ""}
        assert not answer.backups
        assert answer.lifetime_s == 3600


def test_the_same_is_told_to_who_is_in(cluster: Cluster, listed: str) -> None:
    for client in (
        cluster.connect(cluster.person(), f"web{listed}"),
        cluster.tcp(cluster.person(), f"gateway{listed}"),
        cluster.short(cluster.token(cluster.person()), f"web{listed}"),
    ):
        assert urls(ok(client.call(im_pb2.AddressesRequest())).addresses) == LISTED


def test_who_is_sent_away_is_told_where_to_go(cluster: Cluster, listed: str) -> None:
    # Given
    clients: list[Device] = [
        cluster.connect(cluster.person(), f"web{listed}"),
        cluster.connect(cluster.person(), f"web{listed}", json=True),
        cluster.tcp(cluster.person(), f"gateway{listed}"),
        cluster.tcp(cluster.person(), f"gateway{listed}", tls=True),
        cluster.events(cluster.person(), f"web{listed}"),
    ]
    for client in clients[:-1]:
        client.settle()

    # When
    cluster.platform.stop(f"web{listed}", f"gateway{listed}", timeout_s=DEADLINE_S)

    # Then: as the last thing before the end
    for client in clients:
        client.wait_closed()
        (push,) = client.pushes
        assert push.cmd == im_pb2.CMD_PUSH_GO_AWAY
        assert urls(push.body.addresses) == LISTED
        assert urls(push.body.backups) == BACKUPS
