"""Messages by every transport: send, push, sync, history, recall, resend."""

import uuid
from functools import partial

import pytest

from dev.clients.wait import wait_until
from dev.clients.wire import Caller, ok, refused, sync_all, text_to
from proto import im_pb2
from tests.integration.conftest import Dial
from tests.support.cluster import APART, TRANSPORTS, Apart, Cluster

pytestmark = pytest.mark.parametrize("transport", TRANSPORTS)
apart = pytest.mark.parametrize("apart", APART)


@apart
def test_a_message_reaches_every_device_of_both_sides(
    cluster: Cluster, dial: Dial, apart: Apart
) -> None:
    # Given: both with a device of each shape, on both web processes
    alice, bob = cluster.pair(apart)
    devices = [
        cluster.connect(user, web, json=json)
        for user in (alice, bob)
        for web, json in (("web", False), ("web.2", True))
    ]
    client = dial(alice)

    # When
    answer = ok(client.call(text_to(bob, "hällo 👋", "first")))

    # Then: the ack names it, every device shows it, complete
    assert len(answer.id) == 32
    assert int(answer.id[:12], 16) == answer.send_time
    for device in devices:
        message = device.wait_message(answer.id)
        assert (message.sender, message.receiver, message.sequence) == (alice, bob, "first")
        assert message.content.text.text == "hällo 👋"
        assert (message.send_time, message.withdraw_time) == (answer.send_time, 0)
        assert message.version > 0
    # Then: it is stored once per mailbox, and never lies anywhere else
    homes = {cluster.store.shard_of(alice), cluster.store.shard_of(bob)}
    rows = cluster.store.by_id(answer.id)
    assert len(rows) == len(homes)
    assert {row.shard for row in rows} == homes


@apart
def test_both_sides_sync_what_was_sent(cluster: Cluster, dial: Dial, apart: Apart) -> None:
    # Given
    alice, bob = cluster.pair(apart)
    sender, receiver = dial(alice), dial(bob, "web.2")

    # When: ten there, one back
    sent = [ok(sender.call(text_to(bob, f"number {n}"))).id for n in range(10)]
    sent.append(ok(receiver.call(text_to(alice, "back"))).id)

    # Then: both read all of it in the order it was sent, in pages of any size
    for client in (sender, receiver):
        wait_until(partial(_holds, client, 11))
        messages = sync_all(client)
        assert sorted(m.id for m in messages) == sorted(sent)
        from_alice = [m.content.text.text for m in messages if m.sender == alice]
        assert from_alice == [f"number {n}" for n in range(10)]
        versions = [m.version for m in messages]
        assert versions == sorted(set(versions))
        assert sync_all(client, limit=3) == messages
        assert sync_all(client, cursor=versions[4]) == messages[5:]
        assert sync_all(client, cursor=versions[-1]) == []
        assert ok(client.call(im_pb2.SyncRequest(cursor=2**62))).messages == []


def test_sync_refuses_a_cursor_beyond_every_log(cluster: Cluster, dial: Dial) -> None:
    client = dial(cluster.person())
    assert refused(client.call(im_pb2.SyncRequest(cursor=2**64 - 1))) == "BAD_REQUEST"


@apart
def test_history_is_paged_backwards(cluster: Cluster, dial: Dial, apart: Apart) -> None:
    # Given: a conversation in both directions, and another one that must not show
    alice, bob = cluster.pair(apart)
    sender, receiver = dial(alice), dial(bob)
    ok(sender.call(text_to(cluster.person(), "elsewhere")))
    sent = []
    for n in range(7):
        client, peer = (sender, bob) if n % 3 else (receiver, alice)
        sent.append(ok(client.call(text_to(peer, f"number {n}"))).id)
    newest_first = sorted(sent, reverse=True)

    for client, peer in ((sender, bob), (receiver, alice)):
        wait_until(partial(_holds, client, 8 if client is sender else 7))
        # When: read in pages of three
        seen: list[str] = []
        page = _history(client, peer, limit=3)
        while page.more:
            seen += [m.id for m in page.messages]
            page = _history(client, peer, before=seen[-1], limit=3)
        seen += [m.id for m in page.messages]

        # Then
        assert seen == newest_first
        assert not _history(client, peer, before=seen[-1]).messages


def test_history_of_nobody_is_empty(cluster: Cluster, dial: Dial) -> None:
    answer = _history(dial(cluster.person()), cluster.person())
    assert not answer.messages
    assert not answer.more


@apart
def test_a_resend_gets_the_same_ack_and_is_stored_once(
    cluster: Cluster, dial: Dial, apart: Apart
) -> None:
    # Given
    alice, bob = cluster.pair(apart)
    watcher = cluster.connect(bob)
    first, second = dial(alice), dial(alice, "web.2")
    request = text_to(bob, "once")

    # When: it is repeated, here and through another process
    answers = [ok(client.call(request)) for client in (first, first, second)]

    # Then
    assert answers[0] == answers[1] == answers[2]
    watcher.wait_message(answers[0].id)
    last = ok(first.call(text_to(bob, "behind it")))
    watcher.wait_message(last.id)
    assert [m.id for m in watcher.messages()] == [answers[0].id, last.id]
    assert len(cluster.store.by_sequence(alice, request.sequence)) == len(
        {cluster.store.shard_of(alice), cluster.store.shard_of(bob)}
    )


def test_a_used_sequence_is_refused_for_anything_else(cluster: Cluster, dial: Dial) -> None:
    # Given
    alice, bob = cluster.pair()
    client = dial(alice)
    request = text_to(bob, "the first")
    ok(client.call(request))

    # When: another body, another receiver
    other_body = text_to(bob, "another", request.sequence)
    other_receiver = text_to(cluster.person(), "the first", request.sequence)

    # Then: refused; the sequence is the sender's own, so it is free for everybody else
    assert refused(client.call(other_body)) == "SEQUENCE_CONFLICT"
    assert refused(client.call(other_receiver)) == "SEQUENCE_CONFLICT"
    ok(dial(bob).call(text_to(alice, "mine", request.sequence)))
    rows = cluster.store.by_sequence(alice, request.sequence)
    assert {row.content for row in rows} == {request.content.SerializeToString()}


def test_a_recalled_message_keeps_its_sequence(cluster: Cluster, dial: Dial) -> None:
    # Given
    alice, bob = cluster.pair()
    client = dial(alice)
    request = text_to(bob, "gone")
    answer = ok(client.call(request))
    ok(client.call(im_pb2.RecallRequest(id=answer.id)))

    # Then: a late resend gets the first ack and does not bring it back
    assert ok(client.call(request)) == answer
    reader = dial(bob)
    wait_until(lambda: [m.id for m in sync_all(reader)] == [answer.id], what="the copy")
    (message,) = sync_all(reader)
    assert message.withdraw_time
    assert not message.content.text.text
    assert all(row.withdraw_time for row in cluster.store.by_id(answer.id))


@apart
def test_recall_wipes_the_message_everywhere(cluster: Cluster, dial: Dial, apart: Apart) -> None:
    # Given
    alice, bob = cluster.pair(apart)
    devices = [cluster.connect(alice), cluster.connect(bob, "web.2"), cluster.connect(bob)]
    client = dial(alice)
    answer = ok(client.call(text_to(bob, "a slip")))
    for device in devices:
        device.wait_message(answer.id)

    # When
    recalled = ok(client.call(im_pb2.RecallRequest(id=answer.id)))

    # Then: every device hears it, and nothing keeps the body
    assert recalled.withdraw_time >= answer.send_time
    for device in devices:
        message = device.wait_message(answer.id, recalled=True)
        assert message.withdraw_time == recalled.withdraw_time
        assert message.send_time == answer.send_time
        assert not message.HasField("content") or not message.content.WhichOneof("body")
    for user, peer in ((alice, bob), (bob, alice)):
        (message,) = sync_all(dial(user))
        assert (message.id, message.withdraw_time) == (answer.id, recalled.withdraw_time)
        assert not message.content.WhichOneof("body")
        (shown,) = _history(dial(user), peer).messages
        assert not shown.content.WhichOneof("body")
    assert all(row.content == b"" for row in cluster.store.by_id(answer.id))


def test_recall_may_be_repeated(cluster: Cluster, dial: Dial) -> None:
    alice, bob = cluster.pair()
    client = dial(alice)
    answer = ok(client.call(text_to(bob)))
    request = im_pb2.RecallRequest(id=answer.id)
    assert ok(client.call(request)) == ok(client.call(request))


@apart
def test_only_the_sender_recalls(cluster: Cluster, dial: Dial, apart: Apart) -> None:
    # Given: the receiver has it
    alice, bob = cluster.pair(apart)
    watcher = cluster.connect(bob)
    answer = ok(dial(alice).call(text_to(bob)))
    watcher.wait_message(answer.id)

    # Then: neither the receiver nor a stranger may, and nothing changes
    request = im_pb2.RecallRequest(id=answer.id)
    assert refused(dial(bob).call(request)) == "FORBIDDEN"
    stranger = cluster.person()
    while cluster.store.shard_of(stranger) != cluster.store.shard_of(alice):
        stranger = cluster.person()
    assert refused(dial(stranger).call(request)) == "NOT_FOUND"
    assert {row.withdraw_time for row in cluster.store.by_id(answer.id)} == {0}


@pytest.mark.parametrize("identifier", [uuid.UUID(int=5).hex, "f" * 32])
def test_recall_of_nothing(cluster: Cluster, dial: Dial, identifier: str) -> None:
    client = dial(cluster.person())
    assert refused(client.call(im_pb2.RecallRequest(id=identifier))) == "NOT_FOUND"


@pytest.mark.parametrize("identifier", ["", "5", "F" * 32, "g" * 32, "0" * 33])
def test_recall_of_what_is_no_id(cluster: Cluster, dial: Dial, identifier: str) -> None:
    client = dial(cluster.person())
    assert refused(client.call(im_pb2.RecallRequest(id=identifier))) == "BAD_REQUEST"


def test_a_message_to_oneself(cluster: Cluster, dial: Dial) -> None:
    # Given
    alice = cluster.person("alice")
    device = cluster.connect(alice, "web.2")
    client = dial(alice)

    # When
    answer = ok(client.call(text_to(alice, "a note")))

    # Then: shown once, stored once, never unread
    device.wait_message(answer.id)
    device.settle()
    assert [m.id for m in device.messages()] == [answer.id]
    assert [m.id for m in sync_all(client)] == [answer.id]
    assert [m.id for m in _history(client, alice).messages] == [answer.id]
    (contact,) = ok(client.call(im_pb2.ContactsRequest())).contacts
    assert (contact.peer, contact.unread) == (alice, 0)
    assert len(cluster.store.by_id(answer.id)) == 1


def test_every_kind_of_content_arrives_as_it_was_sent(cluster: Cluster, dial: Dial) -> None:
    # Given
    alice, bob = cluster.pair()
    watcher = cluster.connect(bob)
    client = dial(alice)
    media = im_pb2.Media(ref="2026/11/a.png", mime="image/png", size_bytes=2**31, name="ä.png")
    contents = [
        im_pb2.Content(text=im_pb2.Text(text="x" * 8192), mentions=[bob], mention_all=True),
        im_pb2.Content(image=im_pb2.Image(media=media, width=4, height=3, thumbnail=media)),
        im_pb2.Content(voice=im_pb2.Voice(media=im_pb2.Media(ref="v"), duration_ms=900)),
        im_pb2.Content(video=im_pb2.Video(media=im_pb2.Media(ref="w"), cover=media)),
        im_pb2.Content(file=im_pb2.File(media=media)),
        im_pb2.Content(location=im_pb2.Location(latitude=-33.5, longitude=151.25, name="Sydney")),
        im_pb2.Content(card=im_pb2.Card(user=alice, name="Alice", avatar=media)),
        im_pb2.Content(custom=im_pb2.Custom(type="app/vote", data=bytes(range(256)), summary="?")),
    ]
    for content in contents:
        # When
        request = im_pb2.SendRequest(receiver=bob, sequence=uuid.uuid4().hex, content=content)
        answer = ok(client.call(request))
        # Then
        assert watcher.wait_message(answer.id).content == content


def _holds(client: Caller, count: int) -> bool:
    return len(sync_all(client)) == count


def _history(client: Caller, peer: str, before: str = "", limit: int = 0) -> im_pb2.HistoryResponse:
    request = im_pb2.HistoryRequest(peer=peer, before=before, limit=limit)
    answer = ok(client.call(request))
    assert isinstance(answer, im_pb2.HistoryResponse)
    return answer
