"""The window of a group in Redis answers as the log in MySQL does, or not at all."""

import random
import secrets
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

import pytest

from dev.clients.wait import wait_until
from models import keys
from models.core import Core
from models.fence import LockLost
from models.groupcache import Entry, GroupCache
from models.grouplog import Range, read_ranges
from models.log import Row, delivered_versions, read_forward
from models.messages import encode_group_row
from models.redisclient import RedisError
from tests.support.groupstore import GroupStore, configured, someone

STEPS = 70
LIMITS = (1, 3, 1000)
COMPARED_MIN = 100


class SlowReader(GroupCache):
    """Reads the log now and fills the window when it is told to, maybe much later."""

    def __init__(self, core: Core, size: int) -> None:
        super().__init__(core.redis, core.scripts, size)
        self.held: list[Callable[[], None]] = []

    def _install(self, one: Range, rows: Sequence[Row]) -> None:
        fill = super()._install
        self.held.append(lambda: fill(one, rows))


def entries(rows: Sequence[Row]) -> list[Entry]:
    return [Entry(row.id, row.version, encode_group_row(row)) for row in rows]


class Scene:
    """A group, another one in its shard, and everything that may happen to the window."""

    def __init__(self, core: Core, seed: int, size: int) -> None:
        self.random = random.Random(seed)
        self.core = configured(core, group_cache_messages=size)
        self.store = GroupStore(self.core)
        self.owner, self.guest = someone(), someone()
        self.group = self.store.make(self.owner, self.guest)
        self.shard = self.store.shard(self.group)
        self.other = self.store.make(self.owner, shard=self.shard)
        self.size = size
        self.lock = keys.shard_lock(self.shard.number)
        self.slow = SlowReader(self.core, size)
        self.late: list[Callable[[], None]] = self.slow.held
        self.said: list[str] = []
        self.answered = 0

    def latest(self) -> int:
        rows = self.shard.database.query(
            "SELECT latest FROM chat_group WHERE id = %s", (self.group,)
        )
        return int(rows[0][0])

    def say(self) -> None:
        self.said.append(
            self.store.say(self.group, self.random.choice([self.owner, self.guest])).id
        )

    def say_elsewhere(self) -> None:
        self.store.say(self.other, self.owner)

    def recall(self) -> None:
        if self.said:
            index = self.random.randrange(len(self.said))
            self.store.recall(self.owner, self.said.pop(index))

    def deliver(self) -> None:
        self.core.redis.delete(self.lock)  # as if it had expired
        self.store.deliver()

    def deliver_again(self) -> None:
        self.core.redis.delete(self.lock)
        self.store.deliver_from(self.group, self.random.choice(self.versions()))

    def deliver_late(self) -> None:
        """A delivery that has read its rows, and applies them later, perhaps past its lock."""
        token = secrets.token_hex(8)
        self.core.redis.set(self.lock, token)
        rows = read_forward({self.shard: self.undelivered_from()}, 1000)[self.shard][1]
        if rows:
            self.late.append(lambda: self.apply(rows, token))

    def undelivered_from(self) -> int:
        """Where a delivery may begin: others may have died before they moved the position."""
        delivered = delivered_versions([self.shard])[self.shard.number]
        return min(delivered, self.random.choice(self.versions()))

    def apply(self, rows: Sequence[Row], token: str) -> None:
        with suppress(LockLost, RedisError):  # keys vanish while it is at it: the sweep repeats
            self.store.effects.apply({self.shard: rows}, token)

    def evict(self) -> None:
        names = [
            keys.group_window(self.group),
            keys.group_rows(self.group),
            keys.group_version(self.group),
        ]
        self.core.redis.delete(*self.random.sample(names, self.random.randint(1, 3)))

    def flush(self) -> None:
        self.core.redis.flushdb()

    def read_slowly(self) -> None:
        """Read as much of the newest as the window may hold."""
        newest = self.store.log(self.group)[-self.random.randint(1, self.size) :]
        one = Range(self.group, newest[0].version - 1, newest[-1].version, 1000)
        (found,) = self.slow.read_log(self.shard, [one])
        assert found == entries(read_ranges(self.shard, [one])[0])

    def read(self) -> None:
        one = Range(self.group, self.random.choice(self.versions()), self.latest(), 2)
        (found,) = self.core.group_cache.read_log(self.shard, [one])
        assert found == entries(read_ranges(self.shard, [one])[0])

    def be_late(self) -> None:
        if self.late:
            self.late.pop(self.random.randrange(len(self.late)))()

    def fill_late(self) -> None:
        """A reader reads, all it saw is overtaken and lost, and then it fills the window."""
        self.read_slowly()
        fill = self.late.pop()
        for _ in range(self.random.randint(1, 3)):
            self.random.choice([self.say, self.recall])()
        self.deliver()
        self.evict()
        fill()
        self.check()
        self.random.choice([self.say, self.recall])()
        self.random.choice([self.deliver, self.deliver_again])()

    def versions(self) -> list[int]:
        return [0, *(row.version + way for row in self.store.log(self.group) for way in (-1, 0))]

    def step(self) -> None:
        many = [self.say, self.recall, self.deliver, self.be_late] * 3
        some = [self.say_elsewhere, self.deliver_again, self.evict, self.read] * 2
        few = [self.read_slowly, self.deliver_late, self.fill_late] * 2
        self.random.choice([*many, *some, *few, self.flush])()

    def check(self) -> None:
        """Every range up to the log's end; and up to where it ended for who has gone."""
        versions = self.versions()
        latest = self.latest()
        ranges = [Range(self.group, begin, latest, limit) for begin in versions for limit in LIMITS]
        for one, found in zip(ranges, self.core.group_cache.read(ranges), strict=True):
            if found is not None:
                self.answered += 1
                assert found == entries(read_ranges(self.shard, [one])[0]), one
        as_of = int(self.core.redis.hget(keys.group_rows(self.group), "_v") or 0)
        moved = {row.id for row in self.store.log(self.group) if row.version > as_of}
        ranges = [Range(self.group, 0, end, 1000) for end in versions]
        for one, found in zip(ranges, self.core.group_cache.read(ranges), strict=True):
            if found is not None:  # it may still show what has moved behind the window since
                there = [entry for entry in found if entry.id not in moved]
                assert there == entries(read_ranges(self.shard, [one])[0]), one


@pytest.mark.parametrize("size", [1, 3, 8, 200])
@pytest.mark.parametrize("seed", range(3))
def test_the_window_answers_as_the_log_does_whatever_comes_late_or_twice(
    core: Core, seed: int, size: int
) -> None:
    # Given a group with a window smaller or larger than its log
    scene = Scene(core, seed, size)
    # When sends, recalls, deliveries, evictions and late writers of the window mix at random
    for _ in range(STEPS):
        scene.step()
        # Then, after each step, whatever the window answers is what the log holds
        scene.check()
    # And it does answer, once a delivery has caught up
    scene.say()
    scene.deliver()
    before = scene.answered
    scene.check()
    assert scene.answered > before


def test_a_window_lacks_nothing_in_a_run_of_more_rows_than_one_call_takes(core: Core) -> None:
    # Given more rows than one call of the script takes, and room for all of them
    scene = Scene(core, 0, 500)
    drafts = [scene.store.draft(scene.group, scene.owner) for _ in range(250)]
    scene.store.send(*drafts)
    # When they are delivered at once
    scene.deliver()
    # Then the window holds every one
    whole = Range(scene.group, 0, scene.latest(), 1000)
    (found,) = scene.core.group_cache.read([whole])
    if found is None:  # filled from the first row delivered: nothing before it is known
        rows = scene.store.log(scene.group)
        whole = whole._replace(begin=rows[0].version - 1)
        (found,) = scene.core.group_cache.read([whole])
    assert found == entries(read_ranges(scene.shard, [whole])[0])
    assert len(found) == 251


def test_readers_find_the_log_in_the_window_while_all_goes_on_at_once(core: Core) -> None:
    """An answer counts when the log stood still around it: then it must be the log's."""
    # Given a group that is written to, delivered, evicted and read by threads of their own
    scene = Scene(core, 1, 5)
    done = threading.Event()
    failures: list[BaseException] = []
    compared: list[int] = []

    def forever(work: Callable[[random.Random], None], seed: int) -> threading.Thread:
        dice = random.Random(seed)

        def run() -> None:
            try:
                while not done.is_set():
                    work(dice)
            except BaseException as error:
                failures.append(error)
                done.set()

        thread = threading.Thread(target=run)
        thread.start()
        return thread

    def write(dice: random.Random) -> None:
        said = [scene.store.say(scene.group, scene.guest).id for _ in range(dice.randint(1, 4))]
        if dice.random() < 0.7:
            scene.store.recall(scene.owner, dice.choice(said))
        time.sleep(dice.random() * 0.05)

    def deliver(dice: random.Random) -> None:
        own = GroupStore(scene.core)
        with suppress(RedisError):
            if dice.random() < 0.3:
                own.deliver_from(scene.group, max(0, scene.latest() - dice.randint(0, 12)))
            else:
                own.deliver()

    def apply(dice: random.Random) -> None:
        token = secrets.token_hex(8)
        if scene.core.redis.set(scene.lock, token, nx=True):
            after = max(0, scene.latest() - dice.randint(0, 12))
            after = min(after, delivered_versions([scene.shard])[scene.shard.number])
            rows = read_forward({scene.shard: after}, 1000)[scene.shard][1]
            time.sleep(dice.random() * 0.02)
            if rows:
                scene.apply(rows, token)
            scene.core.scripts.unlock(keys=[scene.lock], args=[token])
        time.sleep(dice.random() * 0.05)

    def evict(dice: random.Random) -> None:
        names = [keys.group_window(scene.group), keys.group_rows(scene.group)]
        scene.core.redis.delete(dice.choice([*names, keys.group_version(scene.group)]))
        time.sleep(dice.random() * 0.1)

    def read(dice: random.Random) -> None:
        end = scene.latest()
        one = Range(scene.group, max(0, end - dice.randint(0, 12)), end, dice.choice(LIMITS))
        (found,) = scene.core.group_cache.read([one])
        expected = entries(read_ranges(scene.shard, [one])[0])
        if found is None:
            (found,) = scene.core.group_cache.read_log(scene.shard, [one])
        else:
            compared.append(end)
        if scene.latest() == end:
            assert found == expected, one

    threads = [
        forever(work, seed)
        for seed, work in enumerate([write, write, deliver, apply, evict, read, read])
    ]
    # When enough was answered
    try:
        wait_until(lambda: done.is_set() or len(set(compared)) >= COMPARED_MIN, 90)
    finally:
        done.set()
        for thread in threads:
            thread.join()
    # Then no answer differed
    assert not failures, failures[0]
    scene.deliver()
    scene.check()


def test_a_reader_after_a_loss_reads_and_keeps_what_it_asked_for(core: Core) -> None:
    # Given a log of ten rows, and nothing in Redis
    scene = Scene(core, 1, 8)
    for _ in range(9):
        scene.say()
    scene.flush()
    rows = scene.store.log(scene.group)
    end = rows[-1].version

    def read(count: int, limit: int = 1000) -> list[Entry]:
        """The last `count` rows, past the window."""
        one = Range(scene.group, rows[-count - 1].version, end, limit)
        (found,) = scene.core.group_cache.read_log(scene.shard, [one])
        return found

    def kept() -> int:
        return int(core.redis.zcard(keys.group_window(scene.group)))

    # Then what somebody read to the end is kept, and grows with who was away for longer
    assert read(2) == entries(rows[-2:])
    assert kept() == 2
    assert read(6) == entries(rows[-6:])
    assert kept() == 6
    scene.check()
    # Then nobody makes it smaller, nor larger than a window may be, nor keeps half a range
    assert read(1) == entries(rows[-1:])
    assert read(9) == entries(rows[-9:])
    assert read(7, limit=3) == entries(rows[-7:-4])
    assert kept() == 6
    scene.check()
    assert scene.answered


def test_a_reader_ahead_of_the_delivery_adds_to_the_window(core: Core) -> None:
    # Given a full window, and a row that is not delivered yet
    scene = Scene(core, 1, 8)
    for _ in range(12):
        scene.say()
    scene.deliver()
    scene.say()
    rows = scene.store.log(scene.group)

    # When somebody who had everything reads the newest past the window
    one = Range(scene.group, rows[-2].version, rows[-1].version, 1000)
    scene.core.group_cache.read_log(scene.shard, [one])

    # Then the window holds the newest eight, before and after the delivery
    newest = [row.id.hex().encode() for row in rows[-8:]]
    assert core.redis.zrange(keys.group_window(scene.group), 0, -1) == newest
    scene.check()
    scene.deliver()
    assert core.redis.zrange(keys.group_window(scene.group), 0, -1) == newest
    scene.check()
    assert scene.answered
