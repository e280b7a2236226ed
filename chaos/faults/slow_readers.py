"""Devices that ask for much and read nothing, until the platform drops what it holds for them."""

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from chaos.checker.entitled import NEVER
from chaos.client import BROKEN
from chaos.faults.base import Fault, Scene, Skipped
from dev.clients.device import Device
from dev.clients.mars import MarsClient
from dev.clients.ws import WebSocketClient
from proto import im_pb2

DEVICES = 3
BUFFER_BYTES = 4096
PAGES_AT_A_TIME = 16
PAGES_MAX = 400
"""For each device: some 10 MB; a connection takes 4 MB at most, and the platform queues less."""
ASKED_EVERY_S = 0.5
FULL_WITHIN_S = 20.0
"""Within the time after which the platform cuts off who does not read."""
ANSWERED_WITHIN_S = 60.0
"""After the last answer to any device."""
POLL_S = 0.02
DROPPED = "im_connections_behind_total"


@dataclass(eq=False)
class _Reader:
    """A device, and which of its requests are not answered yet."""

    device: Device
    asked: set[int] = field(default_factory=set)
    pages: int = 0
    cut: bool = False

    def ask(self) -> None:
        """For many pages, without reading one."""
        page = im_pb2.SyncRequest(limit=200)
        with suppress(*BROKEN):
            for _ in range(min(PAGES_AT_A_TIME, PAGES_MAX - self.pages)):
                self.asked.add(self.device.post(page))
                self.pages += 1

    def read(self) -> list[str]:
        """Some of what there is for it; what no answer may be."""
        try:
            self.device.poll(POLL_S)
        except BROKEN:
            self.cut = True
        except Exception as error:
            self.cut = True
            return [f"what came is wrong: {error!r}"]
        answers = self.device.answers()
        self.asked -= answers.keys()
        names = [answer.body.error.name for answer in answers.values()]
        return [f"a page was answered {name}" for name in names if name in NEVER]

    def settle(self) -> None:
        """Everything else that there is for it."""
        try:
            if not self.cut:
                self.device.settle()
        except BROKEN:
            self.cut = True

    @property
    def was_told(self) -> bool:
        """Whether it knows that pushes were dropped."""
        return any(push.cmd == im_pb2.CMD_PUSH_RESYNC for push in self.device.pushes)


@contextmanager
def slow_readers(scene: Scene) -> Iterator[str]:
    """Beside the recording clients of the same users, past the proxies, with small buffers.

    When it is over they read, and must find every answer, which may not be dropped, or the end.
    """
    for proxy in scene.bed.proxies.values():
        proxy.bury()  # nothing else may be dropped for anybody
    with ExitStack() as stack:
        readers: list[_Reader] = []
        for user in scene.pick.sample(scene.load.users, min(DEVICES, len(scene.load.users))):
            with suppress(*BROKEN):  # the platform may still be busy with the last fault
                readers.append(_Reader(stack.enter_context(_come_in(scene, user))))
        if not readers:
            raise Skipped("no device was let in")
        if not _fill(scene, readers):
            raise Skipped(f"nothing was dropped within {FULL_WITHIN_S:g} s")
        yield f"{len(readers)} devices, {sum(one.pages for one in readers)} pages asked for"
        _read_all(readers, scene.wrong)
        told, cut = sum(one.was_told for one in readers), sum(one.cut for one in readers)
        scene.outcome.append(f"{told} told to sync, {cut} cut off")
        if not told and not cut and not scene.wrong:
            scene.wrong.append("pushes were dropped, and no device was told")


def _fill(scene: Scene, readers: list[_Reader]) -> bool:
    """Asks for more and more until pushes to somebody were dropped."""
    dropped = scene.bed.counter(DROPPED)
    deadline = time.monotonic() + FULL_WITHIN_S
    while scene.bed.counter(DROPPED) == dropped:
        if time.monotonic() > deadline:
            return False
        for one in readers:
            one.ask()
        time.sleep(ASKED_EVERY_S)
    return True


def _read_all(readers: list[_Reader], wrong: list[str]) -> None:
    """All read in turn until they have every answer; adds what is wrong with these, or lacks."""
    lacking, answered = _lacking(readers), time.monotonic()
    while lacking and time.monotonic() < answered + ANSWERED_WITHIN_S:
        for one in readers:
            if not one.cut:
                wrong += one.read()
        if (left := _lacking(readers)) < lacking:
            lacking, answered = left, time.monotonic()
    if lacking:
        wrong.append(f"{lacking} pages were not answered")
    for one in readers:
        one.settle()


def _lacking(readers: list[_Reader]) -> int:
    """How many pages are still to come."""
    return sum(len(one.asked) for one in readers if not one.cut)


def _come_in(scene: Scene, user: str) -> Device:
    platform = scene.bed.platform
    device: Device
    if "gateway" in scene.bed.processes and scene.pick.random() < 0.5:
        device = MarsClient(platform.port("gateway"), receive_buffer=BUFFER_BYTES)
    else:
        url = platform.url("web")
        device = WebSocketClient(url, sock=_small(url), max_queue=1)
    try:
        device.auth(scene.load.token(user))
    except BaseException:
        device.close()
        raise
    return device


def _small(url: str) -> socket.socket:
    """A connection that takes in little before its reader reads."""
    address = urlsplit(url)
    plain = socket.socket()
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
    try:
        plain.connect((address.hostname, address.port))
    except BaseException:
        plain.close()
        raise
    return plain


FAULTS = (Fault("slow readers", slow_readers, (2, 5)),)
