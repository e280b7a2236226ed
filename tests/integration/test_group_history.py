"""Since when and until when a member sees what a group holds."""

from dev.clients.wait import wait_until
from proto import im_pb2
from tests.support.cluster import Cluster
from tests.support.groups import make_group, say
from tests.support.people import Person, people


def counted(person: Person, group: str) -> tuple[int, int]:
    """What the contact list says is unread, and of that the mentions."""
    contact = person.contact(group)
    return (contact.unread, contact.mentions) if contact else (-1, -1)


def test_a_new_member_sees_what_comes_from_the_join_on(cluster: Cluster) -> None:
    # Given
    owner, bob, carol = people(cluster, 3)
    group = make_group(owner)
    old = owner.do(say(group, "before", mentions=[bob.name])).id

    # When: one joins, one is invited
    bob.do(im_pb2.GroupJoinRequest(group=group))
    owner.do(im_pb2.GroupInviteRequest(group=group, users=[carol.name]))
    new = owner.do(say(group, "after")).id

    # Then
    for person, kinds in ((bob, ["JOINED", "INVITED"]), (carol, ["INVITED"])):
        assert person.texts(group) == ["after"]
        assert person.kinds(group) == kinds
        assert [m.id for m in person.history(group) if m.sender] == [new]
        assert not person.history(group, before=old)
        wait_until(lambda person=person: counted(person, group) == (1, 0))  # type: ignore[misc]
        for request in (
            im_pb2.ReadRequest(type=im_pb2.GROUP, peer=group, id=old),
            im_pb2.GroupReadersRequest(group=group, id=old),
            im_pb2.RecallRequest(id=old),
        ):
            assert person.refused(request) == "NOT_FOUND", type(request).__name__


def test_who_was_removed_gets_what_came_before_and_nothing_later(cluster: Cluster) -> None:
    # Given: bob's device is offline and has nothing yet, his other one is connected
    owner, bob, carol = people(cluster, 3)
    group = make_group(owner, [bob.name, carol.name])
    device = cluster.connect(bob.name, "web.2")
    before = owner.do(say(group, "before")).id
    device.wait_message(before)

    # When
    owner.do(im_pb2.GroupRemoveRequest(group=group, users=[bob.name]))
    after = owner.do(say(group, "after")).id
    carol.do(im_pb2.RecallRequest(id=carol.do(say(group, "a slip")).id))
    owner.do(im_pb2.RecallRequest(id=before))

    # Then: no command of his finds it
    for request in (
        say(group),
        im_pb2.HistoryRequest(type=im_pb2.GROUP, peer=group),
        im_pb2.GroupInfoRequest(group=group),
        im_pb2.ReadRequest(type=im_pb2.GROUP, peer=group, id=before),
    ):
        assert bob.refused(request) == "NOT_FOUND", type(request).__name__
    assert bob.contact(group) is None
    assert not bob.do(im_pb2.GroupsRequest()).groups
    # Then: a client with a cursor gets the rest and the notice, then hears that it is over
    bob.reader.cursors[group] = 0
    bob.reader.sync(limit=1)
    assert bob.reader.events(group) == ["CREATED", "REMOVED"]
    assert bob.reader.texts(group) in ([], ["before"]), "recalled later: moved behind the removal"
    assert group in bob.reader.gone
    # Then: so does the live connection, and nothing more
    gone = device.wait_push(
        lambda push: push.cmd == im_pb2.CMD_PUSH_GROUPS and push.body.left == group
    )
    assert gone.left == group
    wait_until(lambda: cluster.store.undelivered() == 0)
    device.settle()
    shown = device.messages()
    assert after not in {message.id for message in shown}
    assert shown[-1].content.system.kind == im_pb2.REMOVED
    assert [message.content.text.text for message in shown if message.sender] == ["before"]
    assert device.call(im_pb2.PingRequest()).groups_version == 0

    # When: he comes back
    owner.do(im_pb2.GroupInviteRequest(group=group, users=[bob.name]))
    device.wait_push(lambda push: push.cmd == im_pb2.CMD_PUSH_GROUPS and push.body.joined == group)
    back = owner.do(say(group, "welcome back")).id
    # Then: what was said meanwhile stays unseen, what he had stays with him
    assert [m.id for m in bob.history(group) if m.sender] == [back]
    assert "after" not in bob.texts(group)
    assert bob.texts(group)[-1] == "welcome back"
    assert bob.kinds(group) == ["CREATED", "REMOVED", "INVITED"]
    device.wait_message(back)
    wait_until(lambda: counted(bob, group) == (1, 0))
    assert device.call(im_pb2.PingRequest()).groups_version == bob.reader.version


def test_a_cursor_from_before_the_removal_goes_on_behind_it(cluster: Cluster) -> None:
    """A client that was offline through removal and return keeps its cursor."""
    owner, bob = people(cluster, 2)
    group = make_group(owner, [bob.name])
    owner.do(say(group, "before"))
    assert bob.texts(group) == ["before"]
    owner.do(im_pb2.GroupRemoveRequest(group=group, users=[bob.name]))
    owner.do(say(group, "meanwhile"))
    bob.do(im_pb2.GroupJoinRequest(group=group))
    owner.do(say(group, "after"))
    assert bob.texts(group) == ["before", "after"]
    assert not bob.reader.gone


def test_what_was_cleared_before_the_removal_stays_cleared(cluster: Cluster) -> None:
    # Given: bob hid what the group held, and was removed later
    owner, bob = people(cluster, 2)
    group = make_group(owner, [bob.name])
    owner.do(say(group, "hidden"))
    bob.do(im_pb2.DeleteConversationRequest(type=im_pb2.GROUP, peer=group))
    owner.do(say(group, "shown"))
    owner.do(im_pb2.GroupRemoveRequest(group=group, users=[bob.name]))

    # When: a client that keeps nothing asks for all of it
    bob.reader.cursors[group] = 0
    bob.reader.sync()

    # Then
    assert bob.reader.texts(group) == ["shown"]
    assert bob.reader.events(group) == ["REMOVED"]
    assert group in bob.reader.gone
