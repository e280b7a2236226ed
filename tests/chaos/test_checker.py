"""The checker finds nothing in a sound platform, and notices each promise that is taken away."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from chaos.bed import Bed
from chaos.faults import FAULTS
from chaos.faults.base import Fault
from chaos.load import Load
from chaos.run import Run
from dev.clients.wait import wait_until
from dev.environment import commands
from models import keys
from tests.chaos import sabotage

pytestmark = [pytest.mark.chaos, pytest.mark.slow]

PROCESSES = ("usercenter", "web", "web.2", "worker", "beat")
CONVERGE_S = 8.0
INSTEAD = {
    "web": commands()["web"].replace("web.wsgi:app", "tests.chaos.web:app"),
    "worker": commands()["worker"].replace("tasks.app", "tests.chaos.worker"),
}


@contextmanager
def running(root: Path, broken: str = "") -> Iterator[Run]:
    """A small platform under load, with one promise taken away."""
    env = {"IM_SABOTAGE": broken}
    with Bed(root, env=env, instead=INSTEAD, processes=PROCESSES, servers=1) as bed:
        if broken == "dedupe":
            sabotage.drop_dedupe(bed)
        with Load(bed, 1, users=8, groups=2, pace_s=0.02) as load:
            yield Run(bed, load, 1, print)


def fault(name: str) -> Fault:
    return next(fault for fault in FAULTS if fault.name == name)


def lose_all_wake_ups(run: Run) -> None:
    """The last sends meet no worker, and Redis forgets that there is something to do."""
    with run.bed.without("worker"):
        run.bed.platform.kill("worker")
        run.load.wait_acks(30)
        run.load.rest()
        wait_until(lambda: all(actor.at_rest.is_set() for actor in run.load.actors))
        run.bed.redis.flush()


def is_in_between(run: Run) -> bool:
    """Whether a row is counted in the caches of somebody who never reads, and not yet delivered."""
    store = run.bed.store
    with run.bed.redis_client() as client:
        for actor in run.load.actors:
            home = store.shard_of(actor.user)
            shown = int(client.get(keys.latest(actor.user)) or 0)
            ((count,),) = store.query(
                home.database,
                f"SELECT COUNT(*) FROM {home.database}.{home.table} m"
                f" JOIN {home.database}.shard_delivered d ON d.shard = {home.number}"
                f" WHERE m.receiver = '{actor.user}' AND m.version > d.version"
                f" AND m.version <= {shown}",
            )
            if count and not actor.reads:
                return True
    return False


def die_delivering(run: Run) -> None:
    """The worker dies in a delivery; the next one need not wait for what it had locked."""
    platform = run.bed.platform

    def frozen_in_between() -> bool:
        platform.pause("worker")
        if is_in_between(run):
            return True
        platform.resume("worker")
        return False

    wait_until(lambda: not is_in_between(run), what="the repair of the last time")
    with run.bed.without("worker"):
        wait_until(frozen_in_between, what="a delivery")
        platform.kill("worker")
        with run.bed.redis_client() as client:
            client.delete("listener", *client.scan_iter(match="lock:*"))


def found(run: Run, *checks: str) -> list[str]:
    """The violations that these checks found."""
    return [v for v in run.result.violations if v.startswith(checks)]


def test_a_sound_platform_passes(tmp_path: Path) -> None:
    # Given: the same load and faults as below
    with running(tmp_path / "bed") as run:
        run.load.wait_acks(150)
        run.inject(fault("kill -9 worker"))
        run.inject(fault("slow readers"))
        lose_all_wake_ups(run)
        # When
        run.settle()
        # Then
        assert not run.result.violations
        assert not [fault.skipped for fault in run.result.faults if fault.skipped]
        assert run.result.acked > 150


def test_without_dedupe_a_resend_makes_a_second_row(tmp_path: Path) -> None:
    # Given
    with running(tmp_path / "bed", "dedupe") as run:
        run.load.wait_acks(200)
        # When
        run.settle(CONVERGE_S)
        # Then
        assert found(run, "acknowledged_is_stored_once")
        assert found(run, "nothing_else_is_stored")
        assert found(run, "resends_get_the_first_answer")


def test_without_the_sweep_lost_wake_ups_are_never_delivered(tmp_path: Path) -> None:
    # Given
    with running(tmp_path / "bed", "sweep") as run:
        run.load.wait_acks(50)
        lose_all_wake_ups(run)
        # When
        run.settle(CONVERGE_S)
        # Then
        assert any("delivered up to" in violation for violation in run.result.violations)
        assert found(run, "acknowledged_is_stored_once")


def test_with_versions_from_outside_the_transaction_readers_miss_rows(tmp_path: Path) -> None:
    # Given
    with running(tmp_path / "bed", "version") as run:
        run.load.wait_acks(300)
        # When
        run.settle(CONVERGE_S)
        # Then
        assert found(run, "readers_missed_nothing")


def test_without_the_replay_guard_messages_are_counted_twice(tmp_path: Path) -> None:
    # Given: deliveries that die between the caches and their position
    with running(tmp_path / "bed", "replay") as run:
        for _ in range(5):
            run.load.wait_acks(100)
            die_delivering(run)
        # When
        run.settle(2 * CONVERGE_S)
        # Then
        assert found(run, "caches")
        assert found(run, "contact_lists")
