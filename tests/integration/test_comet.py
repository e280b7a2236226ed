"""Long polls: what they answer, and when. How they end early is in test_comet_ends.py."""

import threading
from collections.abc import Iterator

import pytest

from dev.clients.wait import DEADLINE_S, wait_until
from dev.clients.wire import ok, sync_all, text_to
from proto import im_pb2
from tests.support.cluster import Cluster
from tests.support.parked import parked
from tests.support.polls import check_ascending

LONG_S = 20
HURRIED = "web.hurried-polls"


@pytest.fixture(scope="module")
def hurried(shared_cluster: Cluster) -> Iterator[str]:
    """A web process that lets nobody wait for more than a second."""
    shared_cluster.platform.start(HURRIED, env={"IM_COMET_WAIT_S": "1"})
    yield HURRIED
    shared_cluster.platform.stop(HURRIED)


def test_a_poll_answers_at_once_when_there_is_something(cluster: Cluster) -> None:
    # Given
    alice, bob = cluster.pair()
    sender, watcher = cluster.connect(alice), cluster.connect(bob)
    answer = ok(sender.call(text_to(bob, "early")))
    watcher.wait_message(answer.id)

    # When
    for json in (True, False):
        polled = ok(cluster.polls(bob, json=json).poll(0, wait_s=LONG_S))

        # Then
        assert [m.id for m in polled.messages] == [answer.id]
        assert polled.since == polled.messages[-1].version
        assert not polled.more


@pytest.mark.parametrize("json", [True, False], ids=["json", "protobuf"])
def test_a_poll_that_hears_nothing_says_so(cluster: Cluster, json: bool) -> None:
    # Given: one with an empty mailbox, one who knows all of his
    alice, bob = cluster.pair()
    last = _delivered(cluster, alice, bob, 1)
    for user, since in ((cluster.person(), 0), (bob, last), (bob, last + 1000)):
        # When
        polls = cluster.polls(user, json=json)
        answer = ok(polls.poll(since, wait_s=1))

        # Then: nothing, and the cursor it came with
        assert polls.status == 200
        assert (answer.since, answer.more) == (since, False)
        assert not answer.messages
        assert not answer.events


def test_a_wait_beyond_the_longest_is_cut(cluster: Cluster, hurried: str) -> None:
    """The client here would give up long before the wait it asks for is over."""
    for wait_s in (0, 1_000_000, 2**32 - 1):
        answer = ok(cluster.polls(cluster.person(), hurried).poll(0, wait_s=wait_s))
        assert not answer.messages


def test_who_is_far_behind_reads_page_by_page(cluster: Cluster) -> None:
    # Given: more than one answer holds
    alice, bob = cluster.pair("other database")
    _delivered(cluster, alice, bob, 250)
    polls = cluster.polls(bob)

    # When
    since, pages, shown = 0, 0, []
    while True:
        answer = ok(polls.poll(since, wait_s=LONG_S))
        assert check_ascending(answer.messages, since) == answer.since
        shown += answer.messages
        since, pages = answer.since, pages + 1
        if not answer.more:
            break

    # Then: all of it, in pages that a frame could carry
    assert pages > 2
    assert shown == sync_all(cluster.connect(bob))
    assert len(shown) == 250


def test_what_is_sent_meanwhile_ends_the_wait(cluster: Cluster) -> None:
    alice, bob = cluster.pair("other database")
    sender = cluster.connect(alice)
    device = cluster.comet(bob)
    for n in range(5):
        answer = ok(sender.call(text_to(bob, f"{n}")))
        message = device.wait_message(answer.id)
        assert message.content.text.text == f"{n}"
    assert [m.content.text.text for m in device.messages()] == [f"{n}" for n in range(5)]


@pytest.mark.parametrize("json", [True, False], ids=["json", "protobuf"])
def test_a_waiting_poll_hears_of_other_processes(cluster: Cluster, json: bool) -> None:
    # Given
    alice, bob = cluster.pair("other database")
    sender = cluster.connect(alice, "web.2")
    polls = cluster.polls(bob, "web", json=json)

    # When
    with parked(cluster, bob, lambda: polls.poll(0, wait_s=LONG_S)) as answer:
        sent = ok(sender.call(text_to(bob, "there you are")))

        # Then
        (message,) = ok(answer.result(DEADLINE_S)).messages
    assert (message.id, message.content.text.text) == (sent.id, "there you are")


def test_a_recall_ends_the_wait(cluster: Cluster) -> None:
    # Given: a poll that knows the message
    alice, bob = cluster.pair("other database")
    since = _delivered(cluster, alice, bob, 1)
    (message,) = sync_all(cluster.short(cluster.token(bob)))
    polls = cluster.polls(bob)

    # When
    with parked(cluster, bob, lambda: polls.poll(since, wait_s=LONG_S)) as answer:
        recalled = ok(cluster.connect(alice).call(im_pb2.RecallRequest(id=message.id)))

        # Then
        (wiped,) = ok(answer.result(DEADLINE_S)).messages
    assert (wiped.id, wiped.withdraw_time) == (message.id, recalled.withdraw_time)
    assert wiped.version > since
    assert not wiped.content.WhichOneof("body")


def test_events_end_the_wait(cluster: Cluster) -> None:
    # Given
    alice, bob = cluster.pair("other database")
    since = _delivered(cluster, alice, bob, 2)
    last = sync_all(cluster.short(cluster.token(bob)))[-1].id
    peer, own = cluster.short(cluster.token(alice)), cluster.short(cluster.token(bob))
    polls = cluster.polls(bob)
    for caller, request, name in (
        (peer, im_pb2.TypingRequest(receiver=bob), "typing"),
        (own, im_pb2.ReadRequest(peer=alice, id=last), "read"),
        (own, im_pb2.DeleteConversationRequest(peer=alice), "conversations"),
    ):
        # When
        with parked(cluster, bob, lambda: polls.poll(since, wait_s=LONG_S)) as result:
            ok(caller.call(request))
            answer = ok(result.result(DEADLINE_S))

        # Then: the event alone, and the cursor stays
        (event,) = answer.events
        assert event.WhichOneof("body") == name
        assert (answer.since, len(answer.messages)) == (since, 0)
        if name == "typing":
            assert event.typing.sender == alice
        elif name == "read":
            assert (event.read.reader, event.read.id, event.read.unread) == (bob, last, 0)
        else:
            assert event.conversations.peer == alice


def test_polls_that_hop_between_processes_miss_and_repeat_nothing(cluster: Cluster) -> None:
    # Given: one writes on and on
    alice, bob = cluster.pair("other database")
    sender = cluster.connect(alice)
    sent: list[str] = []

    def send() -> None:
        for n in range(200):
            sent.append(ok(sender.call(text_to(bob, f"number {n}"))).id)

    thread = threading.Thread(target=send)
    thread.start()

    # When: every poll goes to the other process
    hops = [cluster.polls(bob, web) for web in ("web", "web.2")]
    since = 0
    shown: list[str] = []

    def poll() -> bool:
        nonlocal since
        hops.reverse()
        answer = ok(hops[0].poll(since, wait_s=1, device="phone"))
        since = check_ascending(answer.messages, since)
        assert answer.since == since
        shown.extend(message.id for message in answer.messages)
        return len(shown) >= 200

    wait_until(poll, what="200 messages")
    thread.join()

    # Then
    assert shown == sent


def _delivered(cluster: Cluster, sender: str, receiver: str, count: int) -> int:
    """Let messages arrive; the receiver's version then."""
    with cluster.connect(sender) as client, cluster.connect(receiver) as watcher:
        seqs = [client.post(text_to(receiver, f"number {n}")) for n in range(count)]
        for seq in seqs:
            watcher.wait_message(ok(client.answer(seq).body).id)
        return int(watcher.messages()[-1].version)
