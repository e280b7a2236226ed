"""Groups in tests: made, talked in, and read like a client that keeps cursors."""

import uuid
from dataclasses import dataclass, field
from typing import Any

from proto import im_pb2
from proto.groupsversion import groups_version
from tests.support.cluster import Cluster
from tests.support.device import Device
from tests.support.store import Stored
from tests.support.wire import Caller, ok


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


@dataclass
class Reader:
    """A client that keeps a cursor and the messages of each group, as SDKs do."""

    caller: Caller
    cursors: dict[str, int] = field(default_factory=dict)
    messages: dict[str, dict[str, im_pb2.Message]] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)

    def sync(self, limit: int = 0) -> None:
        """Read everything there is."""
        more = True
        while more:
            request = im_pb2.GroupSyncRequest(limit=limit)
            for group, cursor in self.cursors.items():
                request.cursors.add(group=group, cursor=cursor)
            answer = ok(self.caller.call(request))
            more = answer.more or bool(answer.joined)
            for group in answer.joined:
                self.cursors[group] = 0
                self.gone.discard(group)
            for part in answer.groups:
                kept = self.messages.setdefault(part.group, {})
                versions = [message.version for message in part.messages]
                assert versions == sorted(set(versions)), "ascending"
                assert all(self.cursors[part.group] < v <= part.cursor for v in versions)
                assert part.cursor > self.cursors[part.group] or part.gone
                kept.update((message.id, message) for message in part.messages)
                self.cursors[part.group] = part.cursor
                if part.gone:
                    del self.cursors[part.group]
                    self.gone.add(part.group)

    def texts(self, group: str) -> list[str]:
        """What members said, oldest first; what was recalled is empty."""
        kept = sorted(self.messages.get(group, {}).values(), key=lambda message: message.id)
        return [message.content.text.text for message in kept if message.sender]

    def events(self, group: str) -> list[str]:
        """What happened to the group, oldest first."""
        kept = sorted(self.messages.get(group, {}).values(), key=lambda message: message.id)
        return [
            im_pb2.SystemKind.Name(message.content.system.kind)
            for message in kept
            if not message.sender
        ]

    @property
    def version(self) -> int:
        """What `groups_version` of an answer is compared with."""
        return groups_version(self.cursors)


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


def read_log(cluster: Cluster, group: str) -> list[tuple[Stored, im_pb2.System | None]]:
    """The group's rows as MySQL holds them, by version, and what each did to the group."""
    rows = cluster.store.rows(f"receiver = '{group}'")
    return [
        (row, None if row.sender else im_pb2.Content.FromString(row.content).system) for row in rows
    ]


def stays(cluster: Cluster, group: str, user: str) -> list[tuple[int, int]]:
    """When the user was in the group: versions of the rows they came and went by."""
    found: list[tuple[int, int]] = []
    for row, system in read_log(cluster, group):
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
