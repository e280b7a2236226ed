"""What callbacks are told when the process dies; the guarantee is in docs/python-sdk.md."""

import subprocess
import sys
from pathlib import Path

from dev.environment import ROOT
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
