"""What `make chaos` makes of complaints, runs that break off, ends of processes and notes."""

import json
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pymysql
import pytest

import chaos.__main__
import chaos.load
import chaos.run
from chaos.__main__ import again
from chaos.background import Background
from chaos.bed import Bed, Death
from chaos.bridge import Bridge
from chaos.checker.entitled import complaints
from chaos.client import Client
from chaos.evidence import Evidence
from chaos.faults import mysql, tasks
from chaos.faults.base import Fault, Scene, Skipped
from chaos.load import Load
from chaos.run import Injected, Result, Run
from dev.clients.device import Device
from dev.clients.mars import MarsClient, pack
from dev.clients.wait import Unanswered, wait_until
from dev.clients.wire import Refused
from proto import im_pb2
from tests.support.chaosevidence import sound


@pytest.fixture
def evidence() -> Evidence:
    return sound()


# ---------------------------------------------------------------- what clients check


class Spoiled:
    """A connection whose first answer is an error of this kind."""

    def __init__(self, error: Exception) -> None:
        self.errors = [error]
        self.pushes: list[Any] = []

    def call(self, request: Any, timeout_s: float) -> Any:
        if self.errors:
            raise self.errors.pop()
        return im_pb2.PingResponse()

    def close(self) -> None:
        pass


def wrong_version() -> Exception:
    """What a Mars client says of a frame that echoes another version."""
    client = MarsClient.__new__(MarsClient)
    client.client_version = 200
    client._data = pack(6, 1, b"", version=7)
    with pytest.raises(AssertionError) as caught:
        client._cut()
    return caught.value


@pytest.mark.parametrize(
    ("error", "complained"),
    [(wrong_version(), 1), (Unanswered("late"), 0), (OSError("gone"), 0)],
)
def test_wrong_bytes_are_complained_of_and_a_lost_connection_is_not(
    evidence: Evidence, error: Exception, complained: int
) -> None:
    # Given
    client = Client("ann", lambda _: cast(Device, device), random.Random(1))
    device = Spoiled(error)
    # When
    client.call(im_pb2.PingRequest())
    # Then: it came back, and what it saw becomes a violation
    assert client.record.connections == 2
    evidence.people["ann"].record.complaints = client.record.complaints
    assert len(complaints(evidence)) == complained


def test_a_login_refused_as_none_may_be_is_complained_of(evidence: Evidence) -> None:
    refusals: list[Exception] = [Refused("INTERNAL", "?"), Refused("UNAVAILABLE", "not now")]

    def connect(since: int) -> Device:
        if refusals:
            raise refusals.pop()
        return cast(Device, SimpleNamespace(pushes=[], call=lambda *_: im_pb2.PingResponse()))

    client = Client("ann", connect, random.Random(1))
    client.call(im_pb2.PingRequest())
    evidence.people["ann"].record.asked = client.record.asked
    assert complaints(evidence) == ["AuthRequest was answered INTERNAL, 1 times"]


# ---------------------------------------------------------------- a run that breaks off


def test_a_run_that_breaks_off_leaves_a_result_of_its_own(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # Given: an older result, and a bed that does not start
    path = tmp_path / "var" / "chaos.json"
    path.parent.mkdir()
    path.write_text('{"violations": []}')

    def fail(*_: Any, **__: Any) -> Bed:
        raise OSError("no room")

    monkeypatch.setattr(chaos.run, "Bed", fail)
    monkeypatch.setattr(chaos.__main__, "ROOT", tmp_path)
    # When
    code = chaos.__main__.main()
    # Then
    assert code == 1
    (violation,) = json.loads(path.read_text())["violations"]
    assert "no room" in violation


class Sick:
    """A bed whose servers do not come back."""

    deaths: tuple[()] = ()
    background: tuple[()] = ()
    bridge = SimpleNamespace(carried=0)

    def raise_servers(self) -> list[str]:
        raise OSError("the disk is broken")


def test_a_failed_healing_is_a_violation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chaos.run, "WARM_UP_S", 0)
    one = a_run(Sick())
    one.whole([Fault("a fault", nothing, (0, 0))], 0)
    assert "the disk is broken" in one.result.violations[0]


@contextmanager
def nothing(scene: Scene) -> Iterator[str]:
    yield ""
    scene.outcome.append("did nothing")


def a_run(bed: Any) -> Run:
    load = SimpleNamespace(acked=0, ops=[], actors=[], background=[])
    return Run(cast(Bed, bed), cast(Load, load), 1, lambda _: None)


def test_a_thread_that_ends_too_early_is_a_violation() -> None:
    # Given: a bridge that meets what it does not understand
    class Bewildered(Background):
        def _run(self) -> None:
            raise KeyError("properties")

    thread = Bewildered()
    with thread:
        wait_until(lambda: thread.failure)
    bed = SimpleNamespace(background=[thread], deaths=[], bridge=SimpleNamespace(carried=0))
    one = a_run(bed)
    # When
    one._count()
    # Then
    assert one.result.violations == ["Bewildered ended too early: KeyError('properties')"]


class Hurt:
    """Two databases of a shard each: what `shard_log` and `shard_delivered` say, and who waits."""

    names = ("im_0", "im_1")

    def __init__(self, *delivered: int) -> None:
        self.delivered = iter(delivered)
        self.waiting: list[tuple[int, int]] = []

    def query(self, database: str, statement: str) -> Any:
        shard = int(database[-1])
        if "copy_waiting" in statement:
            return self.waiting
        if "shard_delivered" in statement:
            return [(shard, 8, 7 if shard else next(self.delivered))]
        return [(shard, 7)]


def recovering(store: Any, monkeypatch: pytest.MonkeyPatch, answered: bool = True) -> Run:
    """A run that has looked for 60 s, of a clock that goes on by 10 s a look, at its recovery."""
    clock = iter(range(0, 10_000, 10))
    ticks = SimpleNamespace(monotonic=lambda: next(clock), sleep=lambda seconds: None)
    monkeypatch.setattr(chaos.run, "time", ticks)
    client = SimpleNamespace(answered=0)
    actors = [
        SimpleNamespace(user="ann", client=client, failure=None),
        SimpleNamespace(user="dead", client=SimpleNamespace(answered=0), failure=OSError()),
    ]
    load = SimpleNamespace(acked=0, ops=[], actors=actors)
    one = Run(cast(Bed, SimpleNamespace(store=store)), cast(Load, load), 1, lambda _: None)
    mark = chaos.run.mark

    def marked(*args: Any) -> Any:
        made = mark(*args)
        client.answered += answered
        return made

    monkeypatch.setattr(chaos.run, "mark", marked)
    one.recover(Injected("a fault", 0))
    return one


def test_a_platform_that_recovers_in_time_is_well(monkeypatch: pytest.MonkeyPatch) -> None:
    assert recovering(Hurt(3, 6, 7), monkeypatch).result.violations == []


def test_what_was_stored_must_be_delivered_soon_after_a_fault(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one = recovering(Hurt(*[6] * 100), monkeypatch)
    assert one.result.violations == [
        "not within 60 s of a fault: shard 0 delivered up to 7, it is at 6"
    ]


def test_everybody_must_be_answered_soon_after_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    one = recovering(Hurt(*[7] * 100), monkeypatch, answered=False)
    assert one.result.violations == ["not within 60 s of a fault: ann is answered"]


def test_copies_must_not_wait_for_long_after_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    store = Hurt(*[7] * 100)
    store.waiting = [(0, 7)]
    one = recovering(store, monkeypatch)
    assert "not within 60 s of a fault: shard 0 copied, rows of it wait" in one.result.violations


def test_what_came_after_the_fault_may_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    store = Hurt(*[7] * 100)
    store.waiting = [(0, 8)]
    assert recovering(store, monkeypatch).result.violations == []


def test_a_database_must_answer_soon_after_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    class Away(Hurt):
        def query(self, database: str, statement: str) -> Any:
            raise pymysql.OperationalError(2003, "nobody there")

    one = recovering(Away(), monkeypatch)
    (violation,) = one.result.violations
    assert violation.startswith("not within 60 s of a fault: a database answers (")


def test_tokens_are_renewed_before_they_end(monkeypatch: pytest.MonkeyPatch) -> None:
    # Given
    made = count(1)
    load = Load.__new__(Load)
    load.bed = cast(Bed, SimpleNamespace(tokens=lambda users: {"ann": f"token {next(made)}"}))
    load.users, load._renewing = ["ann"], threading.Lock()
    load._tokens, load._renewed = {}, float("-inf")
    now = 0.0
    monkeypatch.setattr(chaos.load, "time", SimpleNamespace(monotonic=lambda: now))
    # When, then
    assert [load.token("ann"), load.token("ann")] == ["token 1", "token 1"]
    now = 1801.0
    assert load.token("ann") == "token 2"


def test_the_command_that_repeats_a_run_names_its_faults() -> None:
    result = Result(7, asked_s=60.0, only=["kill -9", "redis"])
    assert again(result) == "  ONLY='kill -9,redis' make chaos SEED=7 DURATION_S=60"
    assert again(Result(7, asked_s=240.0)) == "  make chaos SEED=7 DURATION_S=240"


@pytest.mark.parametrize("broken", [True, False])
def test_logs_are_kept_when_something_was_found(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, broken: bool
) -> None:
    # Given: logs of an earlier run, and a bed whose processes write one
    kept = tmp_path / "chaos-logs"
    kept.mkdir()
    (kept / "old.log").touch()

    def bed(root: Path, *, seed: int, logs: Path) -> Any:
        logs.mkdir()
        (logs / "web.log").touch()
        if broken:
            raise OSError("a process does not start")
        return nullcontext()

    monkeypatch.setattr(chaos.run, "Bed", bed)
    monkeypatch.setattr(chaos.run, "Load", lambda bed, seed: nullcontext())
    whole = SimpleNamespace(result=Result(1), whole=lambda faults, duration_s: None)
    monkeypatch.setattr(chaos.run, "Run", lambda *args: whole)
    # When
    chaos.run.run(tmp_path / "bed", 1, 0, [], lambda text: None)
    # Then
    assert [path.name for path in tmp_path.rglob("*.log")] == ["web.log"] * broken


def test_what_is_known_in_the_end_is_in_the_note() -> None:
    one = a_run(SimpleNamespace(raise_servers=list))
    one.inject(Fault("a fault", nothing, (0, 0)))
    assert one.result.faults[0].note == "did nothing"


# ---------------------------------------------------------------- who ends by themselves


@pytest.mark.parametrize(
    ("name", "old_s", "stores", "later_s", "violations"),
    [
        ("web", 2.0, True, 0.0, 0),
        ("web", 2.0, False, 0.0, 1),
        ("web", 60.0, True, 0.0, 1),
        ("worker.2", 60.0, True, 0.0, 0),
        ("worker.2", 60.0, False, 0.0, 1),
        ("worker.2", 60.0, True, 20.0, 1),
    ],
)
def test_who_ends_by_themselves_is_a_violation(
    name: str, old_s: float, stores: bool, later_s: float, violations: int
) -> None:
    # Given: a process that ended while a fault was under way
    bed = SimpleNamespace(
        raise_servers=list,
        deaths=[],
        background=[],
        bridge=SimpleNamespace(carried=0),
        processes=(),
    )
    one = a_run(bed)

    @contextmanager
    def dying(scene: Scene) -> Iterator[str]:
        yield ""
        now = time.monotonic() + later_s
        bed.deaths.append(Death(name, 3, now - old_s, now))

    one.inject(Fault("a fault", dying, (0, 0), stores=stores))
    # When
    one._count()
    # Then: excused is only who was starting and found no store, and Celery whose broker failed; all
    # are told
    assert len(one.result.violations) == violations
    assert len(one.result.ended) == 1


def test_the_bed_tells_who_was_taken_down_from_who_ended() -> None:
    # Given: nobody runs; `web` was taken down
    bed = Bed.__new__(Bed)  # without servers of its own
    bed.processes, bed.deaths = ("web", "worker"), []
    bed._lock, bed._down = threading.RLock(), set()
    running: set[str] = set()
    bed.platform = cast(
        Any,
        SimpleNamespace(alive=running.__contains__, launch=running.add, returncode=lambda name: 3),
    )
    bed._launched = {"web": 1.0, "worker": 1.0}
    with bed.without("web"):
        # When the supervisor looks
        bed.revive()
        # Then
        assert running == {"worker"}
    assert running == {"web", "worker"}
    assert [(death.name, death.code) for death in bed.deaths] == [("worker", 3)]


# ---------------------------------------------------------------- notes of faults


def test_the_task_fault_tells_what_it_did() -> None:
    # Given
    bridge = Bridge(1, 1, 2, 1)
    given: list[bytes] = []
    target = cast(Any, SimpleNamespace(lpush=lambda queue, task: given.append(task)))
    scene = Scene(cast(Bed, SimpleNamespace(bridge=bridge)), cast(Load, None), random.Random(1))
    # When
    bridge._take("deliver", a_task("old"))
    with tasks.juggled(scene):
        for number in range(10):
            bridge._take("deliver", a_task(f"{number}"))
        bridge._held = [(0.0, *held[1:]) for held in reversed(bridge._held)]
        bridge._give(target)
    # Then
    assert len(given) == 22
    assert scene.outcome == ["10 tasks doubled, 21 copies late, 0 overtaken, 0 of workers doubled"]


def test_a_task_fault_without_tasks_is_no_fault() -> None:
    bed = SimpleNamespace(bridge=Bridge(1, 1, 2, 1))
    scene = Scene(cast(Bed, bed), cast(Load, None), random.Random(1))
    with pytest.raises(Skipped, match="no tasks"), tasks.juggled(scene):
        pass


def test_only_the_last_tags_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chaos.bridge.KNOWN_MAX", 3)
    bridge = Bridge(1, 1, 2, 1)
    for number in range(5):
        bridge._take("deliver", a_task(f"{number}"))
    assert [*bridge._known] == ["2", "3", "4"]


def a_task(tag: str) -> bytes:
    return json.dumps({"properties": {"delivery_tag": tag}}).encode()


def test_tasks_that_are_overtaken_are_counted() -> None:
    bridge = Bridge(1, 1, 2, 1)
    bridge._held = [(2.0, "deliver", 1, b"first"), (1.0, "deliver", 2, b"second")]
    bridge._give(cast(Any, SimpleNamespace(lpush=lambda queue, task: None)))
    assert bridge.tally()["overtaken"] == 1


def test_a_killed_server_tells_what_it_was_killed_in(monkeypatch: pytest.MonkeyPatch) -> None:
    # Given: a server that has an open transaction once, and clients that are never answered
    opened = iter([True, False])
    monkeypatch.setattr(mysql, "_wait_open", lambda servers: next(opened))
    server = SimpleNamespace(kill=lambda: None, start=lambda: None)
    load = SimpleNamespace(wait_acks=lambda more, timeout_s: False)
    scene = Scene(cast(Bed, SimpleNamespace(mariadbs=[server])), cast(Load, load), random.Random(1))
    # When
    with mysql.killed(scene) as note:
        # Then
        assert note.startswith("1: open transactions, fewer than 5 acks after kill 1, 2: no")
