"""The appender's thread: nothing ends it, and every send is answered once."""

import threading
from collections.abc import Callable, Sequence

import pytest

import models.appender
from models.append import Draft, Outcome, Stored
from models.appender import Appender
from models.core import Core
from models.errors import Code, IMError
from tests.contract.conftest import Chat

Make = Callable[..., Appender]


@pytest.fixture
def make(core: Core) -> Make:
    def appender(screen: Callable[[Sequence[Draft]], list[Outcome | None]]) -> Appender:
        return Appender(
            core.shards.shards[0].database,
            batch_max=10,
            queue_max=20,
            patience_s=5.0,
            screen=screen,
            appended=lambda shards: None,
            metrics=core.metrics,
        )

    return appender


def everyone(drafts: Sequence[Draft]) -> list[Outcome | None]:
    return [None] * len(drafts)


def ask(appender: Appender, draft: Draft) -> Outcome:
    """Submit and wait for the outcome."""
    answered = threading.Event()
    outcomes: list[Outcome] = []

    def done(outcome: Outcome) -> None:
        outcomes.append(outcome)
        answered.set()

    appender.submit(draft, done)
    assert answered.wait(30)
    assert len(outcomes) == 1
    return outcomes[0]


def test_a_failing_screen_harms_one_batch(
    core: Core, make: Make, user_in: Callable[[int], str]
) -> None:
    fails = [True]

    def screen(drafts: Sequence[Draft]) -> list[Outcome | None]:
        if fails.pop():
            fails.append(False)
            raise RuntimeError("unexpected")
        fails.append(False)
        return [None] * len(drafts)

    chat, appender = Chat(core), make(screen)
    sender, receiver = user_in(0), user_in(1)
    first = ask(appender, chat.draft(sender, receiver, "one"))
    assert isinstance(first, IMError)
    assert first.code is Code.INTERNAL
    assert isinstance(ask(appender, chat.draft(sender, receiver, "two")), Stored)
    appender.close()


def test_a_failing_listener_harms_nobody_else(
    core: Core, make: Make, user_in: Callable[[int], str]
) -> None:
    chat, appender = Chat(core), make(everyone)
    sender, receiver = user_in(0), user_in(1)

    def fail(outcome: Outcome) -> None:
        raise RuntimeError("the connection is gone")

    appender.submit(chat.draft(sender, receiver, "one"), fail)
    assert isinstance(ask(appender, chat.draft(sender, receiver, "two")), Stored)
    appender.close()


def test_a_draft_the_database_refuses_does_not_take_the_batch_with_it(
    core: Core, make: Make, user_in: Callable[[int], str]
) -> None:
    held = threading.Event()

    def screen(drafts: Sequence[Draft]) -> list[Outcome | None]:
        held.wait(30)
        return [None] * len(drafts)

    chat, appender = Chat(core), make(screen)
    sender, receiver = user_in(0), user_in(1)
    outcomes: list[Outcome] = []
    appender.submit(chat.draft(sender, receiver, "first"), outcomes.append)
    for body in ("a", "b", "c"):
        appender.submit(chat.draft(sender, receiver, body), outcomes.append)
    appender.submit(chat.draft(sender, "r" * 65, "too long a name"), outcomes.append)
    held.set()
    appender.close()
    assert [type(outcome) for outcome in outcomes] == [Stored] * 4 + [IMError]


def test_too_many_waiting_are_refused(
    core: Core, make: Make, user_in: Callable[[int], str]
) -> None:
    held = threading.Event()

    def screen(drafts: Sequence[Draft]) -> list[Outcome | None]:
        held.wait(30)
        return [None] * len(drafts)

    chat, appender = Chat(core), make(screen)
    sender, receiver = user_in(0), user_in(1)
    outcomes: list[Outcome] = []
    with pytest.raises(IMError) as caught:
        for n in range(100):
            appender.submit(chat.draft(sender, receiver, str(n)), outcomes.append)
    assert caught.value.code is Code.OVERLOADED
    assert caught.value.retryable
    held.set()
    appender.close()
    assert outcomes
    assert all(isinstance(outcome, Stored) for outcome in outcomes)


def test_where_sends_come_thick_commits_share_them(
    core: Core, make: Make, user_in: Callable[[int], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given: commits that gather for as long as the test says, and two sends during one of them
    gathering, go_on = threading.Event(), threading.Event()
    monkeypatch.setattr(models.appender, "GATHER_S", 3600.0)

    def sleep(duration_s: float) -> None:
        gathering.set()
        assert go_on.wait(30)

    monkeypatch.setattr(models.appender, "sleep", sleep)
    sizes: list[int] = []
    first, release = threading.Event(), threading.Event()

    def screen(drafts: Sequence[Draft]) -> list[Outcome | None]:
        sizes.append(len(drafts))
        if len(sizes) == 1:
            first.set()
            assert release.wait(30)
        return [None] * len(drafts)

    chat, appender = Chat(core), make(screen)
    sender, receiver = user_in(0), user_in(1)
    outcomes: list[Outcome] = []
    stored = threading.Semaphore(0)

    def done(outcome: Outcome) -> None:
        outcomes.append(outcome)
        stored.release()

    def submit(count: int) -> None:
        for n in range(count):
            appender.submit(chat.draft(sender, receiver, str(n)), done)

    submit(1)
    assert first.wait(30)
    submit(2)
    release.set()

    # When: more comes while they are gathered, and it is told to close
    assert gathering.wait(30)
    submit(4)
    closing = threading.Thread(target=appender.close)
    closing.start()
    go_on.set()

    # Then: all of it is one commit
    for _ in range(7):
        assert stored.acquire(timeout=30)
    assert sizes == [1, 6]
    assert all(isinstance(outcome, Stored) for outcome in outcomes)
    closing.join()


def test_who_waits_for_answers_is_no_reason_to_gather(
    core: Core, make: Make, user_in: Callable[[int], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given: two who are committed together, behind somebody else
    monkeypatch.setattr(models.appender, "GATHER_S", 3600.0)
    naps: list[float] = []
    monkeypatch.setattr(models.appender, "sleep", naps.append)
    sizes: list[int] = []
    first, release = threading.Event(), threading.Event()

    def screen(drafts: Sequence[Draft]) -> list[Outcome | None]:
        first.set()
        assert release.wait(30)
        sizes.append(len(drafts))
        return [None] * len(drafts)

    chat, appender = Chat(core), make(screen)
    receiver = user_in(1)
    appender.submit(chat.draft(user_in(0), receiver, "first"), lambda outcome: None)
    assert first.wait(30)
    left = dict.fromkeys((user_in(0), user_in(0)), 5)
    finished = threading.Semaphore(0)

    def send(user: str) -> None:
        appender.submit(chat.draft(user, receiver, str(left[user])), lambda _: answered(user))

    def answered(user: str) -> None:
        left[user] -= 1
        if left[user]:
            send(user)
        else:
            finished.release()

    # When: each sends on as soon as it is answered
    for user in left:
        send(user)
    release.set()
    for _ in left:
        assert finished.acquire(timeout=30)

    # Then: it was for the first one's sake that others gathered
    appender.close()
    assert sizes == [1, 2, 2, 2, 2, 2]
    assert len(naps) == 1


def test_a_lone_send_waits_for_nobody(
    core: Core, make: Make, user_in: Callable[[int], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given
    monkeypatch.setattr(models.appender, "GATHER_S", 3600.0)
    chat, appender = Chat(core), make(everyone)
    sender, receiver = user_in(0), user_in(1)

    # Then: one after the other, however soon
    for n in range(5):
        assert isinstance(ask(appender, chat.draft(sender, receiver, str(n))), Stored)
    appender.close()
