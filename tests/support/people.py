"""People in tests: a user with a caller, asked for facts the way a test thinks of them."""

import uuid
from typing import Any

from google.protobuf.message import Message

from dev.clients.wire import Caller, ok, refused
from proto import im_pb2
from tests.support.cluster import Cluster, Transport
from tests.support.groups import Reader


class Person:
    """A user nobody had before, who calls by short calls and keeps cursors of groups."""

    def __init__(
        self, cluster: Cluster, name: str, web: str = "web", transport: Transport = "http-protobuf"
    ) -> None:
        self.name = name
        self.caller: Caller = cluster.caller(transport, name, web)
        self.reader = Reader(self)

    def call(self, request: Message) -> Any:
        """The answer, with its error inside."""
        return self.caller.call(request)

    def do(self, request: Message) -> Any:
        """The answer, which must carry no error."""
        return ok(self.call(request))

    def refused(self, request: Message) -> str:
        """The name of the error the answer must carry."""
        return refused(self.call(request))

    def info(self, group: str) -> im_pb2.GroupInfo:
        """What the group is to them."""
        answer = self.do(im_pb2.GroupInfoRequest(group=group))
        assert isinstance(answer, im_pb2.GroupResponse)
        return answer.group

    def members(self, group: str) -> dict[str, int]:
        """The roles of the members."""
        answer = self.do(im_pb2.GroupMembersRequest(group=group, limit=200))
        assert not answer.more
        return {member.user: member.role for member in answer.members}

    def happened(self, group: str) -> list[im_pb2.System]:
        """What happened to the group, as a sync tells it; oldest first."""
        self.reader.sync()
        kept = sorted(self.reader.messages.get(group, {}).values(), key=lambda kept: kept.version)
        return [message.content.system for message in kept if not message.sender]

    def kinds(self, group: str) -> list[str]:
        """The kinds of what happened."""
        return [im_pb2.SystemKind.Name(system.kind) for system in self.happened(group)]

    def texts(self, group: str) -> list[str]:
        """What was said in the group, as a sync tells it."""
        self.reader.sync()
        return self.reader.texts(group)

    def history(self, group: str, limit: int = 0, before: str = "") -> list[im_pb2.Message]:
        """One page of the group, newest first."""
        request = im_pb2.HistoryRequest(type=im_pb2.GROUP, peer=group, limit=limit, before=before)
        return list(self.do(request).messages)

    def contact(self, peer: str) -> im_pb2.Contact | None:
        """The conversation as their contact list shows it."""
        contacts = self.do(im_pb2.ContactsRequest(limit=200)).contacts
        return next((contact for contact in contacts if contact.peer == peer), None)


def people(cluster: Cluster, count: int, web: str = "web") -> list[Person]:
    """New users, in ascending order of their ids."""
    prefix = uuid.uuid4().hex[:10]
    return [Person(cluster, f"p{prefix}-{n:03}", web) for n in range(count)]
