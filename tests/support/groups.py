"""Groups in tests: made, talked in, and read like a client that keeps cursors."""

import uuid
from typing import Any

from chaos.groupmodel import read_log
from dev.clients.device import Device
from dev.clients.groupreader import Reader as Reader
from dev.clients.wire import Caller, ok
from proto import im_pb2
from tests.support.cluster import Cluster


def make_group(owner: Caller, users: list[str] | None = None, **more: Any) -> str:
    """A new group's id; the caller is its owner."""
    request = im_pb2.GroupCreateRequest(
        sequence=uuid.uuid4().hex, name="a group", users=users or [], **more
    )
    return str(ok(owner.call(request)).group.group)


def say(
    group: str, text: str = "hello", *, sequence: str = "", mentions: list[str] | None = None
) -> im_pb2.SendRequest:
    """A text message to a group."""
    request = im_pb2.SendRequest(
        receiver=group, sequence=sequence or uuid.uuid4().hex, type=im_pb2.GROUP
    )
    request.content.text.text = text
    request.content.mentions.extend(mentions or [])
    return request


def pushes_of(device: Device, group: str) -> list[im_pb2.MessagesPush]:
    """What was pushed of a group so far, in the order it came."""
    return [
        push.body
        for push in device.pushes
        if push.cmd == im_pb2.CMD_PUSH_MESSAGES and push.body.group == group
    ]


def pushed_versions(device: Device, group: str) -> list[int]:
    """The versions of the group's messages that were pushed so far, in the order they came."""
    return [message.version for push in pushes_of(device, group) for message in push.messages]


def stays(cluster: Cluster, group: str, user: str) -> list[tuple[int, int]]:
    """When the user was in the group: versions of the rows they came and went by."""
    found: list[tuple[int, int]] = []
    for row, system in read_log(cluster.store, group):
        if system is None or user not in system.users:
            continue
        if system.kind in (im_pb2.CREATED, im_pb2.JOINED, im_pb2.INVITED):
            found.append((row.version, 1 << 64))
        elif system.kind in (im_pb2.LEFT, im_pb2.REMOVED):
            found[-1] = (found[-1][0], row.version)
    return found


def check_pushed(cluster: Cluster, group: str, device: Device, user: str) -> None:
    """What was pushed to a device of the user is of the times they were in the group."""
    times = stays(cluster, group, user)
    for version in pushed_versions(device, group):
        assert any(first <= version <= last for first, last in times), f"{version} in {times}"
