"""One of several databases is away: the others work on, and it catches up when it is back."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import requests

from dev.clients.wait import wait_until
from dev.clients.wire import insist, ok, text_to
from dev.services import MariaDB
from proto import im_pb2
from tests.support.cluster import Cluster

pytestmark = pytest.mark.chaos

SOON_S = 6.0
"""Within the time of a request that meets the database that is away, and the next sweep."""


@pytest.fixture(scope="module")
def second(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MariaDB]:
    """The server of the second database."""
    server = MariaDB(tmp_path_factory.mktemp("second"))
    try:
        server.start()
        yield server
    finally:
        server.resume()
        server.kill()


@pytest.fixture(scope="module")
def halves(
    tmp_path_factory: pytest.TempPathFactory, mariadb: MariaDB, second: MariaDB
) -> Iterator[Cluster]:
    """A platform whose two databases lie in two servers."""
    with Cluster(tmp_path_factory.mktemp("halves"), mariadb, second=second) as cluster:
        yield cluster


class Friends:
    """Alice and Bob in one shard of the first database, Carol in the second, all connected."""

    def __init__(self, cluster: Cluster) -> None:
        self.names = [_person_in(cluster, half) for half in (0, 0, 1)]
        while cluster.store.shard_of(self.names[1]) != cluster.store.shard_of(self.names[0]):
            self.names[1] = _person_in(cluster, 0)
        self.alice, self.bob, self.carol = (cluster.connect(user) for user in self.names)
        for user in self.names[1:]:
            sent = ok(self.alice.call(text_to(user, "before")))
        self.carol.wait_message(sent.id)


def _person_in(cluster: Cluster, half: int) -> str:
    while cluster.store.shard_of(user := cluster.person()).database != cluster.store.names[half]:
        pass
    return user


@contextmanager
def away(server: MariaDB, *, frozen: bool) -> Iterator[None]:
    """Without the server, until the end of the block."""
    if frozen:
        server.pause()
    else:
        server.kill()
    try:
        yield
    finally:
        server.resume()
        if not server.alive:
            server.start()


@pytest.mark.parametrize("frozen", [False, True], ids=["killed", "frozen"])
def test_the_other_database_works_on(halves: Cluster, second: MariaDB, frozen: bool) -> None:
    # Given
    friends = Friends(halves)
    alice, bob, carol = friends.alice, friends.bob, friends.carol
    with away(second, frozen=frozen):
        # Then: friends in the first database go on as if nothing had happened
        for n in range(5):
            sent = ok(alice.call(text_to(bob.user, f"during {n}")))
            bob.wait_message(sent.id, timeout_s=SOON_S)
        # Then: what goes to the second one is stored; who lives there may come again
        kept = ok(alice.call(text_to(carol.user, "kept")))
        refusal = carol.call(text_to(alice.user, "not now"))
        assert refusal.error.retryable
        # Then: health names the one that is away
        answer = requests.get(f"{halves.platform.url()}/readyz", timeout=20)
        assert answer.status_code == 503
        states = answer.json()["dependencies"]
        assert states.pop(f"mysql:{halves.store.shard_of(carol.user).database}") != "ok"
        assert set(states.values()) == {"ok"}

    # Then: it catches up by itself
    carol.wait_message(kept.id)
    insist(carol, im_pb2.ContactsRequest())
    wait_until(lambda: halves.store.undelivered() == 0)


@pytest.mark.parametrize("frozen", [False, True], ids=["killed", "frozen"])
def test_what_waits_for_one_database_holds_up_nobody_else(
    halves: Cluster, second: MariaDB, frozen: bool
) -> None:
    # Given: messages for the second database wait in the shard of two friends
    friends = Friends(halves)
    alice, bob, carol = friends.alice, friends.bob, friends.carol
    ids: list[str] = []

    def send_waiting() -> None:
        ids.append(insist(alice, text_to(carol.user, f"waits {len(ids)}")).id)

    with away(second, frozen=frozen):
        for n in range(5):
            send_waiting()

            # Then: what need not go there is delivered, after an attempt at the most
            sent = ok(alice.call(text_to(bob.user, f"behind it {n}")))
            bob.wait_message(sent.id, timeout_s=2 * SOON_S)

        # Then: operators see how much waits, with what a repeated delivery noted once more
        there, here = (halves.store.shard_of(one.user).database for one in (carol, alice))
        name = f'im_waiting_copies{{database="{there}",source="{here}"}}'
        wait_until(lambda: halves.metrics()[name] >= len(ids))

    # When: it is back, and the friends go on
    send_waiting()
    wait_until(lambda: halves.store.undelivered() == 0)
    send_waiting()

    # Then: everything is there, in the order in which it was sent
    carol.wait_message(ids[-1])
    stored = [row.id for row in halves.store.mailbox(carol.user)]
    assert [one for one in stored if one in ids] == ids
    assert [message.id for message in carol.messages() if message.id in ids] == ids
