"""Devices that connect and then do not read."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from chaos.faults.base import Fault, Scene
from dev.clients.mars import MarsClient
from dev.clients.ws import WebSocketClient

DEVICES = 6
BUFFER_BYTES = 2048


@contextmanager
def slow_readers(scene: Scene) -> Iterator[str]:
    """Beside the recording clients of the same users, past the proxies, with small buffers."""
    load, platform = scene.load, scene.bed.platform
    with ExitStack() as stack:
        for user in scene.pick.sample(load.users, min(DEVICES, len(load.users))):
            if "gateway" in scene.bed.processes and scene.pick.random() < 0.5:
                port = platform.port("gateway")
                tcp = stack.enter_context(MarsClient(port, receive_buffer=BUFFER_BYTES))
                tcp.auth(load.tokens[user])
            else:
                ws = stack.enter_context(WebSocketClient(platform.url("web")))
                ws.auth(load.tokens[user])
        yield f"{DEVICES} devices"


FAULTS = (Fault("slow readers", slow_readers, (6, 10)),)
