"""What is said in groups: sent, recalled, mentioned, answered."""

import uuid

import pytest

from dev.clients.wait import wait_until
from dev.clients.wire import text_to
from proto import im_pb2
from tests.support.cluster import Cluster
from tests.support.groups import make_group, say
from tests.support.people import Person, people

ALL_MEMBERS = "web.mentions"


def quiet(type_: im_pb2.ConversationType, peer: str, muted: bool) -> im_pb2.SetConversationRequest:
    """A conversation whose notifications are (not) wanted."""
    return im_pb2.SetConversationRequest(type=type_, peer=peer, muted=muted)


def counted(person: Person, group: str) -> tuple[int, int]:
    """What the contact list says is unread, and of that the mentions."""
    contact = person.contact(group)
    return (contact.unread, contact.mentions) if contact else (-1, -1)


# ---------------------------------------------------------------- send


def test_what_a_message_holds_survives(cluster: Cluster) -> None:
    # Given
    alice, bob, carol = people(cluster, 3)
    group = make_group(alice, [bob.name, carol.name])
    first = bob.do(say(group, "a question")).id
    request = say(group, "an answer 👋", mentions=[bob.name, carol.name])
    request.content.reply_to = first
    request.content.mention_all = True
    device = cluster.connect(carol.name, "web.2", json=True)

    # When: sent twice
    answer = alice.do(request)
    assert alice.do(request) == answer

    # Then: every way of reading shows the same, once
    pushed = device.wait_message(answer.id)
    assert pushed.content == request.content
    assert (pushed.type, pushed.sender, pushed.receiver) == (im_pb2.GROUP, alice.name, group)
    assert (pushed.sequence, pushed.send_time) == (request.sequence, answer.send_time)
    assert carol.texts(group) == ["a question", "an answer 👋"]
    assert carol.reader.messages[group][answer.id] == pushed
    assert carol.history(group)[0] == pushed
    wait_until(lambda: counted(carol, group) == (2, 1))
    contact = carol.contact(group)
    assert contact is not None
    assert contact.last == pushed
    assert len(cluster.store.by_id(answer.id)) == 1, "members read, nothing is copied to them"


def test_a_sequence_is_one_message(cluster: Cluster) -> None:
    alice, bob = people(cluster, 2)
    group, other = make_group(alice, [bob.name]), make_group(alice)
    request = say(group, "once")
    alice.do(request)
    assert alice.refused(say(group, "another", sequence=request.sequence)) == "SEQUENCE_CONFLICT"
    bob.do(say(group, "another", sequence=request.sequence))
    assert bob.texts(group) == ["once", "another"]
    assert alice.texts(other) == []


def test_nobody_says_what_the_server_says(cluster: Cluster) -> None:
    (alice,) = people(cluster, 1)
    group = make_group(alice)
    request = im_pb2.SendRequest(receiver=group, sequence=uuid.uuid4().hex, type=im_pb2.GROUP)
    request.content.system.kind = im_pb2.DISBANDED
    assert alice.refused(request) == "INVALID_CONTENT"
    assert alice.kinds(group) == ["CREATED"]


def test_a_group_id_is_no_user(cluster: Cluster) -> None:
    """What is sent to a user of that name never shows up in the group."""
    alice, bob = people(cluster, 2)
    group = make_group(alice, [bob.name])
    alice.call(text_to(group, "to nobody"))
    assert bob.texts(group) == []
    assert alice.refused(im_pb2.TypingRequest(type=im_pb2.GROUP, receiver=group)) == "BAD_REQUEST"


# ---------------------------------------------------------------- recall


def test_recalled_messages_move_and_are_empty_for_everybody(cluster: Cluster) -> None:
    # Given: two of bob's, read or not
    owner, bob, carol = people(cluster, 3)
    group = make_group(owner, [bob.name, carol.name])
    slip = bob.do(say(group, "a slip", mentions=[carol.name])).id
    kept = bob.do(say(group, "kept")).id
    wait_until(lambda: counted(carol, group) == (2, 1))
    carol.reader.sync()
    cursor = carol.reader.cursors[group]
    device = cluster.connect(carol.name, "web.2")

    # When: twice
    recalled = bob.do(im_pb2.RecallRequest(id=slip))
    assert bob.do(im_pb2.RecallRequest(id=slip)) == recalled

    # Then: the count follows, mentions too
    wait_until(lambda: counted(carol, group) == (1, 0))
    # Then: it is behind everybody's cursor again, empty
    pushed = device.wait_message(slip, recalled=True)
    assert pushed.version > cursor
    assert not pushed.content.WhichOneof("body")
    assert not pushed.content.mentions
    for person in (owner, bob, carol):
        person.reader.sync()
        assert person.reader.texts(group) == ["", "kept"]
        assert person.reader.messages[group][slip] == pushed
        assert [(m.id, m.withdraw_time) for m in person.history(group)[:2]] == [
            (kept, 0),
            (slip, recalled.withdraw_time),
        ]
        assert person.history(group)[1] == pushed
    assert [row.content for row in cluster.store.by_id(slip)] == [b""]


def test_who_may_recall(cluster: Cluster) -> None:
    # Given
    owner, admin, bob, carol, stranger = people(cluster, 5)
    group = make_group(owner, [admin.name, bob.name, carol.name])
    owner.do(im_pb2.GroupSetRoleRequest(group=group, user=admin.name, role=im_pb2.ADMIN))
    said = {person.name: person.do(say(group)).id for person in (owner, admin, bob)}

    # Then: a member only their own; strangers and who was removed know of nothing
    for name in (owner.name, admin.name, bob.name):
        request = im_pb2.RecallRequest(id=said[name])
        assert carol.refused(request) == "FORBIDDEN"
        assert (
            stranger.call(request).error
            == stranger.call(im_pb2.RecallRequest(id=said[name][:-4] + "ffff")).error
        )
        assert stranger.refused(request) == "NOT_FOUND"
    # Then: what happened stays
    (created,) = [message.id for message in owner.history(group) if not message.sender][1:]
    assert owner.refused(im_pb2.RecallRequest(id=created)) == "FORBIDDEN"
    # Then: admins take back anything, of the owner too
    for name in (owner.name, bob.name):
        admin.do(im_pb2.RecallRequest(id=said[name]))
    owner.do(im_pb2.RecallRequest(id=said[admin.name]))
    assert carol.texts(group) == ["", "", ""]
    # Then: who was removed does not take back what they said
    last = bob.do(say(group, "last")).id
    owner.do(im_pb2.GroupRemoveRequest(group=group, users=[bob.name]))
    assert bob.refused(im_pb2.RecallRequest(id=last)) == "NOT_FOUND"


# ---------------------------------------------------------------- mentions


@pytest.mark.parametrize("muted", [False, True])
def test_mentions_are_counted_also_in_a_muted_conversation(cluster: Cluster, muted: bool) -> None:
    # Given: bob's contact list, with a second device
    alice, bob, carol = people(cluster, 3)
    group = make_group(alice, [bob.name, carol.name])
    device = cluster.connect(bob.name, "web.2")
    if muted:
        for _ in range(2):
            bob.do(quiet(im_pb2.GROUP, group, True))
        push = device.wait_push(im_pb2.CMD_PUSH_CONVERSATIONS)
        assert (push.type, push.peer, push.changed) == (im_pb2.GROUP, group, True)
    assert counted(bob, group) == (0, 0)

    # When
    alice.do(say(group, "nobody"))
    alice.do(say(group, "carol", mentions=[carol.name]))
    once = alice.do(say(group, "bob", mentions=[carol.name, bob.name])).id
    both = say(group, "all and bob", mentions=[bob.name])
    both.content.mention_all = True
    alice.do(both)
    bob.do(say(group, "myself", mentions=[bob.name]))

    # Then
    wait_until(lambda: counted(bob, group) == (4, 2), what="two mentions of four")
    wait_until(lambda: counted(carol, group) == (5, 3))
    wait_until(lambda: counted(alice, group) == (1, 0))
    contact = bob.contact(group)
    assert contact is not None
    assert contact.muted is contact.group.muted is bob.info(group).muted is muted
    assert not carol.info(group).muted
    # When: read up to the first of them
    assert bob.do(im_pb2.ReadRequest(type=im_pb2.GROUP, peer=group, id=once)).unread == 1
    # Then
    assert counted(bob, group) == (1, 1)
    bob.do(quiet(im_pb2.GROUP, group, False))
    assert not bob.info(group).muted


def test_a_person_is_muted_on_all_devices(cluster: Cluster) -> None:
    alice, bob = people(cluster, 2)
    device = cluster.connect(bob.name, "web.2")
    bob.do(quiet(im_pb2.PERSON, alice.name, True))
    push = device.wait_push(im_pb2.CMD_PUSH_CONVERSATIONS)
    assert (push.type, push.peer, push.changed) == (im_pb2.PERSON, alice.name, True)
    alice.do(text_to(bob.name, "unheard"))
    wait_until(lambda: counted(bob, alice.name)[0] == 1)
    contact = bob.contact(alice.name)
    assert contact is not None
    assert contact.muted
    bob.do(quiet(im_pb2.PERSON, alice.name, False))
    contact = bob.contact(alice.name)
    assert contact is not None
    assert (contact.muted, contact.unread) == (False, 1)
    unknown = im_pb2.SetConversationRequest(type=5, peer=alice.name)  # type: ignore[arg-type]
    assert bob.refused(unknown) == "BAD_REQUEST"


def test_owner_and_admins_mention_everybody(cluster: Cluster) -> None:
    # Given
    owner, admin, bob = people(cluster, 3)
    group = make_group(owner, [admin.name, bob.name])
    owner.do(im_pb2.GroupSetRoleRequest(group=group, user=admin.name, role=im_pb2.ADMIN))
    request = say(group, "all")
    request.content.mention_all = True

    # Then
    assert bob.refused(request) == "FORBIDDEN"
    owner.do(request)
    admin.do(request)
    wait_until(lambda: counted(bob, group) == (2, 2))
    # Then: where members may
    env = {"IM_GROUP_MENTION_ALL": "members"}
    cluster.platform.start(ALL_MEMBERS, env=env)
    try:
        Person(cluster, bob.name, ALL_MEMBERS).do(request)
    finally:
        cluster.platform.stop(ALL_MEMBERS)
    wait_until(lambda: counted(admin, group) == (2, 2))
    assert bob.refused(say(group, mentions=["not a user"])) == "INVALID_CONTENT"
