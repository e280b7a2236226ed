"""Contacts, read positions, deleting and clearing, by every transport."""

import pytest

from dev.clients.wait import wait_until
from dev.clients.wire import Caller, ok, refused, sync_all, text_to
from proto import im_pb2
from tests.integration.conftest import Dial
from tests.support.cluster import APART, TRANSPORTS, Apart, Cluster

pytestmark = pytest.mark.parametrize("transport", TRANSPORTS)
apart = pytest.mark.parametrize("apart", APART)


# ---------------------------------------------------------------- contacts


@apart
def test_contacts_show_the_last_message_and_what_is_unread(
    cluster: Cluster, dial: Dial, apart: Apart
) -> None:
    # Given: three from alice, an older one from carol
    alice, bob = cluster.pair(apart)
    carol = cluster.person("carol")
    ok(dial(carol).call(text_to(bob, "older")))
    client = dial(bob)
    wait_until(lambda: contacts(client).keys() == {carol})
    last = [ok(dial(alice).call(text_to(bob, f"number {n}"))) for n in range(3)][-1]

    # When
    wait_until(lambda: unread(client, alice) == 3)
    listed = ok(client.call(im_pb2.ContactsRequest())).contacts

    # Then
    assert [(c.peer, c.unread, c.read) for c in listed] == [(alice, 3, ""), (carol, 1, "")]
    assert (listed[0].last.id, listed[0].last.content.text.text) == (last.id, "number 2")
    # Then: the sender has nothing unread
    wait_until(lambda: unread(dial(alice), bob) == 0)
    assert contacts(dial(alice))[bob].last.id == last.id


def test_contacts_are_paged_newest_first(cluster: Cluster, dial: Dial) -> None:
    # Given
    bob = cluster.person("bob")
    client = dial(bob)
    peers = [cluster.person(f"peer{n}") for n in range(5)]
    for peer in peers:
        ok(client.call(text_to(peer)))
    wait_until(lambda: len(contacts(client)) == 5)

    # When
    seen: list[str] = []
    before = ""
    while True:
        page = ok(client.call(im_pb2.ContactsRequest(limit=2, before=before)))
        seen += [contact.peer for contact in page.contacts]
        if not page.more:
            break
        assert len(page.contacts) == 2
        before = page.contacts[-1].last.id

    # Then
    assert seen == list(reversed(peers))


def test_contacts_carry_profiles_of_those_who_have_one(cluster: Cluster, dial: Dial) -> None:
    # Given
    alice, bob = cluster.pair()
    stranger = cluster.person("stranger")
    profile = {"name": "Alice Ä.", "avatar": "https://a.example/1.png"}
    cluster.usercenter("/signup", {"user": alice, "password": "correct horse", **profile})
    client = dial(bob)
    for peer in (alice, stranger):
        ok(client.call(text_to(peer)))

    # When
    wait_until(lambda: len(contacts(client)) == 2)

    # Then
    found = contacts(client)[alice].profile
    assert (found.user, found.name, found.avatar) == (alice, profile["name"], profile["avatar"])
    assert not contacts(client)[stranger].HasField("profile")


# ---------------------------------------------------------------- read


@apart
def test_reading_clears_badges_and_sends_a_receipt(
    cluster: Cluster, dial: Dial, apart: Apart
) -> None:
    # Given: three unread
    alice, bob = cluster.pair(apart)
    sender = dial(alice)
    sent = [ok(sender.call(text_to(bob, f"number {n}"))).id for n in range(3)]
    client = dial(bob)
    wait_until(lambda: unread(client, alice) == 3)
    badge, receipt = cluster.connect(bob, "web.2"), cluster.connect(alice, "web.2")

    # When: read up to the second
    answer = ok(client.call(im_pb2.ReadRequest(peer=alice, id=sent[1])))

    # Then: one is left, everywhere
    assert answer.unread == 1
    for device in (badge, receipt):
        push = device.wait_push(im_pb2.CMD_PUSH_READ)
        assert (push.reader, push.peer, push.id, push.unread) == (bob, alice, sent[1], 1)
    assert (contacts(client)[alice].unread, contacts(client)[alice].read) == (1, sent[1])
    assert contacts(sender)[bob].peer_read == sent[1]
    assert cluster.store.unread(bob, alice) == 1

    # When: an older position comes late, and the newest one twice
    assert ok(client.call(im_pb2.ReadRequest(peer=alice, id=sent[0]))).unread == 1
    for _ in range(2):
        assert ok(client.call(im_pb2.ReadRequest(peer=alice, id=sent[2]))).unread == 0

    # Then: it only moves forward
    assert (contacts(client)[alice].unread, contacts(client)[alice].read) == (0, sent[2])
    assert contacts(sender)[bob].peer_read == sent[2]


@apart
def test_recalling_an_unread_message_lowers_the_count(
    cluster: Cluster, dial: Dial, apart: Apart
) -> None:
    # Given
    alice, bob = cluster.pair(apart)
    sender, client = dial(alice), dial(bob)
    sent = [ok(sender.call(text_to(bob, f"number {n}"))).id for n in range(2)]
    wait_until(lambda: unread(client, alice) == 2)

    # When
    ok(sender.call(im_pb2.RecallRequest(id=sent[1])))

    # Then: one is left; the last message shows that it was recalled
    wait_until(lambda: unread(client, alice) == 1)
    wait_until(lambda: contacts(client)[alice].last.withdraw_time > 0)
    assert contacts(client)[alice].last.id == sent[1]
    assert not contacts(client)[alice].last.content.WhichOneof("body")

    # When: an older one is recalled
    ok(sender.call(im_pb2.RecallRequest(id=sent[0])))

    # Then: nothing is left to read, and the newest stays the last
    wait_until(lambda: unread(client, alice) == 0)
    assert contacts(client)[alice].last.id == sent[1]
    assert contacts(sender)[bob].last.id == sent[1]


def test_reading_what_is_not_in_the_conversation(cluster: Cluster, dial: Dial) -> None:
    # Given: a message between two others
    alice, bob = cluster.pair()
    foreign = ok(dial(alice).call(text_to(bob))).id
    client = dial(cluster.person())

    # Then
    for identifier in (foreign, "0" * 32):
        request = im_pb2.ReadRequest(peer=alice, id=identifier)
        assert refused(client.call(request)) == "NOT_FOUND"
    assert refused(client.call(im_pb2.ReadRequest(peer=alice, id="no id"))) == "BAD_REQUEST"


# ---------------------------------------------------------------- delete, clear


@apart
def test_a_deleted_conversation_is_gone_for_its_owner_alone(
    cluster: Cluster, dial: Dial, apart: Apart
) -> None:
    # Given: two conversations, another device
    alice, bob = cluster.pair(apart)
    carol = cluster.person("carol")
    client, other = dial(bob), cluster.connect(bob, "web.2")
    old = ok(dial(alice).call(text_to(bob, "old"))).id
    ok(client.call(text_to(alice, "answer")))
    ok(client.call(text_to(carol, "kept")))
    wait_until(lambda: unread(client, alice) == 1 and carol in contacts(client))

    # When
    ok(client.call(im_pb2.DeleteConversationRequest(peer=alice)))

    # Then
    push = other.wait_push(im_pb2.CMD_PUSH_CONVERSATIONS)
    assert (push.all, push.peer) == (False, alice)
    assert contacts(client).keys() == {carol}
    assert [m.content.text.text for m in sync_all(client)] == ["kept"]
    assert not history(client, alice)
    assert len(history(dial(alice), bob)) == 2, "alice keeps hers"
    assert cluster.store.by_id(old), "nothing is erased"

    # When: the next message comes
    fresh = ok(dial(alice).call(text_to(bob, "fresh"))).id

    # Then: the conversation is back, with that alone
    wait_until(lambda: unread(client, alice) == 1)
    assert contacts(client)[alice].last.id == fresh
    assert [m.id for m in history(client, alice)] == [fresh]


def test_deleting_a_conversation_that_never_was(cluster: Cluster, dial: Dial) -> None:
    client = dial(cluster.person())
    request = im_pb2.DeleteConversationRequest(peer=cluster.person())
    assert refused(client.call(request)) == "NOT_FOUND"


def test_clearing_hides_everything(cluster: Cluster, dial: Dial) -> None:
    # Given
    bob = cluster.person("bob")
    peers = [cluster.person(f"peer{n}") for n in range(3)]
    client, other = dial(bob), cluster.connect(bob, "web.2")
    for peer in peers:
        ok(dial(peer).call(text_to(bob)))
    ok(client.call(text_to(peers[0], "answer")))
    wait_until(lambda: len(contacts(client)) == 3)

    # When
    ok(client.call(im_pb2.ClearConversationsRequest()))

    # Then
    assert other.wait_push(im_pb2.CMD_PUSH_CONVERSATIONS).all
    assert not contacts(client)
    assert not sync_all(client)
    assert not history(client, peers[0])
    # Then: one comes back with its next message
    ok(dial(peers[1]).call(text_to(bob, "fresh")))
    wait_until(lambda: contacts(client).keys() == {peers[1]})
    assert unread(client, peers[1]) == 1
    # Then: clearing nothing is fine
    ok(dial(cluster.person()).call(im_pb2.ClearConversationsRequest()))


def contacts(client: Caller) -> dict[str, im_pb2.Contact]:
    return {c.peer: c for c in ok(client.call(im_pb2.ContactsRequest())).contacts}


def unread(client: Caller, peer: str) -> int:
    """The unread count shown; -1 while the conversation is not listed."""
    contact = contacts(client).get(peer)
    return contact.unread if contact else -1


def history(client: Caller, peer: str) -> list[im_pb2.Message]:
    return list(ok(client.call(im_pb2.HistoryRequest(peer=peer))).messages)
