"""What somebody wrote on the chat page and the server has not stored is never lost silently."""

import pytest
from playwright.sync_api import expect

from dev.clients.wait import wait_until
from dev.clients.wire import ok, text_to
from proto import im_pb2
from tests.support.pagebrowser import (  # noqa: F401
    PHONE,
    Visitors,
    browser,
    focused,
    page_cluster,
    tab_to,
    visitors,
)


def test_another_language_keeps_what_waits(visitors: Visitors) -> None:
    # Given somebody who writes without a network
    alice, bob, alice_id, bob_id = visitors.two()
    bob.open("person", alice_id)
    alice.open("person", bob_id)
    bob.go_offline()
    bob.say("one")
    bob.say("two")

    # When they want another language, then what they wrote is still there
    bob.choose("Menu", "中文")
    expect(bob.page.get_by_placeholder("输入消息")).to_be_visible()
    expect(bob.page.locator(".message .text")).to_have_text(["one", "two"])
    expect(bob.page.locator(".status.sending")).to_have_count(2)

    # And it is sent, in order and once, when the network is back
    bob.come_back()
    expect(alice.page.locator(".message .text")).to_have_text(["one", "two"])
    expect(bob.page.locator(".status.read")).to_have_count(2)
    bob.say("three")
    expect(alice.page.locator(".message .text")).to_have_text(["one", "two", "three"])
    expect(bob.page.locator(".message .text")).to_have_text(["one", "two", "three"])


def test_what_was_under_way_is_not_doubled(visitors: Visitors) -> None:
    # Given a message the server has got and not answered
    alice, bob, alice_id, bob_id = visitors.two()
    alice.open("person", bob_id)
    bob.open("person", alice_id)
    platform = visitors.cluster.platform
    platform.pause("web")
    bob.say("once")
    expect(bob.page.locator(".status.sending")).to_have_count(1)

    # When the page gets another client meanwhile, which sends it again
    bob.choose("Menu", "中文")
    platform.resume("web")
    bob.wait_online()

    # Then it is there once, for both and in the history
    expect(bob.page.locator(".status.read")).to_have_count(1)
    bob.say("and another")
    for person in (alice, bob):
        expect(person.page.locator(".message .text")).to_have_text(["once", "and another"])
    alice.page.reload()
    expect(alice.page.locator(".message .text")).to_have_text(["once", "and another"])


def test_log_out_asks_first(visitors: Visitors) -> None:
    # Given somebody with a message that waits, and a draft
    alice, bob, alice_id, bob_id = visitors.two()
    alice.open("person", bob_id)
    bob.open("person", alice_id)
    bob.go_offline()
    bob.say("not yet")
    bob.page.locator(".composer textarea").fill("half a thought")

    # When they log out, then they are asked, in their language, and stay unless they mean it
    bob.choose("Menu", "Log out")
    dialog = bob.page.get_by_role("alertdialog", name="Log out")
    expect(dialog).to_contain_text("Messages that are not sent yet: 1. They will be lost.")
    expect(dialog.get_by_role("button", name="Cancel")).to_be_focused()
    bob.page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    assert focused(bob.page) == "Menu"
    bob.choose("Menu", "中文")
    bob.choose("菜单", "退出登录")
    dialog = bob.page.get_by_role("alertdialog", name="退出登录")
    expect(dialog).to_contain_text("有 1 条消息尚未发送")
    dialog.get_by_role("button", name="取消").click()
    expect(bob.message("not yet").locator(".status.sending")).to_be_visible()

    # When they mean it, then they are out, and nothing of theirs is left for whoever comes
    bob.choose("菜单", "退出登录")
    bob.page.get_by_role("alertdialog").get_by_role("button", name="退出登录").click()
    expect(bob.page.locator("#login-user")).to_be_visible()
    bob.context.set_offline(False)
    bob.page.locator("#login-user").fill(alice_id)
    bob.page.locator("#login-password").fill("a password of tests")
    bob.page.locator("button[type=submit]").click()
    bob.wait_online()
    bob.open("person", bob_id)
    expect(bob.page.locator(".composer textarea")).to_have_value("")
    bob.say("somebody else")
    expect(alice.page.locator(".message .text")).to_have_text(["somebody else"])


def test_log_out_with_nothing_unsent_asks_nothing(visitors: Visitors) -> None:
    person = visitors.come("Bob")
    person.choose("Menu", "Log out")
    expect(person.page.get_by_role("button", name="Log in")).to_be_visible()


def test_who_must_log_in_again_loses_nothing(visitors: Visitors) -> None:
    # Given somebody who wrote without a network, and whose tokens were taken back meanwhile
    alice, bob, alice_id, bob_id = visitors.two()
    alice.open("person", bob_id)
    bob.open("person", alice_id)
    bob.go_offline()
    bob.say("from before")
    token = bob.page.evaluate("JSON.parse(sessionStorage.getItem('im.session')).token")
    short = visitors.cluster.short(token)
    visitors.cluster.usercenter("/revoke", {"user": bob_id})
    wait_until(lambda: short.call(im_pb2.VersionsRequest()).error.code, what="the refusal")

    # When the network is back, then they are told to log in, and what for
    bob.context.set_offline(False)
    notice = bob.page.get_by_role("alert")
    expect(notice).to_contain_text("Messages that are not sent yet: 1.")
    expect(notice).to_contain_text(f"when {bob_id} logs in again")

    # When they do, then it is sent
    bob.page.locator("#login-user").fill(bob_id)
    bob.page.locator("#login-password").fill("a password of tests")
    bob.page.locator("button[type=submit]").click()
    expect(alice.page.locator(".message .text")).to_have_text(["from before"])
    expect(bob.page.locator(".message .text")).to_have_text(["from before"])
    expect(bob.page.locator(".status.read")).to_have_count(1)


def test_a_refused_message_stays_where_it_was_written(visitors: Visitors) -> None:
    # Given somebody who is refused between two messages that are not
    alice, bob, alice_id, bob_id = visitors.two()
    cluster = visitors.cluster
    his = cluster.short(cluster.token(bob_id))
    alice.open("person", bob_id)
    alice.say("before")
    expect(alice.page.locator(".status.sent")).to_have_count(1)
    ok(his.call(im_pb2.BlockRequest(user=alice_id)))
    alice.say("refused")
    alice.say("refused, too")
    expect(alice.page.locator(".messages .problem")).to_have_count(2)
    ok(his.call(im_pb2.UnblockRequest(user=alice_id)))

    # When the conversation goes on
    ok(his.call(text_to(alice_id, "his")))
    expect(alice.message("his")).to_be_visible()
    alice.say("after")
    expect(alice.message("after").locator(".status.sent")).to_be_visible()

    # Then it stays in its place, also in another language and when one looks elsewhere
    places = ["before", "refused", "refused, too", "his", "after"]
    expect(alice.page.locator(".message .text")).to_have_text(places)
    alice.page.evaluate("() => { location.hash = '' }")
    alice.choose("Menu", "中文")
    alice.wait_online()
    alice.open("person", bob_id)
    expect(alice.page.locator(".message .text")).to_have_text(places)
    expect(alice.page.locator(".messages .problem").first).to_have_text("未发送:对方不接收你的消息")

    # When she tries one again, by keyboard, then it is sent, and is where it was sent
    tab_to(alice.page, "重试: refused", back=True)
    alice.page.keyboard.press("Enter")
    expect(alice.message("refused").locator(".status.sent")).to_be_visible()
    expect(alice.page.locator(".composer textarea")).to_be_focused()
    places = ["before", "refused, too", "his", "after", "refused"]
    expect(alice.page.locator(".message .text")).to_have_text(places)

    # When she removes the other, then it is gone, and was never his
    tab_to(alice.page, "移除: refused, too", back=True)
    alice.page.keyboard.press("Enter")
    expect(alice.message("refused, too")).to_have_count(0)
    expect(alice.page.locator(".composer textarea")).to_be_focused()
    bob.row("Alice").click()
    expect(bob.page.locator(".message .text")).to_have_text(["before", "his", "after", "refused"])


def test_a_refused_message_on_a_phone(visitors: Visitors) -> None:
    # Given somebody on a phone whose message is refused
    cluster = visitors.cluster
    alice_id, bob_id = cluster.pair()
    alice = visitors.come("Alice", alice_id, viewport=PHONE, is_mobile=True, has_touch=True)
    ok(cluster.short(cluster.token(bob_id)).call(im_pb2.BlockRequest(user=alice_id)))
    alice.open("person", bob_id)
    alice.say("hello?")
    again = alice.page.get_by_role("button", name="Try again: hello?")
    gone = alice.page.get_by_role("button", name="Remove: hello?")

    # Then both actions are there, large enough for a finger
    for button in (again, gone):
        box = button.bounding_box()
        assert box is not None
        assert min(box["width"], box["height"]) >= 40

    # When it is refused again, it says so again; when it is removed, it is gone
    again.tap()
    expect(gone).to_be_visible()
    gone.tap()
    expect(alice.page.locator(".message")).to_have_count(0)


@pytest.mark.parametrize("name", ["100%.png", "caf%C3%A9.png"])
def test_a_picture_of_any_name(visitors: Visitors, name: str) -> None:
    # Given a link with a per cent sign that says nothing, or something
    alice, bob, alice_id, bob_id = visitors.two()
    for person in (alice, bob):
        person.context.route("https://media.example/*", lambda route: route.fulfill(body=""))
    bob.open("person", alice_id)
    alice.open("person", bob_id)

    # When a picture is sent by it
    alice.choose("Attach", "Picture by link")
    alice.page.get_by_label("Link (https)").fill(f"https://media.example/{name}")
    alice.page.get_by_role("dialog").get_by_role("button", name="Send").click()

    # Then it is there, under the name it has
    expect(alice.page.get_by_role("dialog")).to_have_count(0)
    shown = {"100%.png": "100%.png", "caf%C3%A9.png": "café.png"}[name]
    expect(bob.page.locator(".messages")).to_contain_text(shown)


def test_a_conversation_deleted_while_away(visitors: Visitors) -> None:
    # Given a conversation somebody looks at, without a network
    alice, bob, alice_id, bob_id = visitors.two()
    alice.open("person", bob_id)
    alice.say("old")
    bob.open("person", alice_id)
    expect(bob.message("old")).to_be_visible()
    bob.go_offline()

    # When it is deleted on another device, and goes on
    cluster = visitors.cluster
    ok(cluster.short(cluster.token(bob_id)).call(im_pb2.DeleteConversationRequest(peer=alice_id)))
    alice.say("new")
    expect(alice.message("new").locator(".status.sent")).to_be_visible()

    # Then what was deleted is gone when the network is back, without a reload
    bob.come_back()
    expect(bob.page.locator(".message .text")).to_have_text(["new"])
