"""Sends to groups in one transaction: who may, what is stored, and what a refusal leaves behind."""

import random
import threading
from collections.abc import Callable

import pytest

from models import append as append_module
from models.append import Stored
from models.core import Core
from models.errors import Code, IMError
from proto import im_pb2
from tests.support.groupstore import GroupStore, someone, system


@pytest.fixture
def store(core: Core) -> GroupStore:
    return GroupStore(core)


def refusal(work: Callable[[], object]) -> Code:
    with pytest.raises(IMError) as caught:
        work()
    return caught.value.code


def counter(store: GroupStore, group: str) -> int:
    shard = store.shard(group)
    return int(
        shard.database.query("SELECT version FROM shard_log WHERE shard = %s", (shard.number,))[0][
            0
        ]
    )


def codes(outcomes: list[Stored | IMError]) -> list[Code | None]:
    return [one.code if isinstance(one, IMError) else None for one in outcomes]


def test_refused_drafts_leave_no_gap(store: GroupStore) -> None:
    # Given a member and a stranger
    owner, stranger = someone(), someone()
    group = store.make(owner)
    before = counter(store, group)
    # When a batch holds sends of both
    drafts = [store.draft(group, user) for user in (stranger, owner, stranger, owner, stranger)]
    outcomes = store.send(*drafts)
    # Then the member's follow each other, and the counter ends with them
    no = Code.NOT_FOUND
    assert codes(outcomes) == [no, None, no, None, no]
    assert [row.version for row in store.log(group)[1:]] == [before + 1, before + 2]
    assert counter(store, group) == before + 2
    # And a batch that is refused as a whole moves nothing
    assert codes(store.send(store.draft(group, stranger))) == [no]
    assert counter(store, group) == before + 2
    # And the group's row names its newest and its youngest message
    one = store.member(owner, group).group
    newest = store.log(group)[-1]
    assert (one.latest, one.last_id) == (newest.version, newest.id)
    # And a recall moves the log on, and the youngest message stays the youngest
    first = outcomes[1]
    assert isinstance(first, Stored)
    store.recall(owner, first.id)
    one = store.member(owner, group).group
    assert (one.latest, one.last_id) == (before + 3, newest.id)


def test_messages_for_people_and_for_groups_share_a_batch(store: GroupStore) -> None:
    # Given groups and people of one database
    owner, stranger, friend = someone(), someone(), someone()
    group = store.make(owner)
    database = store.shard(group).database
    while store.core.shards.of_user(owner).database is not database:
        owner = someone()
        group = store.make(owner, shard=store.shard(group))
    # When sends to both come in one batch, some of which are refused
    person = store.chat.draft(owner, friend, "to a person", "p1")
    drafts = [store.draft(group, stranger), person, store.draft(group, owner)]
    outcomes = store.send(*drafts)
    # Then each is answered for itself
    assert codes(outcomes) == [Code.NOT_FOUND, None, None]
    stored = outcomes[2]
    assert isinstance(stored, Stored)
    assert store.log(group)[-1].id.hex() == stored.id
    # And repeating the batch gives the same answers and stores nothing
    end = counter(store, group)
    again = store.send(*drafts)
    assert codes(again) == codes(outcomes)
    assert again[1:] == outcomes[1:]
    assert counter(store, group) == end


def test_who_repeats_a_send_behind_their_removal_gets_the_first_answer(store: GroupStore) -> None:
    # Given a message of somebody who was removed then
    owner, guest = someone(), someone()
    group = store.make(owner, guest)
    draft = store.draft(group, guest, "first", "s1")
    (first,) = store.send(draft)
    store.remove(owner, group, guest)
    end = counter(store, group)
    # Then the same message has its answer, another one under its name none, a new one no leave
    other = store.draft(group, guest, "second", "s1")
    assert store.send(draft) == [first]
    assert codes(store.send(other)) == [Code.SEQUENCE_CONFLICT]
    assert codes(store.send(store.draft(group, guest))) == [Code.NOT_FOUND]
    # And so in one batch, in which another's send is stored
    mixed = [draft, store.draft(group, owner), other, store.draft(group, guest)]
    outcomes = store.send(*mixed)
    assert outcomes[0] == first
    assert codes(outcomes) == [None, None, Code.SEQUENCE_CONFLICT, Code.NOT_FOUND]
    assert counter(store, group) == end + 1


def test_a_used_sequence_is_not_used_for_another_message(store: GroupStore) -> None:
    owner = someone()
    group = store.make(owner)
    first = store.say(group, owner, "one", sequence="s1")
    assert store.say(group, owner, "one", sequence="s1") == first
    assert refusal(lambda: store.say(group, owner, "two", sequence="s1")) == Code.SEQUENCE_CONFLICT
    # And a recalled message keeps its sequence
    store.recall(owner, first.id)
    assert store.say(group, owner, "one", sequence="s1") == first


def test_who_may_speak(store: GroupStore) -> None:
    # Given a group with all roles
    owner, admin, guest = someone(), someone(), someone()
    group = store.make(owner, admin, guest)
    role = im_pb2.GroupSetRoleRequest(group=group, user=admin, role=im_pb2.ADMIN)
    store.groups.set_role(owner, role)
    # Then everybody may be mentioned by owner and admins alone
    mention = store.draft(group, guest, mentions=[admin], everybody=True)
    assert codes(store.send(mention)) == [Code.FORBIDDEN]
    store.say(group, admin, everybody=True)
    # And a muted member may not speak, until that is over
    store.groups.mute(admin, im_pb2.GroupMuteRequest(group=group, user=guest, duration_s=60))
    assert refusal(lambda: store.say(group, guest)) == Code.MUTED
    store.groups.mute(admin, im_pb2.GroupMuteRequest(group=group, user=guest, duration_s=0))
    store.say(group, guest)
    # And when all are muted, owner and admins may
    store.groups.edit(owner, im_pb2.GroupEditRequest(group=group, mute_all=True))
    assert refusal(lambda: store.say(group, guest)) == Code.MUTED
    store.say(group, admin)
    store.say(group, owner)
    # And in a disbanded group nobody, while strangers learn nothing
    store.groups.disband(owner, im_pb2.GroupDisbandRequest(group=group))
    for user in (owner, admin, guest):
        assert refusal(lambda user=user: store.say(group, user)) == Code.DISBANDED  # type: ignore[misc]
    assert refusal(lambda: store.say(group, someone())) == Code.NOT_FOUND


def test_dying_before_the_commit_leaves_nothing(
    store: GroupStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a process that dies when all is ready to be stored
    owner, guest = someone(), someone()
    group = store.make(owner, guest)
    before = (store.log(group), counter(store, group), store.member(owner, group))

    def die(*_: object) -> list[str]:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(append_module, "store_statements", die)
        with pytest.raises(KeyboardInterrupt):
            store.say(group, owner, "lost", mentions=[guest], sequence="s1")
    # Then nothing has happened
    assert (store.log(group), counter(store, group), store.member(owner, group)) == before
    # And the repetition is stored, in the next place
    store.say(group, owner, "lost", mentions=[guest], sequence="s1")
    assert [row.version for row in store.log(group)][-1] == before[1] + 1


def test_nobody_speaks_in_a_group_they_are_not_in(store: GroupStore) -> None:
    """Invariant: each row of a member lies between their coming and their going in the log."""
    # Given members who send without a pause, and an owner who removes and invites them
    owner, users = someone(), [someone() for _ in range(3)]
    group = store.make(owner, *users)
    done = threading.Event()
    failures: list[BaseException] = []
    answers: list[Code | None] = []

    def send(user: str) -> None:
        try:
            while not done.is_set():
                batch = [store.draft(group, user, mentions=[owner]) for _ in range(2)]
                outcomes = codes(store.send(*batch))
                assert len(set(outcomes)) == 1  # a batch is judged at one moment
                answers.extend(outcomes)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=send, args=(user,)) for user in users]
    for thread in threads:
        thread.start()
    dice = random.Random(5)
    try:
        for _ in range(60):
            user = dice.choice(users)
            there = store.core.shards.of_group(group).database.query(
                "SELECT 1 FROM member WHERE group_id = %s AND user = %s", (group, user)
            )
            (store.remove if there else store.invite)(owner, group, user)
    finally:
        done.set()
        for thread in threads:
            thread.join()
    # Then the log says so
    assert not failures, failures[0]
    assert {None, Code.NOT_FOUND} == set(answers)
    inside: set[str] = set()
    for row in store.log(group):
        change = system(row)
        if change is None:
            assert row.sender in inside
        elif change.kind in (im_pb2.REMOVED, im_pb2.LEFT):
            inside -= set(change.users)
        else:
            inside |= set(change.users)
    # And nothing is missing from it: a refused batch took no version
    shard = store.shard(group)
    ((rows, span),) = shard.database.query(
        f"SELECT COUNT(*), MAX(version) - MIN(version) + 1 FROM {shard.table} WHERE version >= %s",
        (store.log(group)[0].version,),
    )
    assert rows == span
