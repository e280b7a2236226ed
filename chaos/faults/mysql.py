"""MariaDB dies in the middle of commits, freezes, one database of two is away, a disk is full."""

from collections.abc import Iterator
from contextlib import contextmanager

from chaos.faults.base import Fault, Scene, Skipped


@contextmanager
def killed(scene: Scene) -> Iterator[str]:
    """Both servers, with SIGKILL, twice; they recover from their logs."""
    for _ in range(2):
        for server in scene.bed.mariadbs:
            server.kill()
        for server in scene.bed.mariadbs:
            server.start()
        scene.load.wait_acks(5, timeout_s=15)
    yield ""


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
    Fault("MariaDB killed", killed, (1, 2)),
    Fault("MariaDB frozen", frozen, (3, 8)),
    Fault("one database away", one_away, (4, 8)),
    Fault("disk full", disk_full, (8, 12)),
)
