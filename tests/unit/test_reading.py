"""A connection whose session is full is read on once there is room, whatever made it look so."""

from collections.abc import Callable, Iterator
from typing import Any

import gevent
import gevent.socket
import pytest

from web.reading import RECV_BYTES, LoopReader

MESSAGE_BYTES = RECV_BYTES // 2
IN_PROGRESS_MAX = 64


class FakeSession:
    """As full as it is told."""

    def __init__(self) -> None:
        self.heard_at = self.unfinished_at = 0.0
        self.in_progress = 0
        self._room: Callable[[], object] | None = None

    @property
    def is_full(self) -> bool:
        return self.in_progress >= IN_PROGRESS_MAX

    def when_room(self, call: Callable[[], object]) -> None:
        self._room = call

    def made_room(self) -> None:
        if self._room is not None:
            call, self._room = self._room, None
            call()


class Pieces:
    """Messages of one size."""

    def __init__(self, session: FakeSession) -> None:
        self.taken = 0
        self._session = session
        self._data = b""

    def feed(self, data: bytes) -> Iterator[bytes]:
        self._data += data
        while len(self._data) >= MESSAGE_BYTES:
            piece, self._data = self._data[:MESSAGE_BYTES], self._data[MESSAGE_BYTES:]
            yield piece

    def take(self, message: bytes) -> None:
        self.taken += 1
        self._session.in_progress += 1

    def fed(self) -> bool:
        return bool(self._data)


@pytest.mark.parametrize("false_alarms", [0, 1, 3])
def test_everything_is_taken_in_the_end(false_alarms: int) -> None:
    # Given: more messages than may be in progress
    session = FakeSession()
    pieces = Pieces(session)
    ended: list[bool] = []
    there, here = gevent.socket.socketpair()
    made: Any = session
    LoopReader(here, made, pieces, lambda: ended.append(True))
    sending = gevent.spawn(there.sendall, bytes(MESSAGE_BYTES * 2 * IN_PROGRESS_MAX))

    def full() -> bool:
        gevent.sleep(0.001)
        return session.is_full

    with gevent.Timeout(10):
        while not full():
            pass
        # When: it is told of room that is not there (a write left, no request ended), then of room
        for _ in range(false_alarms):
            session.made_room()
            gevent.sleep(0.001)
        while pieces.taken < 2 * IN_PROGRESS_MAX:
            if session.in_progress:
                session.in_progress -= 1
                session.made_room()
            gevent.sleep(0)

        # Then: the end is noticed too
        sending.join()
        there.close()
        while not ended:
            gevent.sleep(0.001)
    assert pieces.taken == 2 * IN_PROGRESS_MAX
    here.close()


def test_an_unfinished_message_is_remembered() -> None:
    session = FakeSession()
    pieces = Pieces(session)
    there, here = gevent.socket.socketpair()
    made: Any = session
    LoopReader(here, made, pieces, lambda: None)
    with gevent.Timeout(10):
        there.sendall(b"x")
        while not session.unfinished_at:
            gevent.sleep(0.001)
        since = session.unfinished_at
        there.sendall(b"x")
        gevent.sleep(0.01)
        assert session.unfinished_at == since, "from its first byte on"
        there.sendall(bytes(MESSAGE_BYTES - 2))
        while session.unfinished_at:
            gevent.sleep(0.001)
    there.close()
    here.close()
