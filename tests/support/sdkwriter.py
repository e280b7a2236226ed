"""Writes into a client's store until it is killed: `python -m tests.support.sdkwriter PATH`.

Every step is one update as a connection makes them: messages with their cursor, outbox, read
positions, events told. After each it prints how far it is, so who kills it knows that it writes.
"""

import itertools
import sys

from im_client._proto import im_pb2
from im_client.model import Conversation
from im_client.store import Store

PIECE = 7
BOB = Conversation.person("bob")


def message(version: int) -> im_pb2.Message:
    """The message with this version: every fifth recalls the one five before it."""
    number = version - 5 if version % 5 == 0 and version > 5 else version
    made = im_pb2.Message(
        id=f"{number:032x}", version=version, sender="bob", receiver="alice", send_time=version
    )
    if number == version:
        made.content.text.text = "x" * 300
    else:
        made.withdraw_time = version
    return made


def write(store: Store) -> None:
    """One step after the other, for ever."""
    for step in itertools.count():
        start = store.logs.cursor + 1
        store.logs.take([message(version) for version in range(start, start + PIECE)])
        key = store.outbox.put(BOB, im_pb2.Content(text=im_pb2.Text(text="mine")), step)
        (head,) = store.outbox.heads()
        store.outbox.acked(head.number, f"f{head.number:031x}", step)
        store.conversations.read(BOB, "alice", f"{start:032x}")
        for event in store.next_events(3):
            store.told(event.number)
        print(step, key, flush=True)


if __name__ == "__main__":
    write(Store(sys.argv[1], "alice"))
