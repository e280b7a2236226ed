"""Which addresses the client tries, and in which order."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from im_client import addressbook
from im_client._proto import im_pb2
from im_client.addressbook import AddressBook
from im_client.endpoints import Endpoint
from im_client.local import Local

TLS = Endpoint.parse("tls://im.example.com:8003")
WSS = Endpoint.parse("wss://im.example.com")
HTTPS = Endpoint.parse("https://im.example.com")
GIVEN = [TLS, WSS, HTTPS]


@pytest.fixture
def local(tmp_path: Path) -> Iterator[Local]:
    opened = Local(tmp_path / "alice.db", "alice")
    yield opened
    opened.close()


def address(url: str) -> im_pb2.Address:
    scheme, _, rest = url.partition("://")
    host, _, port = rest.rpartition(":")
    return im_pb2.Address(scheme=scheme, host=host.strip("[]"), port=int(port))


def take(book: AddressBook, listed: list[str], backups: list[str] | None = None) -> None:
    asyncio.run(book.take(map(address, listed), map(address, backups or []), WSS))


def urls(book: AddressBook) -> list[str]:
    return [one.url for one in book.order()]


def test_what_is_listed_comes_behind_what_is_given_and_backups_last(local: Local) -> None:
    book = AddressBook(GIVEN, local)
    take(
        book,
        ["https://b.example.com:443", "tls://[2001:db8::1]:9", "tls://im.example.com:8003"],
        ["wss://spare.example.com:443", "tls://:7"],
    )
    assert urls(book) == [
        *(one.url for one in GIVEN),
        "tls://[2001:db8::1]:9",
        "https://b.example.com:443",
        "tls://im.example.com:7",  # without a host: where it was asked
        "wss://spare.example.com:443/ws",
    ]


def test_a_host_that_can_have_no_address_is_not_taken(local: Local) -> None:
    book = AddressBook(GIVEN, local)
    take(book, ["tls://im..example.com:8002", f"tls://{'x' * 64}.example.com:1", "tls://[::1]:2"])
    assert urls(book) == [*(one.url for one in GIVEN), "tls://[::1]:2"]


def test_nobody_is_led_from_tls_to_plain_text(local: Local) -> None:
    book = AddressBook(GIVEN, local)
    take(
        book,
        ["tcp://im.example.com:8002", "ws://im.example.com:80", "http://im.example.com:80"],
        ["carrier-pigeon://im.example.com:1"],
    )
    assert book.order() == GIVEN


def test_one_that_failed_is_tried_last_for_a_while(
    local: Local, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr(addressbook.time, "monotonic", lambda: now)
    book = AddressBook(GIVEN, local)
    book.failed(TLS)
    assert book.order() == [WSS, HTTPS, TLS]
    now += addressbook.FORGIVEN_S
    assert book.order() == GIVEN
    book.failed(WSS)
    book.answered(WSS)
    assert book.order() == GIVEN
    book.failed(TLS)
    book.forgive()
    assert book.order() == GIVEN


def test_better_is_a_transport_that_comes_earlier_and_no_backup(local: Local) -> None:
    book = AddressBook(GIVEN, local)
    take(book, ["tls://b.example.com:8003"], ["tls://spare.example.com:8003"])
    listed, spare = (Endpoint.parse(f"tls://{name}.example.com:8003") for name in ("b", "spare"))
    assert book.better(TLS) == []
    assert book.better(listed) == [], "another server is no better"
    assert book.better(WSS) == [TLS, listed]
    assert book.better(HTTPS) == [TLS, WSS, listed]
    assert book.better(spare) == [*GIVEN, listed]


def test_the_list_is_there_at_the_next_start(local: Local) -> None:
    take(AddressBook(GIVEN, local), ["tls://b.example.com:8003"], ["tls://c.example.com:8003"])
    book = AddressBook([TLS], local)
    assert book.order() == [TLS]
    asyncio.run(book.load())
    assert urls(book) == [TLS.url, "tls://b.example.com:8003", "tls://c.example.com:8003"]
    asyncio.run(AddressBook([WSS], local).load())  # given others now: of no use


def test_a_disk_that_is_full_ends_nothing(local: Local, caplog: pytest.LogCaptureFixture) -> None:
    # Given a store that takes nothing more
    local.store._db.run("PRAGMA query_only=ON")
    # When a server lists addresses, then they are used all the same, and the log says why not kept
    book = AddressBook(GIVEN, local)
    take(book, ["tls://b.example.com:8003"])
    assert "tls://b.example.com:8003" in urls(book)
    assert "the list of addresses cannot be kept" in caplog.text
