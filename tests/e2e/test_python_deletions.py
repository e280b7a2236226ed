"""Conversations deleted on another device stay deleted here, whatever was missed meanwhile."""

import pytest

from dev.clients.wait import wait_until
from im_client import Client, Conversation, FrameEvent, GroupEvent, MessageEvent, im_pb2
from tests.support.proxy import Proxy
from tests.support.sdkphones import Phones, phones, platform_for_sdks  # noqa: F401

PUSH_CONVERSATIONS = 10003


def _history(client: Client, target: Conversation | str) -> list[str]:
    return [message.text for message in client.history(target, limit=100) if message.text]


def _go_away(client: Client) -> None:
    client.suspend()
    wait_until(lambda: not client.online)


def _come_back(client: Client) -> None:
    client.resume()
    client.wait_ready()


@pytest.mark.parametrize("kept", [0, 3], ids=["nothing new before", "some kept"])
def test_a_deletion_that_was_missed_is_not_undone_by_the_next_message(
    phones: Phones, kept: int
) -> None:
    alice, bob = phones.cluster.pair()
    phone, writer = phones.start(alice, name="phone"), phones.start(bob)
    away = phones.start(alice, name="away")
    old = ["one", "two", "three", "four", "five"]
    for text in old:
        writer.wait_acked(writer.send_text(alice, text))
    for client in (phone, away):
        phones.wait_texts(client, *old)
    # Given a device that is away while the conversation is deleted, and goes on
    _go_away(away)
    phone.delete_conversation(bob)
    later = ["six"]
    writer.wait_acked(writer.send_text(alice, "six"))
    for number in range(kept):
        phone.wait_acked(phone.send_text(bob, f"kept {number}"))
        later.append(f"kept {number}")
    # When it comes back
    _come_back(away)
    # Then it holds what the server shows, and counts that
    wait_until(lambda: _history(away, bob) == later, what="only what came later")
    assert [(one.unread, one.last and one.last.text) for one in away.contacts()] == [(1, later[-1])]
    assert phones.texts(away) == old + later, "all of it was told all the same"


def test_many_that_come_back_at_once_do_not_all_ask_at_once(phones: Phones) -> None:
    alice, bob = phones.cluster.pair()
    writer = phones.start(bob)
    # Given a device with a moment of its own that is far away, and a conversation that moved
    away = phones.make(alice, tidy_within_s=1e9)
    said: list[int] = []

    def note(event: FrameEvent) -> None:
        if event.outgoing:
            said.append(event.cmd)

    away.watch_frames(note)
    away.start()
    away.wait_ready()
    writer.wait_acked(writer.send_text(alice, "first"))
    phones.wait_texts(away, "first")
    _go_away(away)
    said.clear()
    writer.wait_acked(writer.send_text(alice, "moved"))
    # When it comes back, then it is ready and hears pushes without having asked about each
    _come_back(away)
    writer.wait_acked(writer.send_text(alice, "pushed"))
    phones.wait_texts(away, "first", "moved", "pushed")
    assert im_pb2.CMD_CONTACTS in said
    assert im_pb2.CMD_HISTORY not in said


def test_a_deletion_whose_push_was_lost_is_seen_with_the_next_connection(phones: Phones) -> None:
    alice, bob = phones.cluster.pair()
    proxy = Proxy(phones.cluster.platform.port("gateway"), "mars")
    try:
        phone, writer = phones.start(alice, name="phone"), phones.start(bob)
        desk = phones.start(alice, name="desk", endpoint=f"tcp://127.0.0.1:{proxy.port}")
        for text in ("one", "two"):
            writer.wait_acked(writer.send_text(alice, text))
        phones.wait_texts(desk, "one", "two")
        # Given a device that is connected, but does not get the news
        proxy.drop(PUSH_CONVERSATIONS)
        phone.delete_conversation(bob)
        proxy.wait_done()
        writer.wait_acked(writer.send_text(alice, "three"))
        phones.wait_texts(desk, "one", "two", "three")
        assert _history(desk, bob) == ["one", "two", "three"]
        # When it connects again
        desk.drop_link()
        # Then it knows
        wait_until(lambda: _history(desk, bob) == ["three"], what="only what came later")
    finally:
        proxy.close()


def test_who_comes_back_into_a_group_keeps_what_was_here(phones: Phones) -> None:
    alice, bob = phones.cluster.pair()
    owner, member = phones.start(alice), phones.start(bob)
    group = owner.create_group("hikers", [bob]).group
    target = Conversation.group(group)
    owner.wait_acked(owner.send_text(target, "before"))
    wait_until(lambda: _history(member, target) == ["before"])
    # Given somebody who was taken out and brought in again while away
    _go_away(member)
    owner.remove(group, bob)
    owner.invite(group, bob)
    owner.wait_acked(owner.send_text(target, "after"))
    # When they come back, then what they had stays, though the server shows it no more
    _come_back(member)
    phones.wait(member, lambda e: isinstance(e, MessageEvent) and e.message.text == "after")
    _go_away(member)
    _come_back(member)
    assert _history(member, target) == ["before", "after"]
    # When the conversation is deleted then, that goes too
    member.delete_conversation(target)
    wait_until(lambda: _history(member, target) == [])
    assert [e.joined for e in phones.heard[member] if isinstance(e, GroupEvent)][-1]
