"""Reads a user's groups like a client that keeps cursors."""

from dataclasses import dataclass, field

from dev.clients.wire import Caller, ok
from proto import im_pb2
from proto.groupsversion import groups_version


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
