"""The model layer on real servers: two databases of two message tables each, and Redis."""

import itertools
import secrets
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass

import pytest

from dev.services import MariaDB, Redis
from migrations.run import migrate
from models import keys
from models.append import Draft, Outcome, Stored, append
from models.catchup import CatchUp
from models.core import Core, open_core
from models.deliver import Deliverer
from models.errors import IMError
from models.log import delivered_versions
from models.redisguard import forget_another_time
from models.settings import Settings
from models.shards import Shard, bucket_of
from proto import im_pb2


@pytest.fixture(scope="session")
def settings(mariadb: MariaDB, redis_server: Redis) -> Settings:
    """Settings of a migrated installation that all contract tests share."""
    urls = tuple(mariadb.create_database(f"contract_{index}") for index in range(2))
    made = Settings(
        mysql_url=urls,
        redis_url=redis_server.url(1),
        tables_per_database=2,
        send_rate_per_s=100_000,  # tests send as fast as they can
        send_burst=100_000,
    )
    list(migrate(made))
    return made


@pytest.fixture
def core(settings: Settings) -> Iterator[Core]:
    """Stores with an empty Redis; what is in MySQL from other tests is delivered."""
    stores = open_core(settings)
    stores.redis.flushdb()
    chat = Chat(stores)
    chat.bring_what_waits()
    chat.deliver_all()
    stores.redis.flushdb()
    forget_another_time(stores.redis)
    yield stores
    stores.close()


def text(value: str) -> bytes:
    """An encoded text body."""
    return im_pb2.Content(text=im_pb2.Text(text=value)).SerializeToString()


@dataclass
class Chat:
    """Sends and deliveries as the processes do them, without the processes."""

    core: Core
    repeat: int = 1
    """How often each delivery is run: once, or more to prove that repeating changes nothing.

    A repetition starts from the positions before it, as if `delivered` had never been moved.
    """
    beside: bool = True
    """Whether copies within a database are stored with the message, as processes do it."""

    def __post_init__(self) -> None:
        core = self.core
        self._sequences = map(str, itertools.count())
        self._woken: set[int] = set()
        self.deliverer = Deliverer(
            core.settings, core.shards, core.redis, core.scripts, core.metrics
        )

    def draft(self, sender: str, receiver: str, body: str, sequence: str | None = None) -> Draft:
        return Draft(
            self.core.shards.of_user(sender),
            bucket_of(sender),
            sender,
            receiver,
            sequence or next(self._sequences),
            text(body),
            copy_to=self.core.shards.copy_to(sender, receiver) if self.beside else None,
        )

    def send(self, sender: str, receiver: str, body: str = "hi", sequence: str = "") -> Stored:
        """Store one message; the error if it was refused."""
        draft = self.draft(sender, receiver, body, sequence or None)
        (outcome,) = self.send_batch([draft])
        if isinstance(outcome, IMError):
            raise outcome
        return outcome

    def send_batch(self, drafts: list[Draft]) -> list[Outcome]:
        outcomes = append(drafts[0].shard.database, drafts)
        self._woken |= {draft.copy_to.number for draft in drafts if draft.copy_to}
        return outcomes

    def deliver(self, *users: str) -> None:
        """Deliver the shards of these users, and those that sends woke beside theirs."""
        shards = {self.core.shards.of_user(user).number for user in users} | self._woken
        self._woken = set()
        self._deliver(sorted(shards))

    def bring_what_waits(self, *, soon: bool = False) -> None:
        """As the task does, some time after what failed; the sweep finds the shards that grew."""
        core = self.core
        if not soon:
            self.forget_refusals()
        catch_up = CatchUp(core.settings, core.shards, core.redis, core.scripts, lambda _: None)
        catch_up.run(database.name for database in core.shards.databases)

    def forget_refusals(self) -> None:
        """Let the time pass after which databases are asked again."""
        for name in self.core.redis.scan_iter(keys.answering("*", "*")):
            self.core.redis.delete(name)

    def deliver_all(self) -> None:
        self._deliver(list(self.core.shards.shards))

    def _deliver(self, shards: list[int]) -> None:
        before = self.positions()
        self.deliverer.deliver(shards)
        for _ in range(self.repeat - 1):
            self.rewind(before)
            self.deliverer.deliver(shards)

    def positions(self) -> dict[Shard, int]:
        """`delivered` of every shard whose database answers."""
        found: dict[Shard, int] = {}
        for shard in self.core.shards.shards.values():
            with suppress(IMError):
                found[shard] = delivered_versions([shard])[shard.number]
        return found

    def rewind(self, positions: dict[Shard, int]) -> None:
        """Put `delivered` back, as if the runs since then had died before moving it."""
        for shard, version in positions.items():
            shard.database.execute(
                "UPDATE shard_delivered SET version = LEAST(version, %s) WHERE shard = %s",
                (version, shard.number),
            )


@pytest.fixture(params=[1, 2], ids=["once", "twice"])
def chat(core: Core, request: pytest.FixtureRequest) -> Chat:
    """Every test of deliveries runs with each delivery done once, and with each done twice."""
    return Chat(core, repeat=request.param)


@pytest.fixture
def user_in(core: Core) -> Callable[[int], str]:
    """Makes up a new user whose mailbox lives in the given shard."""

    def make(shard: int) -> str:
        while True:
            name = f"u{secrets.token_hex(6)}"
            if core.shards.of_user(name).number == shard:
                return name

    return make


@pytest.fixture(params=[(0, 0), (0, 2), (0, 1)], ids=["one-shard", "one-database", "two-databases"])
def pair(user_in: Callable[[int], str], request: pytest.FixtureRequest) -> tuple[str, str]:
    """Two users: in one shard, in two shards of one database, in two databases."""
    first, second = request.param
    return user_in(first), user_in(second)
