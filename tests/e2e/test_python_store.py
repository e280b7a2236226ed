"""A store whose process is killed in the middle of a write is whole when it is opened again."""

import os
import random
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dev.environment import ROOT
from im_client.events import AckedEvent, MessageEvent
from im_client.store import Store
from tests.support.sdkwriter import BOB, message

KILLS = 12


def _write_until_killed(path: Path, moment: random.Random) -> int:
    """Let a process write, kill it at some moment; how many steps it had finished."""
    env = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'client/python'}"}
    with subprocess.Popen(
        [sys.executable, "-m", "tests.support.sdkwriter", str(path)],
        cwd=ROOT,
        env=env,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        for _ in range(moment.randrange(1, 12)):
            assert process.stdout.readline(), "it writes"
        time.sleep(moment.random() / 200)  # somewhere inside a step
        process.kill()
        return len(process.stdout.readlines())


def _check(path: Path, last_cursor: int) -> int:
    """Everything in the store fits together; its cursor."""
    with sqlite3.connect(path) as raw:
        ((sound,),) = raw.execute("PRAGMA integrity_check")
    raw.close()
    assert sound == "ok"
    store = Store(path, "alice")
    try:
        cursor = store.logs.cursor
        assert cursor >= last_cursor, "nothing that was committed is gone"
        # The log is there up to its cursor, without a gap, and nothing beyond it.
        expected = {}
        for version in range(1, cursor + 1):
            one = message(version)
            expected[one.id] = (version, bool(one.withdraw_time))
        found = {
            one.id: (one.version, one.recalled)
            for one in store.logs.messages(BOB, "", 1 << 30)
            if one.sender == "bob"
        }
        assert found == expected
        # Events that wait are of what is there, each once, in order.
        events = store.next_events(1 << 30)
        versions = [one.message.version for one in events if isinstance(one, MessageEvent)]
        assert versions == sorted(set(versions))
        assert not versions or versions[-1] == cursor
        # What was acknowledged is a message, and waits no more.
        acked = {one.message_id for one in events if isinstance(one, AckedEvent)}
        own = {one.id for one in store.logs.messages(BOB, "", 1 << 30) if one.sender == "alice"}
        assert acked <= own
        # The unread count is that of the messages behind the read position.
        (contact,) = store.conversations.contacts()
        behind = [one for one in found if one > contact.read and not found[one][1]]
        assert contact.unread == len(behind)
        for head in store.outbox.heads():  # half a step: the next life sends it
            store.outbox.acked(head.number, f"f{head.number:031x}", 1)
        return cursor
    finally:
        store.close()


@pytest.mark.chaos
def test_killed_while_it_writes(tmp_path: Path) -> None:
    moment = random.Random(20)
    path = tmp_path / "alice.db"
    cursor = 0
    for _ in range(KILLS):
        # Given a process that writes; when it is killed; then the store is whole
        _write_until_killed(path, moment)
        cursor = _check(path, cursor)
    assert cursor > KILLS
