"""MariaDB dies in the middle of commits, freezes, one database of two is away, a disk is full."""

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from chaos.faults.base import Fault, Scene, Skipped
from dev.services import MariaDB

ACKS = 5
OPEN_WITHIN_S = 5.0
OPEN = "SELECT COUNT(*) FROM information_schema.innodb_trx WHERE trx_rows_modified > 0"


@contextmanager
def killed(scene: Scene) -> Iterator[str]:
    """Both servers, with SIGKILL, twice; they recover from their logs."""
    notes = []
    for number in (1, 2):
        opened = _wait_open(scene.bed.mariadbs)
        for server in scene.bed.mariadbs:
            server.kill()
        for server in scene.bed.mariadbs:
            server.start()
        notes.append(f"{number}: {'open' if opened else 'no'} transactions")
        if not scene.load.wait_acks(ACKS, timeout_s=15):
            notes.append(f"fewer than {ACKS} acks after kill {number}")
    yield ", ".join(notes)


def _wait_open(servers: Sequence[MariaDB]) -> bool:
    """Returns as soon as some transaction that has written is open; False when none was met.

    The server renews that table ten times a second at most.
    """
    with ExitStack() as stack:
        cursors = [
            stack.enter_context(stack.enter_context(server.connect()).cursor())
            for server in servers
        ]
        deadline = time.monotonic() + OPEN_WITHIN_S
        while time.monotonic() < deadline:
            for cursor in cursors:
                cursor.execute(OPEN)
                if cursor.fetchone() != (0,):
                    return True
            time.sleep(0.11)
    return False


@contextmanager
def frozen(scene: Scene) -> Iterator[str]:
    """SIGSTOP of one server: connections stay, nothing is answered, locks are held."""
    server = scene.pick.choice(scene.bed.mariadbs)
    server.pause()
    try:
        yield f"server {scene.bed.mariadbs.index(server)}"
    finally:
        server.resume()


@contextmanager
def one_away(scene: Scene) -> Iterator[str]:
    """The server of one database, either of them, is dead for a while; the other one goes on."""
    if len(scene.bed.mariadbs) < 2:
        raise Skipped("there is one server only")
    server = scene.pick.choice(scene.bed.mariadbs)
    server.kill()
    try:
        yield f"server {scene.bed.mariadbs.index(server)}"
    finally:
        server.start()


@contextmanager
def disk_full(scene: Scene) -> Iterator[str]:
    """Not a byte is free on the second server's disk."""
    disk = scene.bed.disk
    if not disk.mounted:
        raise Skipped(f"no small disk can be mounted here: {disk.reason or 'one server only'}")
    taken = disk.fill()
    try:
        yield f"{taken >> 20} MiB taken"
    finally:
        disk.free()


FAULTS = (
    Fault("MariaDB killed", killed, (1, 2), stores=True),
    Fault("MariaDB frozen", frozen, (3, 8), stores=True),
    Fault("one database away", one_away, (4, 8), stores=True),
    Fault("disk full", disk_full, (8, 12), stores=True),
)
