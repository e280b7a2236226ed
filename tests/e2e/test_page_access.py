"""The chat page without a mouse, without eyes, on a phone, in the dark, and in Chinese."""

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from dev.clients.wire import ok, text_to
from dev.environment import ROOT
from proto import im_pb2
from tests.support.groups import make_group, say
from tests.support.pagebrowser import (  # noqa: F401
    PHONE,
    Visitors,
    browser,
    focused,
    page_cluster,
    tab_to,
    visitors,
)

AXE = ROOT / "client" / "js" / "node_modules" / "axe-core" / "axe.min.js"
GRAVE = ("serious", "critical")


def check(page: Page, where: str) -> None:
    """No finding of axe that keeps somebody from using this."""
    result: Any = page.evaluate("async () => (await axe.run()).violations")
    grave = [
        (one["id"], [node["html"][:200] for node in one["nodes"]])
        for one in result
        if one["impact"] in GRAVE
    ]
    assert not grave, (where, grave)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("locale", ["en-GB", "zh-CN"])
def test_axe_finds_nothing_grave(
    visitors: Visitors,
    scheme: str,
    locale: str,
) -> None:
    # Given somebody with a group, conversations and unread messages; axe needs to be let in
    cluster = visitors.cluster
    alice, bob = cluster.pair()
    caller = cluster.connect(alice)
    group = make_group(caller, [bob])
    ok(caller.call(say(group, "hello")))
    ok(caller.call(text_to(bob, "look at https://example.com/ please")))
    slip = ok(caller.call(text_to(bob, "a slip"))).id
    ok(caller.call(im_pb2.RecallRequest(id=slip)))
    person = visitors.come(color_scheme=scheme, locale=locale, bypass_csp=True)
    person.context.add_init_script(path=str(AXE))
    page = person.page
    page.goto(person.url)
    check(page, "log-in")
    person.sign_up(bob, "Bob")
    check(page, "list")

    # When they look at each thing, then axe finds nothing grave there
    person.open("person", alice)
    expect(page.locator(".message")).to_have_count(2)
    check(page, "conversation")
    page.locator(".pane header button").last.click()
    check(page, "menu")
    page.get_by_role("menuitem").last.click()
    expect(page.get_by_role("alertdialog")).to_be_visible()
    check(page, "question")
    page.keyboard.press("Escape")
    person.say("x" * 9_000)
    expect(page.locator(".refusal button")).to_have_count(2)
    check(page, "refused message")
    person.open("group", group)
    expect(page.locator(".message .avatar")).to_have_count(1)
    page.locator(".composer textarea").press_sequentially("@al")
    expect(page.get_by_role("option")).to_have_count(1)
    check(page, "group with mentions")
    page.keyboard.press("Escape")
    page.locator(".pane header button").last.click()
    page.get_by_role("menuitem").first.click()
    expect(page.locator("dialog .people li")).to_have_count(2)
    check(page, "details")


def test_with_the_keyboard_alone(visitors: Visitors) -> None:
    # Given two people, one without a mouse
    cluster = visitors.cluster
    alice, bob = cluster.pair()
    other = visitors.come("Bob", bob)
    person = visitors.come()
    page, keys = person.page, person.page.keyboard
    other.open("person", alice)

    # When she signs up
    page.goto(person.url)
    expect(page.get_by_label("User id")).to_be_focused()
    tab_to(page, "New here? Sign up")
    keys.press("Enter")
    keys.type(alice)
    keys.press("Tab")
    keys.type("Alice")
    keys.press("Tab")
    keys.type("a password")
    keys.press("Enter")
    person.wait_online()

    # And starts a conversation from the menu, with arrows
    tab_to(page, "New conversation")
    keys.press("Enter")
    expect(page.get_by_role("menuitem", name="New conversation")).to_be_focused()
    keys.press("ArrowDown")
    expect(page.get_by_role("menuitem", name="New group")).to_be_focused()
    keys.press("ArrowUp")
    keys.press("Enter")
    expect(page.get_by_label("User id")).to_be_focused()
    keys.type(bob)
    keys.press("Enter")
    expect(page.locator(".composer textarea")).to_be_focused()
    keys.type("no mouse here")
    keys.press("Enter")

    # Then he has it; and she gets to what she sent, recalls it, and is told
    expect(other.message("no mouse here")).to_be_visible()
    expect(page.locator(".status.sent, .status.read")).to_be_visible()
    tab_to(page, "Actions for this message", back=True)
    keys.press("Enter")
    keys.press("End")
    expect(page.get_by_role("menuitem", name="Recall")).to_be_focused()
    keys.press("Enter")
    expect(other.page.locator(".messages")).to_contain_text("recalled a message")

    # And Escape closes menus and gives the focus back
    tab_to(page, "Menu", back=True)
    keys.press("Enter")
    expect(page.get_by_role("menuitem").first).to_be_focused()
    keys.press("Escape")
    expect(page.get_by_role("menu")).to_have_count(0)
    assert focused(page) == "Menu"


def test_what_comes_is_read_aloud(visitors: Visitors) -> None:
    # Given somebody who is looking at something else
    cluster = visitors.cluster
    alice, bob = cluster.pair()
    visitors.come("Alice", alice)
    person = visitors.come("Bob", bob)

    # When something comes
    ok(cluster.short(cluster.token(alice)).call(text_to(bob, "listen")))

    # Then a live region says it
    expect(person.page.locator('.chat > [aria-live="polite"]')).to_have_text(f"{alice}: listen")


def test_on_a_phone(visitors: Visitors, tmp_path: Path) -> None:
    # Given somebody with a phone
    cluster = visitors.cluster
    alice, bob = cluster.pair()
    person = visitors.come("Bob", bob, viewport=PHONE, is_mobile=True, has_touch=True)
    page = person.page
    caller = cluster.short(cluster.token(alice))
    ok(caller.call(text_to(bob, "W" * 300)))
    ok(caller.call(text_to(bob, "short")))

    # Then the list fills the screen
    row = page.locator(".conversation")
    expect(row.locator(".badge")).to_contain_text("2")
    expect(page.locator("main")).to_be_hidden()

    # When they open a conversation, then that fills it, and nothing is wider than the screen
    row.tap()
    expect(person.message("short")).to_be_in_viewport()
    expect(page.locator(".sidebar")).to_be_hidden()
    widths = (
        "[document.documentElement.scrollWidth, document.querySelector('.scroller').scrollWidth]"
    )
    assert max(page.evaluate(widths)) <= PHONE["width"]
    for control in page.locator(".pane header button, .composer button").all():
        box = control.bounding_box()
        assert box is not None
        assert min(box["width"], box["height"]) >= 40, "large enough for a finger"

    # When they write and send by touch, then go back
    page.locator(".composer textarea").fill("from a phone")
    page.get_by_role("button", name="Send").tap()
    expect(person.message("from a phone")).to_be_in_viewport()
    page.get_by_role("button", name="Back to conversations").tap()

    # Then the list is there again, and "back" of the phone does the same
    expect(row.locator(".line")).to_have_text("You: from a phone")
    row.tap()
    expect(page.locator(".pane")).to_be_visible()
    page.go_back()
    expect(row).to_be_visible()


def test_the_language_follows_the_browser_and_can_be_changed(visitors: Visitors) -> None:
    # Given a Chinese browser
    person = visitors.come(locale="zh-CN")
    page = person.page
    page.goto(person.url)
    expect(page.locator("button[type=submit]")).to_have_text("登录")
    assert page.evaluate("document.documentElement.lang") == "zh-CN"
    person.sign_up(visitors.cluster.person(), "王芳")
    expect(page.get_by_role("status").first).to_have_text("已连接")

    # When another language is chosen, then it is used at once, and still after a refresh
    page.get_by_role("button", name="菜单").first.click()
    page.get_by_role("menuitem", name="English").click()
    expect(page.get_by_role("status").first).to_have_text("Connected")
    page.reload()
    expect(page.get_by_role("status").first).to_have_text("Connected")
