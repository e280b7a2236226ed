"""The platform most integration tests share; who breaks things starts one of their own."""

from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from functools import partial

import pytest

from dev.clients.wait import wait_until
from dev.clients.wire import Caller
from dev.services import MariaDB
from proto import im_pb2
from tests.support.cluster import Cluster, Transport

Dial = Callable[..., Caller]
LOG_CHARS = 4000
FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failure shows what the processes logged last."""
    report = yield
    fixtures: dict[str, object] = getattr(item, "funcargs", {})
    if report.failed:
        item.stash[FAILED] = True
        for cluster in {value for value in fixtures.values() if isinstance(value, Cluster)}:
            for name, text in cluster.logs().items():
                report.sections.append((f"log of {name}", text[-LOG_CHARS:]))
    return report


@pytest.fixture(scope="session")
def shared_cluster(tmp_path_factory: pytest.TempPathFactory, mariadb: MariaDB) -> Iterator[Cluster]:
    """Everything once; `web.2` is a second web process, so pushes cross processes."""
    root = tmp_path_factory.mktemp("cluster")
    processes = ("usercenter", "web", "web.2", "gateway", "gateway.2", "worker", "beat")
    with Cluster(root, mariadb, processes=processes) as cluster:
        yield cluster


@pytest.fixture
def cluster(shared_cluster: Cluster) -> Iterator[Cluster]:
    """The shared platform; connections opened through it end with the test."""
    try:
        yield shared_cluster
    finally:
        shared_cluster.hang_up()


@pytest.fixture
def dial(cluster: Cluster, transport: Transport) -> Dial:
    """Open a client of a user, by the transport the test is run with."""
    return lambda user, web="web": cluster.caller(transport, user, web)


def works(cluster: Cluster) -> bool:
    """Whether everything is answered and delivered, with no broken connection left in a pool.

    And no shard left with a delivery that died: its lock expires.
    """
    with cluster.redis_client() as redis:
        if redis.keys("lock:*") or cluster.store.undelivered():
            return False
    people = [cluster.person() for _ in range(20)]
    callers: list[Caller] = [cluster.short(cluster.token(user)) for user in people]
    answers = [caller.call(im_pb2.ContactsRequest()) for caller in callers]
    gates = [cluster.tcp() for _ in people]
    answers += [
        gate.call(im_pb2.AuthRequest(token=cluster.token(user)))
        for gate, user in zip(gates, people, strict=True)
    ]
    cluster.hang_up()
    return not any(answer.error.code for answer in answers)


class Breakable:
    """A platform with servers of its own that tests break in turn, made anew after a failure."""

    def __init__(self, tmp_path_factory: pytest.TempPathFactory) -> None:
        self._folders = tmp_path_factory
        self._stack = ExitStack()
        self._cluster: Cluster | None = None

    def get(self) -> Cluster:
        """The platform, with everything running."""
        if self._cluster is None:
            root = self._folders.mktemp("breakable")
            mariadb = MariaDB(root / "mariadb")
            self._stack.callback(mariadb.kill)
            mariadb.start()
            self._cluster = self._stack.enter_context(Cluster(root / "cluster", mariadb))
        self._cluster.mend()
        wait_until(partial(works, self._cluster), what="the platform working again")
        return self._cluster

    def drop(self) -> None:
        """End it; the next test gets another one."""
        self._cluster = None
        self._stack.close()


@pytest.fixture(scope="session")
def breakable(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Breakable]:
    holder = Breakable(tmp_path_factory)
    try:
        yield holder
    finally:
        holder.drop()


@pytest.fixture
def fragile(request: pytest.FixtureRequest, breakable: Breakable) -> Iterator[Cluster]:
    """A platform to be broken; each test leaves it working, or has failed."""
    cluster = breakable.get()
    yield cluster
    cluster.hang_up()
    if request.node.stash.get(FAILED, False):
        breakable.drop()
