"""What the chat page must not do: run what others wrote, leak tokens, load from anywhere."""

import re

import pytest
import requests
from playwright.sync_api import expect

from dev.clients.wire import ok, text_to
from tests.support.cluster import Cluster
from tests.support.pagebrowser import Visitors, browser, page_cluster, visitors  # noqa: F401
from web.pages import ASSETS

HOSTILE = (
    "<img src=x onerror=\"document.title='broken'\">",
    "<script>document.title = 'broken'</script>",
    "</p></li></ol><h1>broken</h1>",
    "javascript:document.title='broken'",
    "<a href=\"javascript:document.title='broken'\">click</a>",
    "&lt;b&gt; &amp; \u202e gnp.exe",
    "{{constructor.constructor('document.title=1')()}}",
    "https://example.com/?q=\"><script>document.title='broken'</script>",
)


def test_what_others_write_stays_text(visitors: Visitors) -> None:
    # Given somebody whose name and messages are markup
    cluster = visitors.cluster
    alice, bob = cluster.pair()
    mallory = visitors.come("<b onmouseover=alert(1)>Mallory</b>", alice)
    person = visitors.come("Bob", bob)

    # When those are shown, from history and as they come, by both
    caller = cluster.short(cluster.token(alice))
    for text in HOSTILE[:4]:
        ok(caller.call(text_to(bob, text)))
    person.open("person", alice)
    expect(person.page.locator(".message")).to_have_count(4)
    mallory.open("person", bob)
    for text in HOSTILE[4:]:
        mallory.say(text)
    expect(person.page.locator(".message")).to_have_count(len(HOSTILE))

    # Then they are there letter by letter, and nothing of them became an element
    for one in (person, mallory):
        page = one.page
        texts = page.locator(".message .text").all_text_contents()
        assert texts == list(HOSTILE)
        assert page.locator(".message :is(script, img, h1, b)").count() == 0
        links = page.locator(".message a").evaluate_all("all => all.map(link => link.href)")
        assert all(link.startswith("https://example.com/") for link in links), links
        assert "broken" not in page.title()
    expect(person.page.locator(".pane h2")).to_have_text("<b onmouseover=alert(1)>Mallory</b>")


def test_ids_in_the_address_stay_text(visitors: Visitors) -> None:
    # Given an address somebody made up
    person = visitors.come("Bob")

    # When it is opened
    for hash_ in ("#/person/%3Cimg%20src=x%3E", "#/person/%E0%A4%A", "#/nowhere/x", "#//"):
        person.page.evaluate("hash => { location.hash = hash }", hash_)

        # Then there is a conversation of that name, or none
        assert person.page.locator("main img").count() == 0


def test_tokens_are_never_in_addresses(visitors: Visitors) -> None:
    # Given everything a page asks for, from log-in to log-out
    person = visitors.come()
    addresses: list[str] = []
    person.page.on("request", lambda request: addresses.append(request.url))
    person.page.on("websocket", lambda socket: addresses.append(socket.url))
    person.sign_up(visitors.cluster.person(), "Bob")
    token = person.page.evaluate("JSON.parse(sessionStorage.getItem('im.session')).token")
    person.page.reload()
    person.wait_online()
    person.page.get_by_role("button", name="Menu").first.click()
    person.page.get_by_role("menuitem", name="Log out").click()
    expect(person.page.get_by_role("button", name="Log in")).to_be_visible()

    # Then no address held the token, and nothing of it is left
    assert any(url.startswith("ws://") for url in addresses)
    assert len(token) > 20
    assert not [url for url in addresses if token in url or token[-20:] in url]
    assert (
        person.page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}])").find(token)
        == -1
    )


def test_who_is_logged_out_is_asked_to_log_in_again(visitors: Visitors) -> None:
    # Given somebody in the chat
    cluster = visitors.cluster
    user = cluster.person()
    person = visitors.come("Bob", user)

    # When the user centre takes their tokens back
    cluster.usercenter("/revoke", {"user": user})

    # Then they are asked to log in, and told why
    expect(person.page.get_by_role("alert")).to_have_text("You were logged out. Log in again.")
    expect(person.page.get_by_role("button", name="Log in")).to_be_visible()


def test_a_wrong_password_is_refused(visitors: Visitors) -> None:
    person = visitors.come()
    person.expected = ("401", "409")
    page = person.page
    page.goto(person.url)
    page.get_by_label("User id").fill("nobody-here")
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("alert")).to_have_text("No such user, or the password is wrong.")


@pytest.mark.parametrize("path", ["/", *(f"/page/{name}" for name in ASSETS)])
def test_headers(page_cluster: Cluster, path: str) -> None:
    # When anything of the page is asked for
    answer = requests.get(page_cluster.platform.url() + path, timeout=10)

    # Then nothing inline, no plug-ins, no frames, nothing guessed, nothing told to others
    assert answer.status_code == 200
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'; ")
    assert "unsafe" not in policy
    for part in ("frame-ancestors 'none'", "base-uri 'none'", "require-trusted-types-for 'script'"):
        assert part in policy
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Content-Encoding"] == "gzip"

    # And asked for again, it is not sent again
    again = requests.get(
        page_cluster.platform.url() + path,
        headers={"If-None-Match": answer.headers["ETag"]},
        timeout=10,
    )
    assert again.status_code == 304
    plain = requests.get(
        page_cluster.platform.url() + path, headers={"Accept-Encoding": "identity"}, timeout=10
    )
    assert plain.content == answer.content
    assert plain.headers["ETag"] != answer.headers["ETag"]


def test_nothing_inline_in_the_document(page_cluster: Cluster) -> None:
    text = requests.get(page_cluster.platform.url(), timeout=10).text
    assert not re.search(r"<style|style=|\son\w+=|<script(?! type=\"module\" src=)", text)


def test_no_page_without_a_user_centre_for_it(page_cluster: Cluster) -> None:
    # Given a process that is told of none
    platform = page_cluster.platform
    platform.start("web.bare", env={"IM_PAGE_USERCENTER_URL": ""})
    try:
        # Then there is no page
        for path in ("/", "/page/chat.js"):
            assert requests.get(platform.url("web.bare") + path, timeout=10).status_code == 404
    finally:
        platform.stop("web.bare")
