"""The comparison's load generator, against both real servers: whatever it sends is heard once."""

import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, cast

import pytest

from bench.caller import Caller
from bench.peer.archive import places_held
from bench.peer.ejabberd import DATABASE, Ejabberd
from bench.peer.sides import Peer
from bench.peer.workloads import connected
from bench.rows import Rows
from bench.scenarios import RunFailed
from bench.target import Target
from dev.services import MariaDB
from proto import im_pb2
from tests.support.cluster import Cluster

USERS = 6
PLAN = {"rate": 100, "warmup_s": 0.5, "duration_s": 1}
SENT = 150
needs_ejabberd = pytest.mark.skipif(
    shutil.which("ejabberdctl", path="/usr/sbin:/usr/bin") is None,
    reason="ejabberd is not installed: dev/setup.sh peer",
)

Party = Callable[[bool], dict[str, Any]]


@pytest.fixture
def ours(cluster: Cluster) -> Party:
    """New users of the platform, in a group where asked for."""

    def party(in_a_room: bool) -> dict[str, Any]:
        users = [cluster.person("load") for _ in range(USERS)]
        tokens = [cluster.token(user) for user in users]
        port = cluster.platform.port("gateway")
        group = ""
        if in_a_room:
            with Caller("127.0.0.1", port, tokens[0]) as caller:
                made = im_pb2.GroupCreateRequest(
                    sequence=uuid.uuid4().hex, name="load", users=users[1:]
                )
                group = caller.call(made).group.group
        return {
            "host": "127.0.0.1",
            "port": port,
            "transport": "tcp",
            "users": users,
            "tokens": tokens,
            "room": group,
        }

    return party


@pytest.fixture
def theirs(tmp_path: Path, mariadb: MariaDB) -> Iterator[Party]:
    """New users of an ejabberd, to meet in a room where asked for."""
    ejabberd = Ejabberd(tmp_path / "ejabberd", mariadb, sql_pool_size=2)
    side = Peer(ejabberd)

    def party(in_a_room: bool) -> dict[str, Any]:
        users = [f"load-{uuid.uuid4().hex[:10]}" for _ in range(USERS)]
        known = side.party(users)
        return known | {"room": side.room(users, known) if in_a_room else ""}

    try:
        with side.running():
            yield party
    finally:
        mariadb.drop_database(DATABASE)


def check_offers(party: Party, while_there: Callable[[], int] = int) -> list[int]:
    """One to one and in a room, nothing is lost, and all of the load counts.

    Returns what `while_there` said each time before everybody left.
    """
    said = []
    for in_a_room, audience in ((False, 1), (True, USERS - 1)):
        # Given users who are connected, and in the room where there is one
        with connected(party(in_a_room)) as generator:
            # When messages are offered, twice over the same connections
            for _ in range(2):
                report = generator.do("offer", PLAN)

                # Then everybody they were for heard each once
                assert report["sent"] == SENT
                assert report["audience"] == audience
                assert (report["lost"], report["doubled"], report["refused"]) == (0, 0, {})
                assert (report["disordered"], report["strayed"]) == (0, 0)
                assert report["push"]["count"] == 100 * audience
                assert not report["cut_short"]
            said.append(while_there())
    return said


def test_all_that_is_offered_to_the_platform_is_heard_and_stored(
    ours: Party, cluster: Cluster
) -> None:
    users: list[str] = []

    def party(in_a_room: bool) -> dict[str, Any]:
        made = ours(in_a_room)
        users.extend(made["users"])
        return made

    def stored() -> int:
        with closing(Rows(cast(Target, cluster))) as rows:
            return places_held(rows, users, "p")

    # Given a load that is heard
    places = check_offers(party, stored)

    # Then each message lies in the mailboxes of two users, or in the log of the group
    assert places == [2 * (2 * SENT), 2 * (2 * SENT) + 2 * SENT]


def test_messages_one_at_a_time_are_timed(ours: Party) -> None:
    with connected(ours(False)) as generator:
        report = generator.do("serial", 5)
    assert report["push"]["count"] == 5
    assert report["push"]["p50_ms"] > 0


def test_who_is_refused_ends_the_run(ours: Party) -> None:
    # Given a user whose token is worth nothing
    party = ours(False)
    party["tokens"][2] = "worthless"

    # Then the run fails and says why
    with pytest.raises(RunFailed, match="log-in refused"), connected(party):
        pass


@needs_ejabberd
def test_all_that_is_offered_to_ejabberd_is_heard_and_archived(
    theirs: Party, mariadb: MariaDB
) -> None:
    def archived() -> int:
        ((rows,),) = mariadb.execute(f"SELECT COUNT(*) FROM {DATABASE}.archive")
        return int(str(rows))

    # Given a load that is heard; with its last guest a room goes, and its archive with it
    rows = check_offers(theirs, archived)

    # Then the archive has two rows for each message to a user, one for each to the room
    assert rows == [2 * (2 * SENT), 2 * (2 * SENT) + 2 * SENT]


@needs_ejabberd
def test_who_ejabberd_does_not_know_ends_the_run(theirs: Party) -> None:
    # Given a user with a wrong password
    party = theirs(False)
    party["tokens"][1] = f"{party['users'][1]} wrong"

    # Then the run fails and says why
    with pytest.raises(RunFailed, match="not-authorized"), connected(party):
        pass
