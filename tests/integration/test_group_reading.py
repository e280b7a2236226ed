"""Reading groups: sync by cursors, read positions, receipts."""

import uuid
from typing import Any

import pytest

from dev.clients.wait import wait_until
from dev.clients.wire import ok
from proto import im_pb2
from tests.support.cluster import Cluster
from tests.support.groups import make_group, say
from tests.support.people import Person, people

GROUP = im_pb2.GROUP
FRAME_BYTES_MAX = 64 * 1024  # WIRE.md


def sync(person: Person, limit: int = 0, **cursors: int) -> im_pb2.GroupSyncResponse:
    """One sync."""
    request = im_pb2.GroupSyncRequest(limit=limit)
    for group, cursor in cursors.items():
        request.cursors.add(group=group, cursor=cursor)
    answer = person.do(request)
    assert isinstance(answer, im_pb2.GroupSyncResponse)
    assert answer.ByteSize() < FRAME_BYTES_MAX - 100
    return answer


def unread(person: Person, group: str) -> int:
    """What the contact list says; -1 while the group is not in it."""
    contact = person.contact(group)
    return contact.unread if contact else -1


def read(person: Person, group: str, identifier: str) -> int:
    """Mark the group read; what is left."""
    answer = person.do(im_pb2.ReadRequest(type=GROUP, peer=group, id=identifier))
    return int(answer.unread)


# ---------------------------------------------------------------- sync


def test_a_sync_reads_the_groups_that_moved(cluster: Cluster) -> None:
    # Given: groups wherever they lie, synced
    alice, bob = people(cluster, 2)
    groups = [make_group(alice, [bob.name]) for _ in range(6)]
    first = sync(bob)
    assert (list(first.joined), len(first.groups)) == (sorted(groups), 0)
    bob.reader.sync()
    cursors = dict(bob.reader.cursors)
    assert not sync(bob, **cursors).groups

    # When
    ids = {group: alice.do(say(group, f"in {group}")).id for group in groups[:2]}
    new = make_group(alice, [bob.name])

    # Then
    answer = sync(bob, **cursors)
    assert {part.group: [m.id for m in part.messages] for part in answer.groups} == {
        group: [identifier] for group, identifier in ids.items()
    }
    for part in answer.groups:
        assert (part.cursor, part.more, part.gone) == (part.messages[-1].version, False, False)
        assert part.cursor == alice.info(part.group).version
    assert (list(answer.joined), answer.more) == ([new], False)
    # Then: a cursor ahead of the log finds nothing
    assert not sync(bob, **dict.fromkeys(groups, 2**62)).groups


@pytest.mark.parametrize("limit", [1, 2, 7, 200])
def test_pages_of_any_size_lead_to_the_same(cluster: Cluster, limit: int) -> None:
    # Given: three groups, more in one than a page holds
    alice, bob = people(cluster, 2)
    groups = [make_group(alice, [bob.name]) for _ in range(3)]
    for number, group in enumerate(groups):
        for n in range(4 * number + 1):
            alice.do(say(group, f"number {n}"))

    # When
    bob.reader.sync(limit=limit)

    # Then
    for number, group in enumerate(groups):
        assert bob.reader.texts(group) == [f"number {n}" for n in range(4 * number + 1)]
        assert bob.reader.cursors[group] == alice.info(group).version
    page = sync(bob, limit=limit, **dict.fromkeys(groups, 0))
    assert sum(len(part.messages) for part in page.groups) <= limit
    assert page.more is (limit < 18)
    for part in page.groups:
        assert part.more is (part.cursor < alice.info(part.group).version)


def test_what_is_not_shown_takes_no_pages(cluster: Cluster) -> None:
    # Given: much was said before bob came, and much that he has hidden since
    alice, bob = people(cluster, 2)
    group = make_group(alice)
    for n in range(12):
        alice.do(say(group, f"before {n}"))
    bob.do(im_pb2.GroupJoinRequest(group=group))

    # Then: the first page begins where he came
    (part,) = sync(bob, limit=5, **{group: 0}).groups
    assert [m.content.system.kind for m in part.messages] == [im_pb2.JOINED]
    assert not part.more

    # When
    for n in range(12):
        alice.do(say(group, f"hidden {n}"))
    bob.do(im_pb2.DeleteConversationRequest(type=GROUP, peer=group))
    shown = alice.do(say(group, "shown")).id
    # Then: and where he hid what there was
    (part,) = sync(bob, limit=5, **{group: 0}).groups
    assert [m.id for m in part.messages] == [shown]
    assert not part.more

    # When: he is gone
    alice.do(im_pb2.GroupRemoveRequest(group=group, users=[bob.name]))
    # Then
    (part,) = sync(bob, limit=5, **{group: 0}).groups
    assert [m.id for m in part.messages][:1] == [shown]
    assert (part.more, part.gone) == (False, True)


def test_answers_stay_below_the_largest_frame(cluster: Cluster) -> None:
    # Given: far more than one answer holds, in two groups
    alice, bob = people(cluster, 2)
    groups = [make_group(alice, [bob.name]) for _ in range(2)]
    texts = [f"{n:02}".ljust(8192, "x") for n in range(12)]
    for group in groups:
        for text in texts:
            alice.do(say(group, text))
    device = cluster.tcp(bob.name)

    # When
    page = sync(bob, **dict.fromkeys(groups, 0))
    bob.reader.caller = device  # which takes no larger frame
    bob.reader.sync()

    # Then
    assert page.more
    assert all(bob.reader.texts(group) == texts for group in groups)
    history = ok(device.call(im_pb2.HistoryRequest(type=GROUP, peer=groups[0])))
    assert history.more
    assert [m.content.text.text for m in history.messages] == texts[
        : -len(history.messages) - 1 : -1
    ]


def test_who_is_in_none_of_many_groups_is_told_in_small_answers(cluster: Cluster) -> None:
    """Cursors of groups that are gone are answered one by one; that has a size, too."""
    # Given: as many cursors of the longest ids as a request holds
    (bob,) = people(cluster, 1)
    for _ in range(950):
        bob.reader.cursors[uuid.uuid4().hex * 2] = 0
    bob.reader.caller = cluster.tcp(bob.name)

    # When
    bob.reader.sync()

    # Then
    assert len(bob.reader.gone) == 950
    assert not bob.reader.cursors


def test_cursors_that_are_none(cluster: Cluster) -> None:
    alice, bob = people(cluster, 2)
    group = make_group(alice, [bob.name])

    def refused(*cursors: tuple[str, int]) -> str:
        request = im_pb2.GroupSyncRequest()
        for name, cursor in cursors:
            request.cursors.add(group=name, cursor=cursor)
        return bob.refused(request)

    assert refused((group, 2**63)) == "BAD_REQUEST"
    assert refused((group, 2**64 - 1)) == "BAD_REQUEST"
    assert refused(("no group", 0)) == "BAD_REQUEST"
    assert refused(("", 0)) == "BAD_REQUEST"
    assert refused((group, 0), (group, 5)) == "BAD_REQUEST"
    assert refused(*((f"g{n}", 0) for n in range(1001))) == "BAD_REQUEST"
    many = im_pb2.GroupSyncRequest()
    for n in range(999):
        many.cursors.add(group=f"g{n}")
    many.cursors.add(group=group)
    answer = bob.do(many)
    assert [part.group for part in answer.groups if not part.gone] == [group]


def test_history_is_paged_backwards(cluster: Cluster) -> None:
    # Given
    alice, bob = people(cluster, 2)
    group = make_group(alice, [bob.name])
    sent = [(alice, bob)[n % 2].do(say(group, f"number {n}")).id for n in range(7)]

    # When
    seen: list[str] = []
    while page := bob.history(group, limit=3, before=seen[-1] if seen else ""):
        seen += [message.id for message in page]

    # Then: the newest first, down to its making
    assert seen[:-1] == sent[::-1]
    assert [message.id for message in alice.history(group)] == seen
    more = bob.do(im_pb2.HistoryRequest(type=GROUP, peer=group, limit=8)).more
    assert not more


# ---------------------------------------------------------------- read


def test_read_positions_are_one_for_all_devices(cluster: Cluster) -> None:
    # Given
    alice, bob, carol = people(cluster, 3)
    group = make_group(alice, [bob.name, carol.name])
    sent = [alice.do(say(group, f"number {n}")).id for n in range(3)]
    bob.do(say(group, "my own"))
    wait_until(lambda: unread(bob, group) == 3)
    other, sender = cluster.connect(bob.name, "web.2"), cluster.connect(alice.name, "web.2")

    # When
    assert read(bob, group, sent[1]) == 1

    # Then: the other device hears it, nobody else does
    push = other.wait_push(im_pb2.CMD_PUSH_READ)
    assert (push.reader, push.type, push.peer) == (bob.name, GROUP, group)
    assert (push.id, push.unread) == (sent[1], 1)
    sender.settle()
    assert not [push for push in sender.pushes if push.cmd == im_pb2.CMD_PUSH_READ]
    contact = bob.contact(group)
    assert contact is not None
    assert (contact.unread, contact.read) == (1, sent[1])
    assert unread(carol, group) == 4
    # Then: it only moves forward
    assert read(bob, group, sent[0]) == 1
    assert read(bob, group, sent[2]) == 0
    assert read(bob, group, sent[1]) == 0
    # Then: a message that was recalled unread is none
    late = alice.do(say(group, "late")).id
    wait_until(lambda: unread(bob, group) == 1)
    alice.do(im_pb2.RecallRequest(id=late))
    wait_until(lambda: unread(bob, group) == 0)
    # Then: a message of another group says nothing about this one
    foreign = bob.do(say(make_group(bob))).id
    request = im_pb2.ReadRequest(type=GROUP, peer=group, id=foreign)
    assert bob.refused(request) == "NOT_FOUND"


def test_receipts_count_who_could_have_read(cluster: Cluster) -> None:
    # Given: five members read, in two steps
    alice, bob, *others = people(cluster, 7)
    everybody = [bob, *others]
    group = make_group(alice, [person.name for person in everybody[:-1]])
    first, second = (alice.do(say(group, text)).id for text in ("first", "second"))
    everybody[-1].do(im_pb2.GroupJoinRequest(group=group))

    def readers(identifier: str, **more: Any) -> im_pb2.GroupReadersResponse:
        request = im_pb2.GroupReadersRequest(group=group, id=identifier, **more)
        answer = alice.do(request)
        assert isinstance(answer, im_pb2.GroupReadersResponse)
        return answer

    # Then: nobody yet
    assert (readers(first).count, readers(first).members) == (0, 5)
    # When
    for person in everybody[:-1]:
        read(person, group, first)
    for person in everybody[:2]:
        read(person, group, second)
    # Then: neither the sender nor who joined later is counted
    assert (readers(first).count, readers(first).members) == (5, 5)
    assert list(readers(second).users) == [person.name for person in everybody[:2]]
    late = bob.do(say(group, "late")).id
    for person in (alice, bob, everybody[-1]):
        read(person, group, late)
    assert list(readers(late).users) == [alice.name, everybody[-1].name]
    assert (readers(late).count, readers(late).members) == (2, 6)
    assert readers(first).count == 5
    # Then: the names come in pages
    page = readers(first, limit=3)
    rest = readers(first, limit=3, after=page.users[-1])
    assert (page.more, rest.more, page.count, rest.count) == (True, False, 5, 5)
    assert [*page.users, *rest.users] == [person.name for person in everybody[:-1]]

    # When: one who has read goes
    everybody[0].do(im_pb2.GroupLeaveRequest(group=group))
    # Then
    assert (readers(first).count, readers(first).members) == (4, 4)
    # When: the sender of one comes back, as a new member
    bob.do(im_pb2.GroupJoinRequest(group=group))
    # Then: he has sent it, and could not have read what else came before
    assert (readers(first).count, readers(first).members) == (4, 4)
    assert (readers(late).count, readers(late).members) == (2, 6)
