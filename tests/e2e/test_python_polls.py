"""What the Python SDK asks for between long polls."""

from dev.clients.wait import wait_until
from im_client import FrameEvent, im_pb2
from tests.support.sdkphones import Phones, phones, platform_for_sdks  # noqa: F401

POLL = 0  # the number a poll is shown by


def test_quiet_polls_do_not_read_the_contact_list_again_and_again(phones: Phones) -> None:
    alice, bob = phones.cluster.pair()
    asked: list[int] = []

    def see(event: FrameEvent) -> None:
        if event.outgoing:
            asked.append(event.cmd)

    def quiet_polls(count: int) -> None:
        enough = asked.count(POLL) + count
        wait_until(lambda: asked.count(POLL) >= enough, what="polls")

    # Given a client on long polls, whose contact list was read, and once more for what fell between
    web = f"http://127.0.0.1:{phones.cluster.platform.port()}"
    client = phones.make(alice, endpoint=web, poll_s=1)
    client.watch_frames(see)
    client.start()
    client.wait_ready()
    wait_until(lambda: asked.count(im_pb2.CMD_CONTACTS) >= 2, what="a look after a quiet poll")
    # When nothing happens, then it is not read any more
    quiet_polls(3)
    assert asked.count(im_pb2.CMD_CONTACTS) == 2
    # When a message came, then it is read once, since a receipt may have been missed
    phones.start(bob).send_text(alice, "hello")
    phones.wait_texts(client, "hello")
    wait_until(lambda: asked.count(im_pb2.CMD_CONTACTS) >= 3, what="a look after the message")
    quiet_polls(3)
    assert asked.count(im_pb2.CMD_CONTACTS) == 3
