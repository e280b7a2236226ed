"""A new store of a user who was here before: everything is in it, nothing old is told."""

from dev.clients.wait import wait_until
from im_client import Client, Conversation, GroupEvent, MessageEvent, im_pb2
from tests.support.sdkphones import Phones, phones, platform_for_sdks  # noqa: F401

MANY = 250
"""More than a page of sync."""


def test_everything_is_there_and_nothing_old_is_told(phones: Phones) -> None:
    # Given a user with messages, with groups, one of them disbanded, one left
    alice, bob = phones.cluster.pair()
    old, friend = phones.start(alice, name="old"), phones.start(bob)
    for number in range(MANY):
        friend.send_text(alice, f"{number}", key=f"{number}")
    friend.wait_acked(f"{MANY - 1}", timeout_s=60)
    lives, disbanded, left = (
        friend.create_group(name, [alice]).group for name in ("lives", "disbanded", "left")
    )
    for group in (lives, disbanded, left):
        friend.wait_acked(friend.send_text(Conversation.group(group), f"in {group}"))
    friend.call(im_pb2.GroupDisbandRequest(group=disbanded))
    wait_until(lambda: len(old.groups()) == 3)
    old.leave_group(left)
    middle = old.history(bob, limit=100)[0]
    old.mark_read(bob, middle.id)
    wait_until(lambda: len(phones.messages(old)) >= MANY + 3)
    unread = next(c.unread for c in old.contacts() if c.conversation.id == bob)
    assert unread == 99
    # When it starts with an empty store
    new = phones.start(alice, name="new")
    # Then the contact list is the same, and history goes back to the beginning
    wait_until(lambda: _shown(new) == _shown(old), what="the same contact lists")
    assert [m.text for m in new.history(bob, limit=MANY + 1)] == [f"{n}" for n in range(MANY)]
    assert {info.group for info in new.groups()} == {lives, disbanded}
    # And only what comes from now on is told
    friend.wait_acked(friend.send_text(alice, "news"))
    friend.wait_acked(friend.send_text(Conversation.group(lives), "group news"))
    wait_until(lambda: len(phones.messages(new)) == 2)
    assert sorted(phones.texts(new)) == ["group news", "news"]
    assert not [event for event in phones.heard[new] if isinstance(event, GroupEvent)]
    # And a recall of an old message is news
    friend.recall(new.history(bob, limit=2)[0].id)
    recalled = phones.wait(
        new, lambda event: isinstance(event, MessageEvent) and event.message.recalled
    )
    assert recalled.message.conversation.id == bob


def _shown(client: Client) -> list[object]:
    """What a contact list shows."""
    return [
        (one.conversation, one.name, one.last and one.last.id, one.unread)
        for one in client.contacts()
    ]
