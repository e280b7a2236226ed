"""The chat page in a real browser: two people and more talk, leave, lose the network, come back."""

import re

from playwright.sync_api import expect

from tests.support.pagebrowser import Visitors, browser, page_cluster, visitors  # noqa: F401


def test_two_people_chat(visitors: Visitors) -> None:
    # Given two people, one of whom looks at the conversation
    alice, bob, _, bob_id = visitors.two()
    alice.open("person", bob_id)
    expect(alice.page.locator(".pane h2")).to_have_text(bob_id)

    # When she writes
    alice.say("hello Bob")
    alice.say("line one\nline two")

    # Then he has a badge of 2, in the title too, and sees the last line
    row = bob.row("Alice")
    expect(row.locator(".badge")).to_contain_text("2")
    expect(row.locator(".line")).to_have_text("line one\nline two")
    expect(bob.page).to_have_title("(2) im")
    expect(alice.message("hello Bob").locator(".status")).to_have_class(re.compile("sent"))

    # When he opens it
    row.click()
    expect(bob.message("hello Bob")).to_be_visible()

    # Then his badge is gone, and she sees that he has read it
    expect(row.locator(".badge")).to_have_count(0)
    expect(bob.page).to_have_title("im")
    expect(alice.message("hello Bob").locator(".status.read")).to_be_visible()
    expect(alice.page.locator(".status.read")).to_have_count(2)

    # When he begins to write, she sees it, until the message is there
    bob.page.locator(".composer textarea").press_sequentially("hi")
    expect(alice.page.locator(".pane header")).to_contain_text("typing…")
    bob.page.locator(".composer textarea").press("Enter")
    expect(alice.message("hi")).to_be_visible()
    expect(alice.page.locator(".pane header")).not_to_contain_text("typing…")
    expect(alice.page.locator(".message .text")).to_have_text(
        ["hello Bob", "line one\nline two", "hi"]
    )


def test_a_refresh_changes_nothing(visitors: Visitors) -> None:
    # Given a conversation on the screen
    alice, bob, _, bob_id = visitors.two()
    alice.open("person", bob_id)
    alice.say("before")
    expect(alice.message("before").locator(".status.sent")).to_be_visible()

    # When both refresh
    for person in (alice, bob):
        person.page.reload()
        person.wait_online()

    # Then she is where she was, and his badge is still there
    expect(alice.message("before")).to_be_visible()
    expect(bob.row("Alice").locator(".badge")).to_contain_text("1")

    # And they go on, each message once
    alice.say("after")
    bob.row("Alice").click()
    expect(bob.page.locator(".message .text")).to_have_text(["before", "after"])
    expect(alice.page.locator(".message .text")).to_have_text(["before", "after"])


def test_the_network_goes_and_comes_back(visitors: Visitors) -> None:
    # Given a conversation
    alice, bob, alice_id, bob_id = visitors.two()
    alice.open("person", bob_id)
    bob.open("person", alice_id)
    alice.say("one")
    expect(bob.message("one")).to_be_visible()

    # When his network goes
    bob.expected = ("ERR_INTERNET_DISCONNECTED",)
    bob.context.set_offline(True)
    expect(bob.page.locator('.chat[data-state="online"]')).to_have_count(0)
    expect(bob.page.get_by_role("status").first).to_have_text(
        re.compile("Offline, trying again…|Connecting…")
    )

    # Then what he writes waits, and what she writes does not arrive
    bob.say("written in a tunnel")
    expect(bob.message("written in a tunnel").locator(".status.sending")).to_be_visible()
    alice.say("two")
    alice.say("three")
    expect(alice.message("three").locator(".status.sent")).to_be_visible()
    expect(bob.message("three")).to_have_count(0)

    # When it comes back
    bob.context.set_offline(False)
    bob.wait_online()

    # Then everything is there on both sides, once
    expect(bob.message("three")).to_be_visible()
    expect(alice.message("written in a tunnel")).to_be_visible()
    assert bob.page.locator(".status.sending").count() == 0
    expected = ["one", "two", "three", "written in a tunnel"]
    expect(alice.page.locator(".message .text")).to_have_text(expected)
    expect(bob.page.locator(".message .text")).to_have_text(expected)


def test_a_process_that_dies_is_no_matter(visitors: Visitors) -> None:
    # Given two people, and a message that is sent while nobody answers
    alice, bob, alice_id, bob_id = visitors.two()
    alice.open("person", bob_id)
    bob.open("person", alice_id)
    visitors.cluster.platform.pause("web")
    alice.say("are you there?")
    expect(alice.page.locator(".status.sending")).to_be_visible()

    # When the process is killed and another one starts
    for person in (alice, bob):
        person.expected = ("WebSocket connection to", "ERR_")
    visitors.cluster.platform.resume("web")
    visitors.cluster.platform.kill("web")
    visitors.cluster.start("web")

    # Then it arrives, once
    expect(bob.message("are you there?")).to_be_visible()
    expect(alice.page.locator(".status.sending")).to_have_count(0)
    expect(alice.page.locator(".message .text")).to_have_text(["are you there?"])


def test_a_recall_is_seen_by_both(visitors: Visitors) -> None:
    # Given a message both see
    alice, bob, alice_id, bob_id = visitors.two()
    alice.open("person", bob_id)
    bob.open("person", alice_id)
    alice.say("a slip")
    message = alice.message("a slip")
    expect(bob.message("a slip")).to_be_visible()

    # When she recalls it
    message.hover()
    message.get_by_role("button", name="Actions for this message").click()
    alice.page.get_by_role("menuitem", name="Recall").click()

    # Then it is gone on both sides, and both are told
    expect(alice.page.get_by_text("You recalled a message").first).to_be_visible()
    expect(bob.page.locator(".messages")).to_contain_text("Alice recalled a message")
    expect(bob.message("a slip")).to_have_count(0)
    expect(bob.row("Alice").locator(".line")).to_have_text("Alice recalled a message")


def test_two_tabs_and_another_device(visitors: Visitors) -> None:
    # Given somebody at two tabs of a browser and one of another
    alice, bob, _, bob_id = visitors.two()
    second = bob.tab()
    bob.log_in(bob_id, second)
    elsewhere = visitors.come()
    elsewhere.log_in(bob_id)

    # When something is said
    alice.open("person", bob_id)
    alice.say("for all of your screens")

    # Then each of them has the badge
    badges = [page.locator(".badge") for page in (bob.page, second, elsewhere.page)]
    for badge in badges:
        expect(badge).to_contain_text("1")

    # And reading it on one clears it on all; what one sends, all show
    elsewhere.row("Alice").click()
    for badge in badges:
        expect(badge).to_have_count(0)
    elsewhere.say("seen")
    for page in (bob.page, second):
        expect(page.locator(".conversation .line")).to_have_text("You: seen")
