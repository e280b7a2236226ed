"""Who may come in: counts of connections, and logins by a clock we turn ourselves."""

import time
from contextlib import ExitStack
from types import SimpleNamespace
from typing import Any

import gevent
import pytest
from prometheus_client import CollectorRegistry, Counter

from models.errors import Code, IMError
from web import admission as admission_module
from web.admission import AT_ONCE, LOGINS_WAITING_MAX, POLLS_AT_ONCE, Admission


class Clock:
    """The monotonic clock."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(time, "monotonic", made)
    return made


@pytest.fixture
def refusals() -> Counter:
    return Counter("refused", "Refused.", ["why"], registry=CollectorRegistry())


def make(refusals: Counter, **settings: Any) -> Admission:
    fields = {"connections_max": 10, "connections_per_ip_max": 3, "admissions_per_s": 5.0}
    chosen: Any = SimpleNamespace(**{**fields, **settings})
    metrics: Any = SimpleNamespace(refused=refusals)
    return Admission(chosen, metrics)


def count(refusals: Counter, why: str) -> float:
    return float(refusals.labels(why)._value.get())


def refused(call: Any, *args: Any) -> IMError:
    with pytest.raises(IMError) as caught:
        call(*args)
    assert caught.value.retryable
    assert caught.value.retry_after_ms > 0
    return caught.value


def logged_in(admission: Admission, tries: int) -> int:
    """How many of so many logins pass."""
    passed = 0
    for _ in range(tries):
        try:
            log_in(admission)
        except IMError:
            continue
        passed += 1
    return passed


def log_in(admission: Admission) -> None:
    """One login, over at once."""
    with admission.login():
        pass


class TestConnections:
    def test_one_address_has_its_share(self, refusals: Counter) -> None:
        admission = make(refusals)
        for _ in range(3):
            admission.enter("10.0.0.1")
        assert refused(admission.enter, "10.0.0.1").code is Code.RATE_LIMITED
        assert count(refusals, "address") == 1
        admission.enter("10.0.0.2")

    def test_who_leaves_makes_room_for_one(self, refusals: Counter) -> None:
        admission = make(refusals, connections_per_ip_max=1)
        for _ in range(3):
            admission.enter("10.0.0.1")
            refused(admission.enter, "10.0.0.1")
            admission.leave("10.0.0.1")

    def test_the_process_is_full(self, refusals: Counter) -> None:
        admission = make(refusals, connections_max=2)
        admission.enter("10.0.0.1")
        admission.enter("10.0.0.2")
        assert refused(admission.enter, "10.0.0.3").code is Code.OVERLOADED
        assert count(refusals, "connections") == 1
        admission.leave("10.0.0.1")
        admission.enter("10.0.0.3")

    def test_a_refusal_counts_nothing_in(self, refusals: Counter) -> None:
        admission = make(refusals, connections_max=2, connections_per_ip_max=1)
        admission.enter("10.0.0.1")
        for _ in range(5):
            refused(admission.enter, "10.0.0.1")
        admission.enter("10.0.0.2")

    def test_a_stopping_process_takes_nobody(self, refusals: Counter) -> None:
        admission = make(refusals)
        admission.enter("10.0.0.1")
        admission.closing = True
        assert refused(admission.enter, "10.0.0.2").code is Code.OVERLOADED
        assert count(refusals, "closing") == 1
        admission.leave("10.0.0.1")

    def test_addresses_that_left_are_forgotten(self, refusals: Counter) -> None:
        admission = make(refusals)
        for n in range(100):
            admission.enter(f"10.0.0.{n}")
            admission.leave(f"10.0.0.{n}")
        assert not admission._by_ip


@pytest.mark.usefixtures("clock")
class TestLogins:
    def test_a_seconds_worth_at_once(self, refusals: Counter) -> None:
        admission = make(refusals)
        assert logged_in(admission, 20) == 5
        assert count(refusals, "logins") == 15

    def test_then_so_many_each_second(self, refusals: Counter, clock: Clock) -> None:
        admission = make(refusals)
        logged_in(admission, 20)
        clock.now += 1
        assert logged_in(admission, 20) == 5
        passed = 0
        for _ in range(16):  # over two seconds
            clock.now += 0.125
            passed += logged_in(admission, 3)
        assert passed == 10

    def test_a_quiet_hour_saves_up_one_second(self, refusals: Counter, clock: Clock) -> None:
        admission = make(refusals)
        clock.now += 3600
        assert logged_in(admission, 20) == 5

    @pytest.mark.parametrize("rate", [0.1, 0.5, 1.0])
    def test_a_rate_below_one_lets_somebody_in(
        self, refusals: Counter, clock: Clock, rate: float
    ) -> None:
        admission = make(refusals, admissions_per_s=rate)
        assert logged_in(admission, 5) == 1
        clock.now += 1 / rate + 0.001
        assert logged_in(admission, 5) == 1

    def test_a_herd_is_spread_over_the_time_it_needs(self, refusals: Counter, clock: Clock) -> None:
        admission = make(refusals, admissions_per_s=10.0)
        logged_in(admission, 10)
        waits = [refused(log_in, admission).retry_after_ms for _ in range(1000)]
        assert all(200 <= wait <= 100_000 for wait in waits)
        assert max(waits) > 60_000, "1,000 at 10 a second are in after 100 seconds"
        assert refused(log_in, admission).code is Code.OVERLOADED

        # Then: as their turns come the queue shortens, and those who come later wait less
        clock.now += 99.0
        logged_in(admission, 10)
        waits = [refused(log_in, admission).retry_after_ms for _ in range(10)]
        assert max(waits) < 10_000

    def test_only_so_many_are_under_way(
        self, refusals: Counter, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # Given: as many as may be, none of them over, and nobody may wait
        monkeypatch.setattr(admission_module, "LOGINS_WAITING_MAX", 1)
        admission = make(refusals, admissions_per_s=1000.0)
        with ExitStack() as under_way:
            for _ in range(AT_ONCE):
                under_way.enter_context(admission.login())
            waiting = gevent.spawn(log_in, admission)
            gevent.sleep(0)
            # Then: one may wait for them, the next comes later
            assert not waiting.ready()
            assert refused(log_in, admission).code is Code.OVERLOADED
        # Then: room for all of them again, whether they succeeded or not
        waiting.get(timeout=5)
        assert logged_in(admission, AT_ONCE) == AT_ONCE


@pytest.mark.usefixtures("clock")
class TestPolls:
    def test_no_rate_counts_them(self, refusals: Counter) -> None:
        admission = make(refusals)
        for _ in range(20):
            begin(admission)
        assert logged_in(admission, 20) == 5, "nor do they use up the logins'"

    def test_they_take_turns_with_logins(self, refusals: Counter) -> None:
        # Given: as many logins as may be, none of them over
        admission = make(refusals, admissions_per_s=1000.0)
        with ExitStack() as under_way:
            for _ in range(AT_ONCE):
                under_way.enter_context(admission.login())
            waiting = [gevent.spawn(begin, admission) for _ in range(LOGINS_WAITING_MAX + 1)]
            gevent.sleep(0)
            # Then: polls wait, any number of them, and a login may wait as well
            assert not any(poll.ready() for poll in waiting)
            login = gevent.spawn(log_in, admission)
            gevent.sleep(0)
            assert not login.ready()
            assert count(refusals, "logins") == 0
        login.get(timeout=5)
        for poll in waiting:
            poll.get(timeout=5)

    def test_a_line_of_polls_leaves_logins_their_room(self, refusals: Counter) -> None:
        # Given: polls that do not end, and many that wait
        admission = make(refusals, admissions_per_s=1000.0)
        with ExitStack() as under_way:
            for _ in range(POLLS_AT_ONCE):
                under_way.enter_context(admission.poll(5))
            waiting = [gevent.spawn(begin, admission) for _ in range(10 * AT_ONCE)]
            gevent.sleep(0)
            # Then: logins pass them
            assert logged_in(admission, 10 * AT_ONCE) == 10 * AT_ONCE
            assert not any(poll.ready() for poll in waiting)
        for poll in waiting:
            poll.get(timeout=5)

    def test_whose_turn_does_not_come_in_time_comes_again(self, refusals: Counter) -> None:
        admission = make(refusals)
        with ExitStack() as under_way:
            for _ in range(POLLS_AT_ONCE):
                under_way.enter_context(admission.poll(0))
            assert refused(begin, admission, 0).code is Code.OVERLOADED
            assert count(refusals, "polls") == 1
        for _ in range(AT_ONCE):
            begin(admission)


def begin(admission: Admission, patience_s: float = 5) -> None:
    """One poll, begun at once."""
    with admission.poll(patience_s):
        pass
