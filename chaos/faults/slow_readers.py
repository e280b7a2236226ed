"""Devices that connect and then do not read."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

from chaos.client import BROKEN
from chaos.faults.base import Fault, Scene, Skipped
from dev.clients.mars import MarsClient
from dev.clients.ws import WebSocketClient

DEVICES = 6
BUFFER_BYTES = 2048


@contextmanager
def slow_readers(scene: Scene) -> Iterator[str]:
    """Beside the recording clients of the same users, past the proxies, with small buffers."""
    load = scene.load
    devices = 0
    with ExitStack() as stack:
        for user in scene.pick.sample(load.users, min(DEVICES, len(load.users))):
            with suppress(*BROKEN):  # the platform may still be busy with the last fault
                _come_in(scene, stack, load.tokens[user])
                devices += 1
        if not devices:
            raise Skipped("no device was let in")
        yield f"{devices} devices"


def _come_in(scene: Scene, stack: ExitStack, token: str) -> None:
    platform = scene.bed.platform
    if "gateway" in scene.bed.processes and scene.pick.random() < 0.5:
        port = platform.port("gateway")
        tcp = stack.enter_context(MarsClient(port, receive_buffer=BUFFER_BYTES))
        tcp.auth(token)
    else:
        ws = stack.enter_context(WebSocketClient(platform.url("web")))
        ws.auth(token)


FAULTS = (Fault("slow readers", slow_readers, (6, 10)),)
