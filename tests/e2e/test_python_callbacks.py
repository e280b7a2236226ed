"""What callbacks are told when the process dies; the guarantee is in docs/python-sdk.md."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from dev.environment import ROOT
from im_client import Closed, MessageEvent
from tests.support.sdkphones import Phones, phones, platform_for_sdks  # noqa: F401

_DIES_IN_A_CALLBACK = """
import os, sys
from im_client import Client, MessageEvent, Options
user, token, endpoint, store, die = sys.argv[1:]
def told(event):
    print(event.number, event.message.text, flush=True)
    if die == "yes":
        os._exit(1)
client = Client(user, token, [endpoint], store=store, options=Options(platform="web"))
client.on(MessageEvent, told)
client.start()
client.wait_ready()
print("ready", flush=True)
sys.stdin.read()
client.close()
"""


def test_a_process_that_dies_in_a_callback_is_told_again_under_the_same_number(
    phones: Phones, tmp_path: Path
) -> None:
    alice, bob = phones.cluster.pair()
    writer = phones.start(bob)
    endpoint = f"tcp://127.0.0.1:{phones.cluster.platform.port('gateway')}"
    store = str(tmp_path / "dies.db")
    token = phones.cluster.token(alice)

    def run(die: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", _DIES_IN_A_CALLBACK, alice, token, endpoint, store, die],
            env={"PYTHONPATH": str(ROOT / "client/python")},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    # Given a process that dies while its callback handles the first message
    with run("yes") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        writer.send_text(alice, "one")
        number, text = process.stdout.readline().split()
        assert process.wait(30) == 1
    writer.wait_acked(writer.send_text(alice, "two"))
    # When it starts again
    with run("no") as process:
        assert process.stdout is not None
        told = [
            line for line in (process.stdout.readline() for _ in range(3)) if "ready" not in line
        ]
        process.communicate("")
    # Then that message is told once more, by the number it had, and the next after it
    assert told[0].split() == [number, text]
    assert told[1].split()[1] == "two"
    assert int(told[1].split()[0]) > int(number)
    assert process.returncode == 0


def test_closing_lets_the_callback_finish(phones: Phones) -> None:
    alice, bob = phones.cluster.pair()
    writer, reader = phones.start(bob), phones.make(alice)
    entered, leave, left = threading.Event(), threading.Event(), threading.Event()

    def slow(event: MessageEvent) -> None:
        entered.set()
        assert leave.wait(30)
        left.set()

    reader.on(MessageEvent, slow)
    reader.start()
    reader.wait_ready()
    writer.wait_acked(writer.send_text(alice, "one"))
    assert entered.wait(30)
    # When the client is closed while a callback runs
    closing = threading.Thread(target=reader.close)
    closing.start()
    assert not left.is_set()
    leave.set()
    closing.join(30)
    # Then that callback has returned, and is not told again
    assert left.is_set()
    again = phones.start(alice)
    writer.wait_acked(writer.send_text(alice, "two"))
    phones.wait_texts(again, "two")


def test_a_callback_may_close_the_client(phones: Phones) -> None:
    alice, bob = phones.cluster.pair()
    writer, reader = phones.start(bob), phones.make(alice)
    closed = threading.Event()

    def close(event: MessageEvent) -> None:
        reader.close()
        closed.set()

    reader.on(MessageEvent, close)
    reader.start()
    reader.wait_ready()
    writer.wait_acked(writer.send_text(alice, "one"))
    assert closed.wait(30)
    with pytest.raises(Closed):
        reader.send_text(bob, "too late")
    # It was told what it closed over
    again = phones.start(alice)
    writer.wait_acked(writer.send_text(alice, "two"))
    phones.wait_texts(again, "two")
