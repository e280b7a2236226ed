"""Requests to join, and what outlives a membership, where two things meet."""

import threading
from typing import Any

import pytest

from models.core import Core
from models.usecases import groupmembers
from models.usecases.groupconversations import clear_groups
from proto import im_pb2
from tests.support.groupstore import GroupStore, configured, someone


@pytest.fixture
def store(core: Core) -> GroupStore:
    return GroupStore(core)


def by_approval(store: GroupStore, owner: str) -> str:
    group = store.make(owner)
    store.groups.edit(owner, im_pb2.GroupEditRequest(group=group, join_mode=im_pb2.APPROVAL))
    return group


def waiting(store: GroupStore, group: str) -> list[str]:
    rows = store.shard(group).database.query(
        "SELECT user FROM join_request WHERE group_id = %s", (group,)
    )
    return [user for (user,) in rows]


def test_who_is_let_in_while_asking_leaves_no_request(
    store: GroupStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given somebody who is found to be no member, and is brought in at that moment
    owner, guest = someone(), someone()
    group = by_approval(store, owner)
    original = groupmembers.memberships

    def late(*args: Any, **more: Any) -> Any:
        found = original(*args, **more)
        if args[1] == guest and not found:
            monkeypatch.undo()
            store.invite(owner, group, guest)
        return found

    monkeypatch.setattr(groupmembers, "memberships", late)

    # When
    store.groups.join(guest, im_pb2.GroupJoinRequest(group=group))

    # Then
    assert store.member(guest, group)
    assert waiting(store, group) == []


def test_asking_and_being_let_in_at_once(store: GroupStore) -> None:
    """Whoever comes first, no request is left for who is in; and no deadlock fails anybody."""
    owner = someone()
    group = by_approval(store, owner)
    guests = [someone() for _ in range(30)]
    barrier = threading.Barrier(2)
    failures: list[BaseException] = []

    def run(step: Any) -> None:
        try:
            for guest in guests:
                barrier.wait(30)
                step(guest)
        except BaseException as error:
            failures.append(error)
            barrier.abort()

    ask = lambda guest: store.groups.join(guest, im_pb2.GroupJoinRequest(group=group))  # noqa: E731
    bring = lambda guest: store.invite(owner, group, guest)  # noqa: E731
    threads = [threading.Thread(target=run, args=(step,)) for step in (ask, bring)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert waiting(store, group) == []


def test_what_was_hidden_stays_hidden_from_who_comes_back(core: Core) -> None:
    # Given a server that shows new members everything, and somebody who hid it and went
    store = GroupStore(configured(core, group_history="all"))
    owner, guest = someone(), someone()
    group = store.make(owner, guest)
    hidden = store.say(group, owner)
    clear_groups(store.core, guest, [store.member(guest, group)])
    shown = store.say(group, owner)
    store.groups.leave(guest, im_pb2.GroupLeaveRequest(group=group))

    # When
    store.groups.join(guest, im_pb2.GroupJoinRequest(group=group))

    # Then
    own = store.member(guest, group).own
    assert not own.sees(bytes.fromhex(hidden.id))
    assert own.sees(bytes.fromhex(shown.id))
