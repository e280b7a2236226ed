"""What lies between clients and us: delay, loss, half-open connections, everybody at once."""

from collections.abc import Iterator
from contextlib import contextmanager

from chaos.faults.base import Fault, Scene, Skipped
from chaos.proxy import Weather


@contextmanager
def bad_weather(scene: Scene) -> Iterator[str]:
    """Every chunk is late, some by as much as a lost packet is; on all proxies."""
    weather = Weather(
        delay_s=scene.pick.uniform(0.02, 0.15),
        jitter_s=scene.pick.uniform(0.0, 0.2),
        loss=scene.pick.uniform(0.02, 0.15),
    )
    for proxy in scene.bed.proxies.values():
        proxy.weather = weather
    try:
        yield f"{weather.delay_s * 1000:.0f} ms, loss {weather.loss:.0%}"
    finally:
        for proxy in scene.bed.proxies.values():
            proxy.weather = Weather()


@contextmanager
def half_open(scene: Scene) -> Iterator[str]:
    """Half of the connections: nothing comes through any more, and nobody is told."""
    count = sum(proxy.forget(0.5) for proxy in scene.bed.proxies.values())
    if not count:
        raise Skipped("there were too few connections")
    yield f"{count} connections"


@contextmanager
def herd(scene: Scene) -> Iterator[str]:
    """All clients lose their connection at once and come back at once, three times."""
    count = 0
    for _ in range(3):
        count += sum(proxy.cut() for proxy in scene.bed.proxies.values())
        scene.load.wait_acks(20, timeout_s=5)
    if not count:
        raise Skipped("nobody is connected")
    yield f"{count} connections"


FAULTS = (
    Fault("delay and loss", bad_weather, (5, 10)),
    Fault("half-open connections", half_open, (8, 10)),
    Fault("reconnect herd", herd, (0, 1)),
)
