"""The checks of `make chaos` that need no platform to fail: on evidence made up for it."""

import dataclasses
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from types import SimpleNamespace
from typing import Any, cast

import pytest

from chaos.bed import Bed
from chaos.checker import check, pushes, stored, tested, views, windows
from chaos.checker.entitled import complaints
from chaos.client import Client
from chaos.converge import converge
from chaos.evidence import Evidence
from chaos.faults import paused_worker
from chaos.faults.base import Fault, Scene, Skipped
from chaos.load import Load
from chaos.record import Op
from chaos.run import Run
from dev.clients.device import Device
from dev.store import bucket_of
from models.errors import Code
from proto import im_pb2
from tests.support.chaosevidence import HOMES, ROWS, done, replace, row, sent, sound


@pytest.fixture
def evidence() -> Evidence:
    return sound()


def push_to_bob(evidence: Evidence) -> im_pb2.MessagesPush:
    return evidence.people["bob"].record.pushed[0][1]


def test_sound_evidence_passes_every_check(evidence: Evidence) -> None:
    assert check(evidence) == []


# ---------------------------------------------------------------- whether anything was tested


def test_a_check_that_breaks_off_is_a_violation_and_ends_no_other(
    monkeypatch: pytest.MonkeyPatch, evidence: Evidence
) -> None:
    def broken(evidence: Evidence) -> list[str]:
        raise KeyError("what no evidence has")

    def late(evidence: Evidence) -> list[str]:
        return ["found"]

    monkeypatch.setattr("chaos.checker.CHECKS", (broken, late))
    assert check(evidence) == ["broken: broke off: KeyError('what no evidence has')", "late: found"]


def test_a_run_without_acks_or_pushes_tested_nothing(evidence: Evidence) -> None:
    # Given: nothing was acknowledged, and nothing pushed
    evidence.people["ann"].record.ops.clear()
    evidence.people["bob"].record.pushed.clear()
    # When it is checked, then each is a violation
    assert len(tested.something_was_tested(evidence)) == 3


@pytest.mark.parametrize(("left", "missing"), [(0, "a mailbox"), (1, "a group")])
def test_both_kinds_of_pushes_must_come(evidence: Evidence, left: int, missing: str) -> None:
    record = evidence.people["bob"].record
    record.pushed = [record.pushed[left]]
    assert tested.something_was_tested(evidence) == [f"no message of {missing} was pushed"]


def test_in_a_long_run_all_that_is_checked_must_happen(
    monkeypatch: pytest.MonkeyPatch, evidence: Evidence
) -> None:
    # Given: a run that counts as long, in which nothing but sends was acknowledged
    monkeypatch.setattr(tested, "ENOUGH", 3)
    lacking = {
        "no resend was acknowledged",
        "nothing was recalled",
        "nothing was read",
        "nobody was removed from a group",
        "no send was refused because of a block",
        "no contact list was in Redis",
    }
    assert {*tested.something_was_tested(evidence)} == lacking
    # When each of them happens
    ops = evidence.people["ann"].record.ops
    first = ops[0]
    ops += [
        first,
        done("ann", im_pb2.RecallRequest()),
        done("ann", im_pb2.ReadRequest()),
        done("ann", im_pb2.GroupRemoveRequest()),
        Op("ann", im_pb2.SendRequest(sequence="ann/9"), 1, answers=[(2, "BLOCKED")]),
    ]
    evidence.redis[0]["contacts:{ann}"] = {}
    # Then
    evidence = dataclasses.replace(evidence)  # which knows nothing by heart
    assert tested.something_was_tested(evidence) == []
    # When groups are not in Redis
    for dump in evidence.redis:
        dump.pop("group-rows:{g}", None)
    # Then
    assert tested.something_was_tested(evidence) == ["no group was in Redis"]


class Standing:
    """A bed on which nothing runs, so that only faults count."""

    processes = ("worker",)

    def __init__(self) -> None:
        self.mended = 0

    def mend(self) -> None:
        self.mended += 1

    def raise_servers(self) -> list[str]:
        return []


def fault(broken_when: str) -> Fault:
    @contextmanager
    def inject(scene: Scene) -> Iterator[str]:
        if broken_when == "entering":
            raise OSError("nobody there")
        yield "broken"
        raise OSError("nobody there")

    return Fault("a fault", inject, (0, 0))


@pytest.mark.parametrize(("broken_when", "violations"), [("entering", 1), ("leaving", 0)])
def test_a_fault_that_was_not_injected_is_a_violation(broken_when: str, violations: int) -> None:
    # Given
    bed, load = Standing(), SimpleNamespace(acked=0)
    one = Run(cast(Bed, bed), cast(Load, load), 1, lambda _: None)
    # When
    one.inject(fault(broken_when))
    # Then: what failed to heal is made good, what was never broken is told
    assert len(one.result.violations) == violations
    assert "broke off" in one.result.faults[0].note
    assert bed.mended == 1


def test_a_worker_that_never_holds_a_lock_is_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    # Given: a Redis without locks
    locks = SimpleNamespace(scan_iter=lambda match: [])
    platform = SimpleNamespace(pause=lambda name: None, resume=lambda name: None)
    bed = SimpleNamespace(
        processes=["worker"], platform=platform, redis_client=lambda: nullcontext(locks)
    )
    monkeypatch.setattr(paused_worker, "time", SimpleNamespace(sleep=lambda seconds: None))
    scene = Scene(cast(Bed, bed), cast(Load, None), random.Random(1))
    # When, then
    with pytest.raises(Skipped, match="held a lock"), paused_worker.paused(scene):
        pass


@pytest.mark.parametrize(
    ("left_ms", "held"),
    [
        ([4600, 2000], 1),  # renewed just before, and not since
        ([4600, 4600], 0),  # renewed since, by a worker that runs
        ([3500, 900], 0),  # of a worker that had died before
        ([4600, -2], 0),  # gone
    ],
)
def test_a_worker_held_the_locks_that_nobody_renews_any_more(
    monkeypatch: pytest.MonkeyPatch, left_ms: list[int], held: int
) -> None:
    # Given: what the lock has left when the worker is paused, and later, each time
    said = iter(left_ms * paused_worker.TRIES)
    locks = SimpleNamespace(scan_iter=lambda match: [b"lock"], pttl=lambda key: next(said))
    platform = SimpleNamespace(pause=lambda name: None, resume=lambda name: None)
    bed = SimpleNamespace(
        processes=["worker"], platform=platform, redis_client=lambda: nullcontext(locks)
    )
    monkeypatch.setattr(paused_worker, "time", SimpleNamespace(sleep=lambda seconds: None))
    scene = Scene(cast(Bed, bed), cast(Load, None), random.Random(1))
    # When, then
    with (
        nullcontext() if held else pytest.raises(Skipped),
        paused_worker.paused(scene) as note,
    ):
        assert note == "worker, which held 1 locks"


def test_rest_that_comes_too_late_is_a_violation() -> None:
    # Given: a platform at rest, healed two seconds ago
    store = SimpleNamespace(names=[], shards=list)
    bed, load = SimpleNamespace(store=store), SimpleNamespace(actors=[], rest=lambda: None)
    healed = time.monotonic() - 2
    # When it had one second, or three
    late = converge(cast(Bed, bed), cast(Load, load), 1, healed)
    in_time = converge(cast(Bed, bed), cast(Load, load), 30, healed)
    # Then
    assert len(late) == 1
    assert in_time == []


# ---------------------------------------------------------------- groups


def test_messages_of_one_sender_out_of_order_are_found(evidence: Evidence) -> None:
    # Given: the two ends of ann's messages have changed places
    replace(evidence, ROWS[1], sequence="ann/3")
    replace(evidence, ROWS[3], sequence="ann/1")
    # When
    problems = views.group_views_equal_groups(evidence)
    # Then
    assert "g: ann/3 lies before ann/2" in problems


def test_who_gave_up_may_see_it_stored_late(evidence: Evidence) -> None:
    replace(evidence, ROWS[1], sequence="ann/9")
    given_up = sent("ann/9", im_pb2.SendResponse())
    given_up.answer = None
    evidence.people["ann"].record.ops.append(given_up)
    assert not [p for p in views.group_views_equal_groups(evidence) if "lies before" in p]


def test_a_push_that_lacks_a_message_is_found(evidence: Evidence) -> None:
    del push_to_bob(evidence).messages[1]
    assert pushes.group_pushes_lack_nothing(evidence) == [
        f"bob was pushed g behind 1: lacks {ROWS[2].id} at 5"
    ]


def test_a_push_that_begins_too_early_lacks_what_is_between(evidence: Evidence) -> None:
    push = push_to_bob(evidence)
    del push.messages[0]
    assert pushes.group_pushes_lack_nothing(evidence)
    push.previous = 2
    assert not pushes.group_pushes_lack_nothing(evidence)


def test_a_push_of_what_is_not_in_the_log_is_found(evidence: Evidence) -> None:
    push_to_bob(evidence).messages[1].version = 4
    assert "not in the log" in pushes.group_pushes_lack_nothing(evidence)[0]


def test_a_push_in_another_order_is_found(evidence: Evidence) -> None:
    push = push_to_bob(evidence)
    push.messages.reverse()
    assert "do not ascend" in pushes.group_pushes_lack_nothing(evidence)[0]


def test_what_was_recalled_may_be_pushed_where_it_was(evidence: Evidence) -> None:
    # Given: the second message is recalled, and so has moved to the end
    replace(evidence, ROWS[2], version=7, withdraw_time=9, content=b"")
    # When one push held it, and another one not any more
    push = im_pb2.MessagesPush()
    push.CopyFrom(push_to_bob(evidence))
    del push.messages[1]
    evidence.people["bob"].record.pushed.append((4, push))
    # Then both lack nothing; but one up to the recall must hold that
    assert not pushes.group_pushes_lack_nothing(evidence)
    push.messages.add(id=row(8, "ann/4").id, version=8)
    assert any("lacks" in problem for problem in pushes.group_pushes_lack_nothing(evidence))


# ---------------------------------------------------------------- groups in Redis


@pytest.mark.parametrize(
    ("key", "value", "problem"),
    [
        ("group-version:{g}", b"5", "published up to 5"),
        ("group-unread:{bob}", {b"g": f"6:2:0:{ROWS[0].id}".encode()}, "bob has (2, 0) unread"),
        ("group-rows:{g}", {b"_low": b"2", b"_v": b"7"}, "the window is true for 7"),
    ],
)
def test_what_redis_says_wrongly_of_a_group_is_found(
    evidence: Evidence, key: str, value: Any, problem: str
) -> None:
    before = evidence.redis[0]
    evidence.redis[0] = before | {key: value}
    if key.startswith("group-rows"):
        evidence.redis[0]["group:{g}"] = {}
    (found,) = windows.group_caches(evidence)
    assert found.startswith("Redis, before asking: g:")
    assert problem in found


def test_a_window_that_lacks_a_row_of_the_log_is_found(evidence: Evidence) -> None:
    # Given: both keys lack the same message, so readers would believe them
    lost = ROWS[2].id.encode()
    for key in ("group:{g}", "group-rows:{g}"):
        del evidence.redis[1][key][lost]
    # When, then
    assert any("the window lacks" in problem for problem in windows.group_caches(evidence))


def test_a_window_with_another_body_is_found(evidence: Evidence) -> None:
    rows = evidence.redis[1]["group-rows:{g}"]
    rows[ROWS[3].id.encode()] = rows[ROWS[3].id.encode()].replace(b"ann/3", b"ann/4")
    assert windows.group_caches(evidence)


def test_what_readers_would_not_believe_is_not_held_against_it(evidence: Evidence) -> None:
    # Given: half a window, a count of an earlier version, one behind another bound, no version
    evidence.redis = [
        {
            "group:{g}": {},
            "group-rows:{g}": evidence.redis[0]["group-rows:{g}"],
            "group-unread:{bob}": {b"g": f"5:9:0:{ROWS[0].id}".encode()},
            "group-unread:{ann}": {b"g": f"6:9:0:{ROWS[2].id}".encode()},
        }
    ]
    # When, then
    assert windows.group_caches(evidence) == []


# ---------------------------------------------------------------- answers, buckets


def test_internal_is_complained_of_whatever_was_asked(evidence: Evidence) -> None:
    evidence.people["bob"].record.asked.append(("SyncRequest", "INTERNAL"))
    assert complaints(evidence) == ["SyncRequest was answered INTERNAL, 1 times"]


class Failing:
    """A connection on which nothing is well at first."""

    pushes: tuple[()] = ()

    def __init__(self) -> None:
        self.codes = [int(Code.INTERNAL), 0]

    def call(self, request: Any, timeout_s: float) -> Any:
        code = self.codes.pop(0)
        error = im_pb2.Error(code=code, name="INTERNAL" if code else "", retryable=bool(code))
        return im_pb2.PingResponse(error=error)


def test_a_client_remembers_how_its_reads_were_answered() -> None:
    device = cast(Device, Failing())
    client = Client("ann", lambda _: device, random.Random(1))
    client.call(im_pb2.PingRequest())
    assert client.record.asked == [("PingRequest", "INTERNAL"), ("PingRequest", "OK")]


def test_a_copy_in_the_bucket_of_its_sender_is_found(evidence: Evidence) -> None:
    # Given: a message to bob, in both mailboxes
    here = row(3, "ann/7", receiver="bob", shard=HOMES["ann"], bucket=bucket_of("ann"))
    copy = here._replace(shard=HOMES["bob"], bucket=bucket_of("bob"))
    answer = im_pb2.SendResponse(id=here.id, send_time=here.send_time)
    evidence.people["ann"].record.ops.append(sent("ann/7", answer, receiver="bob"))
    evidence.rows = [*ROWS, here, copy]
    assert stored.acknowledged_is_stored_once(evidence) == []
    # When the copy carries the bucket of the sender's mailbox
    evidence.rows[-1] = copy._replace(bucket=bucket_of("ann"))
    # Then
    (problem,) = stored.acknowledged_is_stored_once(evidence)
    assert f"ann/7 of bob is in bucket {bucket_of('ann')}" in problem
