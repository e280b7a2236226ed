"""The Python SDK against the real platform: what the shared scenarios do not say."""

import asyncio
import threading
from pathlib import Path

import pytest

from dev.clients.wait import wait_until
from im_client import (
    Conversation,
    GroupEvent,
    MessageEvent,
    NotConnected,
    PresenceEvent,
    Refused,
    ServerError,
    Upload,
    im_pb2,
)
from tests.support.proxy import Proxy
from tests.support.sdkphones import Phones, phones, platform_for_sdks  # noqa: F401


def test_two_accounts_in_one_process(phones: Phones) -> None:
    # Given two users in this process
    alice, bob = phones.cluster.pair()
    one, other = phones.start(alice), phones.start(bob)
    # When each writes to the other; a callback may use the client
    answered = threading.Event()

    def answer(event: MessageEvent) -> None:
        if not event.own:
            other.send_text(event.message.sender, f"you said {event.message.text}")
            answered.set()

    other.on(MessageEvent, answer)
    one.wait_acked(one.send_text(bob, "hello"))
    # Then both were told everything once, and the contact lists are each one's own
    assert answered.wait(30)
    wait_until(lambda: len(phones.texts(one)) == 2)
    assert phones.texts(one) == ["hello", "you said hello"]
    wait_until(lambda: len(phones.texts(other)) == 2)
    assert [c.conversation.id for c in one.contacts()] == [bob]
    assert [c.conversation.id for c in other.contacts()] == [alice]
    assert one.contacts()[0].unread == 1
    assert one.mark_read(bob) == 0
    assert one.contacts()[0].unread == 0


def test_the_outbox_survives_an_orderly_restart(phones: Phones) -> None:
    alice, bob = phones.cluster.pair()
    reader = phones.start(bob)
    # Given messages queued while there is no network
    client = phones.start(alice)
    client.suspend()
    wait_until(lambda: not client.online)
    keys = [client.send_text(bob, text, key=text) for text in ("one", "two", "three")]
    with pytest.raises(NotConnected):
        client.wait_acked("one", timeout_s=0.1)
    assert [queued.key for queued in client.outbox(bob)] == keys
    client.close()
    # When the program starts again with the same store
    again = phones.start(alice)
    # Then they are sent, once, in order
    ids = [again.wait_acked(key) for key in keys]
    wait_until(lambda: len(phones.texts(reader)) == 3)
    assert phones.texts(reader) == ["one", "two", "three"]
    assert ids == sorted(ids)
    assert again.outbox() == []
    stored = phones.cluster.store.rows(f"sender = '{alice}'")
    assert len({row.id for row in stored}) == 3


def test_files_go_through_the_upload_hook(phones: Phones, tmp_path: Path) -> None:
    alice, bob = phones.cluster.pair()
    kept: dict[str, bytes] = {}

    def upload(file: Upload) -> str:
        kept[f"media/{file.name}"] = file.read()
        return f"media/{file.name}"

    picture = tmp_path / "sun.png"
    picture.write_bytes(b"\x89PNG not really")
    client, reader = phones.start(alice, uploader=upload), phones.start(bob)
    client.send_file(bob, picture)
    client.send_file(bob, b"12345", name="notes.pdf")
    wait_until(lambda: len(phones.texts(reader)) == 2)
    image, document = (event.message for event in phones.messages(reader))
    assert (image.kind, document.kind) == ("image", "file")
    assert image.content.image.media.mime == "image/png"
    assert document.content.file.media.size_bytes == 5
    assert kept[image.content.image.media.ref] == picture.read_bytes()

    def broken(file: Upload) -> str:
        raise OSError("the storage is full")

    failing = phones.start(alice, name="failing", uploader=broken)
    with pytest.raises(OSError, match="full"):
        failing.send_file(bob, picture)
    assert failing.outbox() == []


def test_a_deleted_conversation_goes_from_every_device(phones: Phones) -> None:
    alice, bob = phones.cluster.pair()
    phone, desk = phones.start(alice, name="phone"), phones.start(alice, name="desk")
    away = phones.start(alice, name="away")
    writer = phones.start(bob)
    writer.wait_acked(writer.send_text(alice, "one"))
    for client in (phone, desk, away):
        phones.wait_texts(client, "one")
    # When it is deleted on one device while another is away
    away.suspend()
    wait_until(lambda: not away.online)
    phone.delete_conversation(bob)
    wait_until(lambda: phone.contacts() == desk.contacts() == [])
    away.resume()
    wait_until(lambda: away.contacts() == [])
    # Then it comes back with the next message, without the old one
    writer.wait_acked(writer.send_text(alice, "two"))
    for client in (phone, desk, away):
        phones.wait_texts(client, "one", "two")
        assert [message.text for message in client.history(bob)] == ["two"]


def test_a_callback_that_fails_stops_nothing(phones: Phones) -> None:
    alice, bob = phones.cluster.pair()
    client, reader = phones.start(alice), phones.make(bob)

    def broken(event: MessageEvent) -> None:
        if event.message.text == "one":
            raise ValueError("a bug of the application")
        raise asyncio.CancelledError  # out of something it waited for

    reader.on(MessageEvent, broken)
    reader.start()
    reader.wait_ready()
    for text in ("one", "two", "three"):
        client.send_text(bob, text)
    wait_until(lambda: phones.texts(reader) == ["one", "two", "three"])


@pytest.mark.parametrize("transport", ["tcp", "ws", "comet"])
def test_what_is_too_large_is_refused_and_holds_up_nothing(phones: Phones, transport: str) -> None:
    alice, bob = phones.cluster.pair()
    platform = phones.cluster.platform
    endpoint = {
        "tcp": "",
        "ws": f"ws://127.0.0.1:{platform.port()}/ws",
        "comet": platform.url(),
    }[transport]
    client = phones.start(alice, endpoint=endpoint)
    # When texts are too long for a message, for its content, and for any frame
    for size in (9_000, 40_000, 70_000):
        key = client.send_text(bob, "x" * size)
        with pytest.raises(Refused) as refusal:
            client.wait_acked(key)
        assert refusal.value.name in ("INVALID_CONTENT", "TOO_LARGE")
    # Then the next one goes out
    client.wait_acked(client.send_text(bob, "in short"))


def test_groups_presence_blocking_and_everything_else_is_a_call(phones: Phones) -> None:
    alice, bob = phones.cluster.pair()
    client, other = phones.start(alice), phones.start(bob)
    # Groups are known with their names
    group = client.create_group("climbers", [bob]).group
    phones.wait(other, lambda event: isinstance(event, GroupEvent) and event.group == group)
    wait_until(lambda: [info.name for info in other.groups()] == ["climbers"])
    assert sorted(member.user for member in client.members(group)) == sorted([alice, bob])
    assert len(client.known_members(group)) == 2
    client.call(im_pb2.GroupEditRequest(group=group, name="hikers"))
    wait_until(lambda: [info.name for info in other.groups()] == ["hikers"])
    client.send_text(Conversation.group(group), "hello")
    phones.wait(other, lambda event: isinstance(event, MessageEvent) and event.message.text)
    assert [(contact.name, contact.unread) for contact in other.contacts()] == [("hikers", 1)]
    # Presence comes as events
    (now,) = client.presence(bob, watch=True)
    assert now.online
    other.close()
    gone = phones.wait(client, lambda event: isinstance(event, PresenceEvent))
    assert (gone.user, gone.online) == (bob, False)
    # Refusals are errors with the server's name
    client.block(bob)
    assert client.blocked() == [bob]
    client.unblock(bob)
    with pytest.raises(ServerError) as refusal:
        client.recall("0" * 32)
    assert refusal.value.name == "NOT_FOUND"
    assert not refusal.value.retryable
    assert [device.online for device in client.devices()] == [True]


def test_a_server_that_is_not_there_is_tried_less_and_less(phones: Phones) -> None:
    # Given an address where connections are reset
    proxy = Proxy(phones.cluster.platform.port("gateway"), "mars")
    try:
        proxy.down()
        user = phones.cluster.person()
        endpoint = f"tcp://127.0.0.1:{proxy.port}"
        client = phones.make(user, endpoint=endpoint, backoff_least_s=0.05, backoff_most_s=0.2)
        client.start()
        with pytest.raises(NotConnected):
            client.call(im_pb2.PingRequest(), timeout_s=0.5)
        # When it is there again, the client is too
        proxy.heal()
        client.wait_ready()
    finally:
        proxy.close()
