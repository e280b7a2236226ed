"""What is refused for now waits, and holds up nothing else."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from dev.services import MariaDB
from im_client import Conversation
from im_client.sender import AT_ONCE
from tests.support.cluster import Cluster
from tests.support.sdkphones import Phones

pytestmark = pytest.mark.chaos


@pytest.fixture
def second(tmp_path: Path) -> Iterator[MariaDB]:
    """The server of the second database."""
    server = MariaDB(tmp_path / "second")
    try:
        server.start()
        yield server
    finally:
        server.kill()


@pytest.fixture
def halves(tmp_path: Path, mariadb: MariaDB, second: MariaDB) -> Iterator[Phones]:
    """A platform whose two databases lie in two servers."""
    with Cluster(tmp_path / "halves", mariadb, second=second) as cluster:
        phones = Phones(cluster, tmp_path)
        try:
            yield phones
        finally:
            phones.close()


def _person_in(cluster: Cluster, half: int) -> str:
    while cluster.store.shard_of(user := cluster.person()).database != cluster.store.names[half]:
        pass
    return user


def test_conversations_that_are_refused_hold_up_no_other(halves: Phones, second: MariaDB) -> None:
    cluster = halves.cluster
    alice, bob = _person_in(cluster, 0), _person_in(cluster, 0)
    # Given more groups in a database that is away than are sent to at once
    client = halves.start(alice, backoff_least_s=5.0, backoff_most_s=5.0)
    groups: list[str] = []
    while len(groups) <= AT_ONCE:
        group = client.create_group("hikers", [bob]).group
        if cluster.store.rows(f"receiver = '{group}'")[0].shard.database == cluster.store.names[1]:
            groups.append(group)
    second.kill()
    keys = [client.send_text(Conversation.group(group), "later") for group in groups]
    # When somebody in the other one is written to, then that is not held up
    client.wait_acked(client.send_text(bob, "now"))
    assert len(client.outbox()) == len(groups)
    # When the database is back, then the rest is sent
    second.start()
    for key in keys:
        client.wait_acked(key)
