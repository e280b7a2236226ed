"""The chat page behind HAProxy, and where WebSocket does not get through."""

from pathlib import Path

from playwright.sync_api import expect

from dev.clients.wire import ok, text_to
from proto import im_pb2
from tests.support.haproxy import HAProxy, behind, running
from tests.support.pagebrowser import Visitors, browser, page_cluster, visitors  # noqa: F401

SILENT_WEBSOCKET = (
    "window.WebSocket = class { constructor() { setTimeout(() => this.onclose?.({})) } close() {} }"
)


def test_behind_haproxy(visitors: Visitors, tmp_path: Path) -> None:
    # Given the platform behind HAProxy, by https with a certificate of its own
    cluster = visitors.cluster
    alice_id, bob_id = cluster.pair()
    with behind(cluster) as platform, running(HAProxy(tmp_path, platform)) as proxy:
        url = f"https://127.0.0.1:{proxy.ports['HTTPS']}"
        alice = visitors.come("Alice", alice_id, url=url, ignore_https_errors=True)
        bob = visitors.come("Bob", bob_id, url=url, ignore_https_errors=True)

        # When two people talk, then it is the same
        alice.open("person", bob_id)
        alice.say("through the proxy")
        bob.row("Alice").click()
        expect(bob.message("through the proxy")).to_be_visible()
        expect(alice.page.locator(".status.read")).to_be_visible()
        visitors.leave()


def test_where_websocket_does_not_get_through(visitors: Visitors) -> None:
    # Given somebody whose proxy ends every WebSocket
    alice_id, bob_id = visitors.cluster.pair()
    bob = visitors.come("Bob", bob_id)
    alice = visitors.come()
    alice.context.add_init_script(SILENT_WEBSOCKET)
    streams: list[str] = []
    alice.page.on("request", lambda request: streams.append(request.url))
    alice.sign_up(alice_id, "Alice")

    # When they talk
    alice.open("person", bob_id)
    alice.say("by other ways")
    bob.row("Alice").click()
    bob.say("they lead here too")

    # Then all of it arrives, by an event stream that a ticket opened
    expect(alice.message("they lead here too")).to_be_visible()
    expect(alice.message("by other ways").locator(".status.read")).to_be_visible()
    assert any("/events?ticket=" in url for url in streams)

    # And she sees whether the other one is there
    detail = alice.page.locator(".pane header .detail")
    expect(detail).to_have_text("online")
    bob.page.goto("about:blank")
    expect(detail).to_contain_text("last seen")
    bob.page.goto(bob.url)
    bob.wait_online()
    bob.open("person", alice_id)
    expect(detail).to_have_text("online")

    # When the network goes and comes back, then it goes on
    alice.expected = ("ERR_INTERNET_DISCONNECTED", "ERR_INCOMPLETE_CHUNKED_ENCODING")
    alice.context.set_offline(True)
    expect(alice.page.locator('.chat[data-state="online"]')).to_have_count(0)
    bob.say("meanwhile")
    alice.context.set_offline(False)
    expect(alice.message("meanwhile")).to_be_visible()


def test_a_busy_server_is_asked_again(visitors: Visitors) -> None:
    # Given a conversation, and a server that refuses to show it for the moment
    alice_id, bob_id = visitors.cluster.pair()
    device = visitors.cluster.short(visitors.cluster.token(bob_id))
    ok(device.call(text_to(alice_id, "patience")))
    busy = im_pb2.HistoryResponse()
    busy.error.code = im_pb2.ERR_UNAVAILABLE
    busy.error.retryable = True
    alice = visitors.come()
    alice.context.add_init_script(SILENT_WEBSOCKET)
    alice.page.route(
        "**/im/history",
        lambda route: route.fulfill(
            body=busy.SerializeToString(), content_type="application/octet-stream"
        ),
        times=1,
    )
    alice.sign_up(alice_id, "Alice")

    # When she opens it
    with alice.page.expect_response("**/im/history"):
        alice.open("person", bob_id)

    # Then it is shown, without anything else that happens
    expect(alice.message("patience")).to_be_visible()


def test_another_device_takes_the_place(visitors: Visitors) -> None:
    # Given a process that lets everybody have one browser, and somebody who is there
    cluster = visitors.cluster
    alice_id, bob_id = cluster.pair()
    cluster.platform.start("web.one", env={"IM_DEVICES_WEB_MAX": "1"})
    try:
        url = cluster.platform.url("web.one")
        first = visitors.come("Bob", bob_id, url=url)

        # When they come with another browser
        second = visitors.come(url=url)
        second.log_in(bob_id)

        # Then the first one is told, and does not fight for the place
        expect(first.page.get_by_role("alert")).to_contain_text("took this one's place")
        expect(first.page.locator('.chat[data-state="closed"]')).to_be_visible()
        ok(cluster.short(cluster.token(alice_id)).call(text_to(bob_id, "where are you?")))
        expect(second.row(alice_id)).to_be_visible()
        expect(first.row(alice_id)).to_have_count(0)

        # When they say that they are here now, then it is theirs again
        first.page.get_by_role("button", name="Use it here").click()
        first.wait_online()
        expect(first.row(alice_id)).to_be_visible()
        expect(second.page.get_by_role("alert")).to_contain_text("took this one's place")
        visitors.leave()
    finally:
        cluster.platform.stop("web.one")
