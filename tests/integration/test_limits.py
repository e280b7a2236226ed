"""Large mailboxes and many clients at once: pages and frames keep their size, resends their ack."""

import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from dev.clients.wait import wait_until
from dev.clients.wire import ok, sync_all, text_to
from dev.clients.ws import WebSocketClient
from proto import im_pb2
from tests.support.cluster import Cluster

PEERS = 120


def test_pages_of_large_messages_fit_into_frames(cluster: Cluster) -> None:
    """The client refuses frames over 64 KiB."""
    # Given: contents of every size up to the largest
    alice, bob = cluster.pair("other database")
    client, watcher = cluster.connect(alice), cluster.connect(bob)
    sizes = [1, 16_000, 8_000, 16_384, 100, 16_384, 16_384, 15_000, 4_000] * 3
    sent = []
    for n, size in enumerate(sizes):
        request = im_pb2.SendRequest(receiver=bob, sequence=f"{n}")
        request.content.custom.type = "test"
        request.content.custom.data = bytes(size)
        sent.append(ok(client.call(request)).id)

    # Then: pushes, sync and history carry all of it
    for identifier in sent:
        watcher.wait_message(identifier)
    for reader, peer in ((client, bob), (watcher, alice)):
        assert [m.id for m in sync_all(reader)] == sent
        assert [m.id for m in sync_all(reader, limit=500)] == sent
        assert _history(reader, peer) == sent[::-1]


def test_pages_of_contacts_fit_into_frames(cluster: Cluster) -> None:
    # Given: many contacts with large profiles and large last messages
    alice = cluster.person("alice")
    client = cluster.connect(alice)
    peers = [cluster.person("peer") for _ in range(PEERS)]
    database = cluster.platform.logs / "usercenter.db"
    with sqlite3.connect(database, timeout=10) as users:
        users.executemany(
            "INSERT INTO users (user, password, name, avatar) VALUES (?, '', ?, ?)",
            [(peer, "Ä" * 128, f"https://a.example/{'x' * 1000}") for peer in peers],
        )
    users.close()
    seqs = [client.post(text_to(peer, "x" * (n * 60 + 1))) for n, peer in enumerate(peers)]
    for seq in seqs:
        ok(client.answer(seq).body)
    wait_until(lambda: len(_contacts(client)) == PEERS)

    # Then: in pages, each contact once, newest first, with its profile
    listed = _contacts(client)
    assert [contact.peer for contact in listed] == peers[::-1]
    assert all(contact.profile.avatar for contact in listed)


@pytest.mark.parametrize("apart", ["same shard", "other database"])
def test_resends_at_the_same_moment_get_one_ack(cluster: Cluster, apart: str) -> None:
    # Given: devices of one user on two web processes
    alice, bob = cluster.pair(apart)  # type: ignore[arg-type]
    watcher = cluster.connect(bob)
    devices = [cluster.connect(alice, web) for web in ("web", "web.2", "web", "web.2")]
    requests = [text_to(bob, f"number {n}", f"{n}") for n in range(50)]
    together = threading.Barrier(len(devices))

    def send_all(device: WebSocketClient) -> list[str]:
        together.wait()
        seqs = [device.post(request) for request in requests]
        return [ok(device.answer(seq).body).id for seq in seqs]

    # When
    with ThreadPoolExecutor(len(devices)) as pool:
        answers = list(pool.map(send_all, devices))

    # Then: everybody heard the same, and each is there once
    assert all(ids == answers[0] for ids in answers)
    assert len(set(answers[0])) == len(requests)
    for identifier in answers[0]:
        watcher.wait_message(identifier)
    assert sorted(m.id for m in sync_all(watcher)) == sorted(answers[0])
    assert sorted(m.id for m in sync_all(devices[0])) == sorted(answers[0])


def _history(client: WebSocketClient, peer: str) -> list[str]:
    seen: list[str] = []
    while True:
        before = seen[-1] if seen else ""
        page = ok(client.call(im_pb2.HistoryRequest(peer=peer, before=before, limit=500)))
        seen += [message.id for message in page.messages]
        if not page.more:
            return seen
        assert page.messages


def _contacts(client: WebSocketClient) -> list[im_pb2.Contact]:
    listed: list[im_pb2.Contact] = []
    before = ""
    while True:
        page = ok(client.call(im_pb2.ContactsRequest(before=before, limit=500)))
        listed += page.contacts
        if not page.more:
            return listed
        assert page.contacts
        before = listed[-1].last.id
