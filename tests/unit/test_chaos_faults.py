"""What faults do to a bed, and what becomes of what they find; without a platform."""

import random
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from types import SimpleNamespace
from typing import Any, cast

import pytest
from google.protobuf.message import DecodeError

from chaos.bed import PROCESSES, Bed
from chaos.faults import network, overlaps, processes, redis, slow_readers
from chaos.faults.base import Fault, Scene, Skipped
from chaos.load import Load
from chaos.run import Run
from dev.clients.device import Answer, Closed, Push
from proto import frame, im_pb2


class Bedlam:
    """A bed on which nothing runs; what was done to it, in order."""

    processes = PROCESSES

    def __init__(self) -> None:
        self.log: list[str] = []
        self.platform = SimpleNamespace(kill=lambda name: self.log.append(f"kill {name}"))

    @contextmanager
    def without(self, name: str) -> Iterator[None]:
        yield
        self.log.append(f"start {name}")


def scene_of(bed: Any, load: Any = None) -> Scene:
    return Scene(cast(Bed, bed), cast(Load, load), random.Random(1))


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)


def test_each_kind_is_killed_again_and_again_and_started_at_once() -> None:
    # Given
    bed = Bedlam()
    # When
    with processes.kill_in_turn(scene_of(bed)) as note:
        pass
    # Then: everybody was started before the next one was killed
    killed, started = bed.log[::2], bed.log[1::2]
    assert [one.split()[1] for one in killed] == [one.split()[1] for one in started]
    kinds = Counter(one.split()[1].partition(".")[0] for one in killed)
    assert kinds == dict.fromkeys(("web", "gateway", "worker", "beat"), processes.ROUNDS)
    assert note.startswith("12 kills: ")


@pytest.mark.parametrize("away", sorted(overlaps.STORES))
def test_one_of_each_kind_dies_and_comes_back_while_a_store_is_away(
    monkeypatch: pytest.MonkeyPatch, away: str
) -> None:
    # Given
    bed = Bedlam()

    @contextmanager
    def store(scene: Scene) -> Iterator[str]:
        bed.log.append("away")
        yield "server 1"
        bed.log.append("back")

    monkeypatch.setattr(overlaps, "STORES", {away: store})
    # When
    with overlaps.killed_without_a_store(scene_of(bed)) as note:
        during = [*bed.log]
    # Then
    assert bed.log == [*during, "back"]
    assert during[0] == "away"
    kinds = {one.split()[1].partition(".")[0] for one in during[1:]}
    assert kinds == {"web", "gateway", "worker"}
    assert note.startswith(f"{away} server 1: ")


def test_what_a_fault_finds_wrong_is_a_violation() -> None:
    # Given
    @contextmanager
    def fault(scene: Scene) -> Iterator[str]:
        yield ""
        scene.wrong.append("an answer was dropped")

    bed, load = SimpleNamespace(raise_servers=list), SimpleNamespace(acked=0)
    run = Run(cast(Bed, bed), cast(Load, load), 1, lambda _: None)
    # When
    run.inject(Fault("a fault", fault, (0, 0)))
    # Then
    assert run.result.violations == ["a fault: an answer was dropped"]


# ---------------------------------------------------------------- what was hurt, or was not


class Refusing:
    """A Redis that has refused so many commands for want of memory."""

    def __init__(self, *refused: int) -> None:
        self.refused = iter(refused)
        self.limits: list[int] = []

    def info(self, section: str) -> dict[str, Any]:
        if section == "memory":
            return {"used_memory": 8 << 20}
        return {"errorstat_OOM": {"count": n}} if (n := next(self.refused)) else {}

    def config_set(self, name: str, value: Any) -> None:
        if name == "maxmemory":
            self.limits.append(value)


def fill_redis(*refused: int) -> tuple[Scene, Refusing]:
    server = Refusing(*refused)
    scene = scene_of(SimpleNamespace(redis_client=lambda: nullcontext(server)))
    with redis.full(scene):
        pass
    return scene, server


def test_a_full_redis_tells_how_much_it_refused() -> None:
    scene, server = fill_redis(0, 17)
    assert scene.outcome == ["17 commands refused"]
    assert server.limits == [4 << 20, 0]


def test_a_full_redis_that_refused_nothing_is_no_fault() -> None:
    with pytest.raises(Skipped, match="nothing was refused"):
        fill_redis(5, 5)


@pytest.mark.parametrize("fault", [network.half_open, network.herd])
def test_without_connections_there_is_nothing_to_break(fault: Any) -> None:
    proxy = SimpleNamespace(forget=lambda share: 0, cut=lambda: 0)
    load = SimpleNamespace(wait_acks=lambda more, timeout_s: True)
    scene = scene_of(SimpleNamespace(proxies={"web": proxy}), load)
    with pytest.raises(Skipped, match="connect"), fault(scene):
        pass


# ---------------------------------------------------------------- slow readers


class Lazy:
    """A device that is told in the end what it lost, when it reads; `error`: how reading ends."""

    def __init__(
        self, error: Exception | None = None, *, told: bool = True, refused: str = ""
    ) -> None:
        self.posted = 0
        self.error = error
        self.told = told
        self.refused = refused
        self.pushes: list[Push] = []

    def __enter__(self) -> "Lazy":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def post(self, request: im_pb2.SyncRequest) -> int:
        self.posted += 1
        return self.posted

    def poll(self, timeout_s: float) -> None:
        if self.error:
            raise self.error

    def answers(self) -> dict[int, Answer]:
        page = im_pb2.SyncResponse(error=im_pb2.Error(name=self.refused))
        return {seq: Answer(0, seq, page) for seq in range(1, self.posted + 1)}

    def settle(self) -> None:
        if self.told:
            self.pushes.append(Push(im_pb2.CMD_PUSH_RESYNC, im_pb2.ResyncPush()))


def read_slowly(
    monkeypatch: pytest.MonkeyPatch, *devices: Lazy, counts: tuple[float, ...] = (0, 0, 1)
) -> Scene:
    """The whole fault with these devices and what the counter of dropped queues says in turn."""
    said = iter(counts)
    bed = SimpleNamespace(counter=lambda name: next(said), proxies={})
    users = [f"{number}" for number in range(len(devices))]
    scene = scene_of(bed, SimpleNamespace(users=users))
    monkeypatch.setattr(slow_readers, "_come_in", lambda scene, user: devices[int(user)])
    with slow_readers.slow_readers(scene):
        pass
    return scene


def test_slow_readers_ask_until_something_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    device = Lazy()
    scene = read_slowly(monkeypatch, device, counts=(3, 3, 3, 3, 4))
    assert device.posted == 3 * slow_readers.PAGES_AT_A_TIME
    assert scene.outcome == ["1 told to sync, 0 cut off"]
    assert scene.wrong == []


def test_who_was_cut_off_lacks_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = read_slowly(monkeypatch, Lazy(Closed(1006, "")), Lazy(told=False))
    assert scene.outcome == ["0 told to sync, 1 cut off"]
    assert scene.wrong == []


def test_a_page_that_never_comes_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slow_readers, "ANSWERED_WITHIN_S", 0.01)
    monkeypatch.setattr(Lazy, "answers", lambda self: {})
    scene = read_slowly(monkeypatch, Lazy(), Lazy())
    assert scene.wrong == ["32 pages were not answered"]


def test_a_page_that_is_refused_as_none_may_be_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = read_slowly(monkeypatch, Lazy(refused="INTERNAL"))
    assert set(scene.wrong) == {"a page was answered INTERNAL"}
    assert read_slowly(monkeypatch, Lazy(refused="BUSY")).wrong == []


@pytest.mark.parametrize(
    "error", [AssertionError("a head of 7 bytes"), frame.FrameError("no frame"), DecodeError("?")]
)
def test_bytes_that_are_no_frames_are_wrong(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    scene = read_slowly(monkeypatch, Lazy(error))
    assert scene.wrong == [f"what came is wrong: {error!r}"]


def test_no_more_is_asked_for_than_a_device_is_owed(monkeypatch: pytest.MonkeyPatch) -> None:
    device = Lazy()
    read_slowly(monkeypatch, device, counts=(*[0] * 50, 1))
    assert device.posted == slow_readers.PAGES_MAX


def test_pushes_that_are_dropped_without_a_word_are_wrong(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scene = read_slowly(monkeypatch, Lazy(told=False))
    assert scene.wrong == ["pushes were dropped, and no device was told"]


def test_readers_for_whom_nothing_is_dropped_are_no_fault(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(slow_readers, "FULL_WITHIN_S", -1.0)
    with pytest.raises(Skipped, match="nothing was dropped"):
        read_slowly(monkeypatch, Lazy(), counts=(0, 0))
