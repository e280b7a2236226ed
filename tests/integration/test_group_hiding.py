"""Hiding what a group holds from its reader."""

import pytest

from dev.clients.wait import wait_until
from proto import im_pb2
from tests.support.cluster import Cluster
from tests.support.groups import make_group, say
from tests.support.people import Person, people

GROUP = im_pb2.GROUP


def unread(person: Person, group: str) -> int:
    """What the contact list says; -1 while the group is not in it."""
    contact = person.contact(group)
    return contact.unread if contact else -1


@pytest.mark.parametrize("clear_all", [False, True])
def test_a_deleted_group_comes_back_with_its_next_message(
    cluster: Cluster, clear_all: bool
) -> None:
    # Given
    alice, bob = people(cluster, 2)
    group = make_group(alice, [bob.name])
    alice.do(say(group, "old", mentions=[bob.name]))
    wait_until(lambda: unread(bob, group) == 1)
    device = cluster.connect(bob.name, "web.2")

    # When
    if clear_all:
        bob.do(im_pb2.ClearConversationsRequest())
    else:
        bob.do(im_pb2.DeleteConversationRequest(type=GROUP, peer=group))

    # Then: hidden from bob alone, who is still in it
    push = device.wait_push(im_pb2.CMD_PUSH_CONVERSATIONS)
    assert push.all is clear_all
    if not clear_all:
        assert (push.type, push.peer, push.changed) == (GROUP, group, False)
    assert bob.contact(group) is None
    assert not bob.history(group)
    assert bob.texts(group) == []
    assert bob.reader.cursors[group] == bob.info(group).version
    assert alice.texts(group) == ["old"]
    assert [info.group for info in bob.do(im_pb2.GroupsRequest()).groups] == [group]

    # When
    fresh = alice.do(say(group, "fresh")).id

    # Then
    wait_until(lambda: unread(bob, group) == 1)
    contact = bob.contact(group)
    assert contact is not None
    assert (contact.last.id, contact.mentions) == (fresh, 0)
    assert [message.id for message in bob.history(group)] == [fresh]
    assert bob.texts(group) == ["fresh"]


def test_what_is_hidden_from_its_sender_can_still_be_recalled(cluster: Cluster) -> None:
    # Given
    alice, bob = people(cluster, 2)
    group = make_group(alice, [bob.name])
    sent = bob.do(say(group, "a slip")).id
    bob.do(im_pb2.DeleteConversationRequest(type=GROUP, peer=group))

    # When
    bob.do(im_pb2.RecallRequest(id=sent))

    # Then
    assert alice.texts(group) == [""]
