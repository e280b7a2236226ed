"""A device that changes its transport amid a conversation misses and repeats nothing."""

import threading
from collections.abc import Iterable
from contextlib import suppress

import pytest

from dev.clients.device import Device
from dev.clients.wait import DEADLINE_S, wait_until
from dev.clients.wire import ok, sync_all, text_to
from proto import im_pb2
from tests.support.cluster import Cluster, Kind
from tests.support.polls import CometDevice, EventDevice

DEVICE = "phone 1"
ON_EACH = 15  # messages on each transport, at least
ROUTE: tuple[tuple[Kind, str], ...] = (
    ("ws-frames", "web"),
    ("comet", "web.2"),
    ("tcp", "web"),
    ("events", "web"),
    ("tls", "web.2"),
    ("comet", "web"),
    ("events", "web.2"),
    ("ws-json", "web.2"),
)


class App:
    """What a user sees: messages by id in order, and the cursor it keeps."""

    def __init__(self, cluster: Cluster, user: str) -> None:
        self.cursor = 0
        self.shown: list[im_pb2.Message] = []
        self._cluster = cluster
        self._user = user
        self._device: Device | None = None

    def move(self, kind: Kind, web: str, *, hang_up: bool) -> None:
        """Go on by another transport; the old connection may be left as it is."""
        old = self._device
        if old is not None and hang_up:
            old.close()
        self._device = self._cluster.device(kind, self._user, web, since=self.cursor, device=DEVICE)
        if old is not None and not hang_up:
            kicked = old.wait_push(im_pb2.CMD_PUSH_KICKED)
            assert kicked.error.name == "KICKED"
            old.wait_closed()
            old.close()
        if not self._has_cursor:
            self._take(sync_all(self._device, self.cursor))

    @property
    def _has_cursor(self) -> bool:
        """Whether the server knows where the device left off."""
        return isinstance(self._device, CometDevice | EventDevice)

    def read_until(self, count: int) -> None:
        """Show what comes until there are so many messages."""

        def shown() -> bool:
            self._read()
            return len(self.shown) >= count

        wait_until(shown, what=f"{count} messages by {type(self._device).__name__}")

    def _read(self) -> None:
        device = self._device
        assert device is not None
        with suppress(TimeoutError):
            device.poll(0.05)
        pushes, device.pushes = device.pushes, []
        for push in pushes:
            if push.cmd == im_pb2.CMD_PUSH_MESSAGES:
                if push.body.previous > self.cursor:
                    self._take(sync_all(device, self.cursor))
                self._take(push.body.messages)
            elif push.cmd == im_pb2.CMD_PUSH_RESYNC:
                self._take(sync_all(device, self.cursor))

    def _take(self, messages: Iterable[im_pb2.Message]) -> None:
        for message in messages:
            if message.version > self.cursor:
                self.shown.append(message)
                self.cursor = message.version


class Sender(threading.Thread):
    """Writes on and on; `sent` are the ids that were acknowledged, in order."""

    def __init__(self, cluster: Cluster, sender: str, receiver: str) -> None:
        super().__init__(daemon=True)
        self.sent: list[str] = []
        self.failure: BaseException | None = None
        self._client = cluster.connect(sender)
        self._receiver = receiver
        self._over = threading.Event()

    def run(self) -> None:
        try:
            while not self._over.wait(0.01):
                request = text_to(self._receiver, f"number {len(self.sent)}")
                self.sent.append(ok(self._client.call(request)).id)
        except BaseException as error:
            self.failure = error

    def __enter__(self) -> "Sender":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self.join(DEADLINE_S)
        assert self.failure is None, self.failure


@pytest.mark.parametrize("orderly", [True, False], ids=["hung up first", "left behind"])
def test_a_device_changes_its_transport_and_misses_nothing(cluster: Cluster, orderly: bool) -> None:
    # Given
    alice, bob = cluster.pair("other database")
    app = App(cluster, bob)

    # When: one writes on and on, the other goes from transport to transport, process to process
    with Sender(cluster, alice, bob) as sender:
        left: Kind = "comet"
        for kind, web in ROUTE:
            # Who polls has nothing that could be left behind.
            app.move(kind, web, hang_up=orderly or left == "comet")
            app.read_until(len(app.shown) + ON_EACH)
            left = kind
    app.read_until(len(sender.sent))

    # Then: everything, in order, each once (that nothing at or below the cursor they came with
    # comes again is checked by the devices that poll and stream)
    assert [m.id for m in app.shown] == sender.sent
    texts = [m.content.text.text for m in app.shown]
    assert texts == [f"number {n}" for n in range(len(texts))]
    # Then: the same as who reads it all at once
    assert sync_all(cluster.connect(bob)) == app.shown
