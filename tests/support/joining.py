"""Devices of one user by every transport that lasts, wherever they connect."""

import time
from typing import Literal

import pytest

from dev.clients.device import Device
from dev.clients.wait import wait_until
from dev.clients.wire import ok
from proto import im_pb2
from tests.support.cluster import Cluster

Way = Literal["ws", "json", "tcp", "events", "comet"]
WAYS: tuple[Way, ...] = ("ws", "json", "tcp", "events", "comet")
by_every_way = pytest.mark.parametrize("way", WAYS)


def join(
    cluster: Cluster,
    way: Way,
    user: str,
    place: str = "",
    *,
    device: str,
    platform: str = "web",
    token: str = "",
) -> Device:
    """A connected device; `place` is the suffix of the process it goes to.

    Later than any that joined before, by the server's clock too.
    """
    token = token or cluster.token(user)
    web = f"web{place}"
    client: Device
    if way == "events":
        client = cluster.events(user, web, token=token, device=device, platform=platform)
    elif way == "comet":
        client = cluster.comet(user, web, token=token, device=device, platform=platform)
    else:
        if way == "tcp":
            client = cluster.tcp(gateway=f"gateway{place}")
        else:
            client = cluster.connect_bare(web, json=way == "json")
        client.auth(token, device=device, platform=platform)
    wait_until(lambda: device in online(cluster, user), what=f"{device} connected")
    joined = int(time.time() * 1000)
    wait_until(lambda: int(time.time() * 1000) > joined)
    return client


def devices(cluster: Cluster, user: str) -> dict[str, im_pb2.Device]:
    """The user's devices by name, as any process tells them."""
    short = cluster.short(cluster.new_token(user))
    listed = ok(short.call(im_pb2.DevicesRequest())).devices
    short.close()
    assert [item.online for item in listed] == sorted((d.online for d in listed), reverse=True)
    return {item.device: item for item in listed}


def online(cluster: Cluster, user: str) -> set[str]:
    """The names of those that are connected."""
    return {name for name, device in devices(cluster, user).items() if device.online}


def ended(client: Device) -> tuple[str, int]:
    """Why the server ended the connection, and its code; said before the end, behind all else."""
    closed = client.wait_closed()
    pushes = [push for push in client.pushes if push.cmd == im_pb2.CMD_PUSH_KICKED]
    if not pushes:  # a poll is told by its answer
        return closed.reason, closed.code
    assert pushes == client.pushes[-1:]
    return pushes[0].body.error.name, closed.code
