"""One suite for every transport: what is sent, pushed, synced, recalled, read and typed.

Errors and limits by every transport are in test_conformance_errors.py.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from dev.clients.device import Device, Push
from dev.clients.wait import wait_until
from dev.clients.wire import Caller, ok, sync_all, text_to
from proto import im_pb2
from tests.support.cluster import KINDS, TRANSPORTS, Cluster, Kind, Transport

devices = pytest.mark.parametrize("kind", KINDS)
MESSAGES = 50
AGAIN_S = 1.0


@devices
def test_a_message_reaches_every_device_of_both_sides(cluster: Cluster, kind: Kind) -> None:
    # Given: the same transport everywhere: one sends, one's other device, the receiver
    alice, bob = cluster.pair("other database")
    sender = cluster.device(kind, alice)
    own, watcher = cluster.device(kind, alice, "web.2"), cluster.device(kind, bob, "web.2")

    # When
    answer = ok(sender.call(text_to(bob, "hällo 👋", "first")))

    # Then: all of them show it once, the connection it was sent on too
    last = ok(sender.call(text_to(bob, "behind it")))
    for device in (sender, own, watcher):
        message = device.wait_message(answer.id)
        assert (message.sender, message.receiver, message.sequence) == (alice, bob, "first")
        assert message.content.text.text == "hällo 👋"
        assert message.send_time == answer.send_time
        device.wait_message(last.id)
        assert [m.id for m in device.messages()] == [answer.id, last.id]


@pytest.mark.parametrize("kind", [*KINDS, "http-json", "http-protobuf"])
def test_fifty_messages_arrive_in_order(cluster: Cluster, kind: Kind | Transport) -> None:
    # Given: short calls have no downlink, a WebSocket listens for them
    alice, bob = cluster.pair("other database")
    is_short = kind.startswith("http")
    watched: Kind = "ws-frames" if is_short else kind  # type: ignore[assignment]
    watchers = [cluster.device(watched, user, "web.2") for user in (bob, alice)]
    sender: Caller = caller(cluster, kind, alice)

    # When
    sent = send_many(sender, bob, MESSAGES)

    # Then: both sides are shown them in the order they were sent, each once
    for watcher in watchers:
        for identifier in sent:
            watcher.wait_message(identifier)
        assert [m.id for m in watcher.messages()] == sent


@pytest.mark.parametrize("kind", [*KINDS, "http-json", "http-protobuf"])
def test_sync_goes_on_from_any_cursor_in_pages_of_any_size(
    cluster: Cluster, kind: Kind | Transport
) -> None:
    # Given
    alice, bob = cluster.pair("other shard")
    sent = send_many(cluster.connect(alice), bob, 12)
    client = caller(cluster, kind, bob)
    wait_until(lambda: len(sync_all(client)) == len(sent))

    # When
    everything = sync_all(client)

    # Then
    assert [m.id for m in everything] == sent
    assert sync_all(client, limit=5) == everything
    for index, message in enumerate(everything):
        assert sync_all(client, cursor=message.version, limit=4) == everything[index + 1 :]
    page = ok(client.call(im_pb2.SyncRequest(limit=5)))
    assert (len(page.messages), page.more) == (5, True)
    assert page.cursor == page.messages[-1].version


@devices
def test_a_late_device_gets_what_it_missed_and_no_more(cluster: Cluster, kind: Kind) -> None:
    # Given: a mailbox of which a device knows the first half
    alice, bob = cluster.pair("other shard")
    sender = cluster.connect(alice)
    sent = send_many(sender, bob, 10)
    reader = cluster.connect(bob)
    wait_until(lambda: len(sync_all(reader)) == len(sent))
    half = sync_all(reader)[4].version

    # When: it comes with its cursor
    device = cluster.device(kind, bob, "web.2", since=half)
    if kind in ("comet", "events"):
        for identifier in sent[5:]:
            device.wait_message(identifier)
        missed = [m.id for m in device.messages()]
    else:
        missed = [m.id for m in sync_all(device, cursor=half)]

    # Then: and what is sent from now on comes as a push
    assert missed == sent[5:]
    device.wait_message(ok(sender.call(text_to(bob, "one more"))).id)


@devices
def test_a_recall_is_pushed_to_all(cluster: Cluster, kind: Kind) -> None:
    # Given
    alice, bob = cluster.pair("other database")
    sender = cluster.device(kind, alice)
    shown = [sender, cluster.device(kind, alice, "web.2"), cluster.device(kind, bob, "web.2")]
    answer = ok(sender.call(text_to(bob, "a slip")))
    for device in shown:
        assert device.wait_message(answer.id).content.text.text == "a slip"

    # When
    recalled = ok(sender.call(im_pb2.RecallRequest(id=answer.id)))

    # Then
    for device in shown:
        message = device.wait_message(answer.id, recalled=True)
        assert message.withdraw_time == recalled.withdraw_time
        assert not message.content.WhichOneof("body")
        (kept,) = sync_all(device)
        assert kept == message


@devices
def test_reading_clears_badges_and_gives_a_receipt(cluster: Cluster, kind: Kind) -> None:
    # Given: three unread messages
    alice, bob = cluster.pair("other database")
    sender = cluster.device(kind, alice)
    reader, other = cluster.device(kind, bob, "web.2"), cluster.device(kind, bob)
    sent = send_many(sender, bob, 3)
    for device in (reader, other):
        device.wait_message(sent[-1])
    assert (contact(reader, alice).unread, contact(other, alice).unread) == (3, 3)

    # When: two are read
    def read() -> None:
        assert ok(reader.call(im_pb2.ReadRequest(peer=alice, id=sent[1]))).unread == 1

    # Then: the reader's other device and the sender hear how far
    for device in (other, sender):
        push = pushed(device, lambda push: push.cmd == im_pb2.CMD_PUSH_READ, read)
        assert (push.reader, push.peer, push.id, push.unread) == (bob, alice, sent[1], 1)
    assert (contact(other, alice).unread, contact(other, alice).read) == (1, sent[1])
    assert contact(sender, bob).peer_read == sent[1]


@devices
def test_typing_is_shown(cluster: Cluster, kind: Kind) -> None:
    alice, bob = cluster.pair()
    sender, watcher = cluster.device(kind, alice), cluster.device(kind, bob, "web.2")
    for stopped in (False, True):
        request = im_pb2.TypingRequest(receiver=bob, stopped=stopped)
        push = pushed(watcher, is_typing(stopped), lambda r=request: ok(sender.call(r)))  # type: ignore[misc]
        assert (push.sender, push.stopped) == (alice, stopped)
    assert not watcher.messages()


@devices
def test_a_deleted_conversation_goes_from_every_device(cluster: Cluster, kind: Kind) -> None:
    # Given
    alice, bob = cluster.pair()
    ok(cluster.connect(alice).call(text_to(bob)))
    one, other = cluster.device(kind, bob), cluster.device(kind, bob, "web.2")
    wait_until(lambda: len(sync_all(one)) == 1)

    # When
    def delete() -> None:
        ok(one.call(im_pb2.DeleteConversationRequest(peer=alice)))

    # Then
    push = pushed(other, lambda push: push.cmd == im_pb2.CMD_PUSH_CONVERSATIONS, delete)
    assert (push.peer, push.all) == (alice, False)
    assert not ok(other.call(im_pb2.ContactsRequest())).contacts


def caller(cluster: Cluster, kind: Kind | Transport, user: str, web: str = "web") -> Caller:
    """A client by a long transport or by short calls."""
    if kind in TRANSPORTS:
        return cluster.caller(kind, user, web)  # type: ignore[arg-type]
    return cluster.device(kind, user, web)  # type: ignore[arg-type]


def send_many(sender: Caller, receiver: str, count: int) -> list[str]:
    """Send so many; all at once where the transport allows it. Their ids."""
    requests = [text_to(receiver, f"number {n}") for n in range(count)]
    if isinstance(sender, Device) and not hasattr(sender, "short"):
        seqs = [sender.post(request) for request in requests]
        return [ok(sender.answer(seq).body).id for seq in seqs]
    return [ok(sender.call(request)).id for request in requests]


def pushed(device: Device, fits: Callable[[Push], bool], act: Callable[[], Any]) -> Any:
    """The push that fits; `act` is repeated until it comes.

    Who polls hears of events only while a poll is open.
    """

    def came() -> Any:
        act()
        with suppress(AssertionError):
            return device.wait_push(fits, AGAIN_S)

    return wait_until(came, what="the push")


def is_typing(stopped: bool) -> Callable[[Push], bool]:
    return lambda push: push.cmd == im_pb2.CMD_PUSH_TYPING and push.body.stopped == stopped


def contact(client: Caller, peer: str) -> im_pb2.Contact:
    listed = ok(client.call(im_pb2.ContactsRequest())).contacts
    (found,) = [contact for contact in listed if contact.peer == peer]
    assert isinstance(found, im_pb2.Contact)
    return found
