"""The chat page in a real browser: two people and more talk, leave, lose the network, come back."""

import re
import uuid

from playwright.sync_api import expect

from proto import im_pb2
from tests.support.groups import make_group, say
from tests.support.pagebrowser import Person, Visitors, browser, page_cluster, visitors  # noqa: F401
from tests.support.wire import ok, text_to


def two(visitors: Visitors) -> tuple[Person, Person, str, str]:  # noqa: F811
    """Alice and Bob, each at a browser, and their ids."""
    alice, bob = visitors.cluster.pair()
    return visitors.come("Alice", alice), visitors.come("Bob", bob), alice, bob


def test_two_people_chat(visitors: Visitors) -> None:  # noqa: F811
    # Given two people, one of whom looks at the conversation
    alice, bob, _, bob_id = two(visitors)
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


def test_a_refresh_changes_nothing(visitors: Visitors) -> None:  # noqa: F811
    # Given a conversation on the screen
    alice, bob, _, bob_id = two(visitors)
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


def test_the_network_goes_and_comes_back(visitors: Visitors) -> None:  # noqa: F811
    # Given a conversation
    alice, bob, alice_id, bob_id = two(visitors)
    alice.open("person", bob_id)
    bob.open("person", alice_id)
    alice.say("one")
    expect(bob.message("one")).to_be_visible()

    # When his network goes
    bob.expected = ("ERR_INTERNET_DISCONNECTED",)
    bob.context.set_offline(True)
    expect(bob.page.locator('.chat[data-state="online"]')).to_have_count(0)

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


def test_a_process_that_dies_is_no_matter(visitors: Visitors) -> None:  # noqa: F811
    # Given two people, and a message that is sent while nobody answers
    alice, bob, alice_id, bob_id = two(visitors)
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


def test_a_recall_is_seen_by_both(visitors: Visitors) -> None:  # noqa: F811
    # Given a message both see
    alice, bob, alice_id, bob_id = two(visitors)
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


def test_an_answer_shows_what_it_answers(visitors: Visitors) -> None:  # noqa: F811
    # Given a message
    alice, bob, alice_id, bob_id = two(visitors)
    alice.open("person", bob_id)
    alice.say("tea or coffee?")
    bob.open("person", alice_id)
    message = bob.message("tea or coffee?")

    # When he answers it
    message.hover()
    message.get_by_role("button", name="Actions for this message").click()
    bob.page.get_by_role("menuitem", name="Reply").click()
    expect(bob.page.locator(".answering")).to_contain_text("tea or coffee?")
    bob.say("tea")

    # Then both see the question above the answer
    for person in (alice, bob):
        expect(person.message("tea").locator(".quote")).to_contain_text("tea or coffee?")


def test_a_group_with_mentions(visitors: Visitors) -> None:  # noqa: F811
    # Given a group made on the page
    alice, bob, _, bob_id = two(visitors)
    carol = visitors.come("Carol")
    alice.page.get_by_role("button", name="New conversation").first.click()
    alice.page.get_by_role("menuitem", name="New group").click()
    alice.page.get_by_label("Group name").fill("Climbing")
    alice.page.get_by_label("Members").fill(bob_id)
    alice.page.get_by_role("button", name="Create").click()
    expect(alice.page.locator(".pane h2")).to_have_text("Climbing")
    expect(alice.page.locator(".pane header")).to_contain_text("2 members")
    expect(bob.row("Climbing")).to_be_visible()

    # When she mentions him
    box = alice.page.locator(".composer textarea")
    box.press_sequentially("tomorrow, @bo")
    expect(alice.page.get_by_role("option", name="Bob")).to_be_visible()
    box.press("Enter")
    box.press_sequentially("?")
    box.press("Enter")

    # Then he is told that it is for him, and sees it marked
    row = bob.row("Climbing")
    expect(row).to_contain_text("[@you]")
    expect(row.locator(".badge")).to_contain_text("1")
    row.click()
    expect(bob.page.locator(".bubble.aimed .mention")).to_have_text("@Bob")
    expect(row.locator(".badge")).to_have_count(0)
    expect(row).not_to_contain_text("[@you]")

    # When somebody is brought in, and leaves
    carol_id = carol.page.evaluate("JSON.parse(sessionStorage.getItem('im.session')).user")
    alice.page.locator(".pane header").get_by_role("button", name="Menu").click()
    alice.page.get_by_role("menuitem", name="Details").click()
    alice.page.get_by_role("button", name="Invite").click()
    alice.page.get_by_label("Members", exact=True).fill(carol_id)
    alice.page.locator("dialog").last.get_by_role("button", name="Invite").click()
    expect(alice.page.locator(".people")).to_contain_text("Carol")
    carol.row("Climbing").click()
    expect(carol.page.locator(".pane header")).to_contain_text("3 members")

    # Then the group's messages say so, and hers reach everybody
    expect(bob.page.locator(".messages")).to_contain_text("Alice brought Carol in")
    carol.say("hello all")
    expect(bob.message("hello all")).to_be_visible()
    expect(bob.message("hello all").locator(".author")).to_have_text("Carol")


def test_two_tabs_and_another_device(visitors: Visitors) -> None:  # noqa: F811
    # Given somebody at two tabs of a browser and one of another
    alice, bob, _, bob_id = two(visitors)
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


def test_history_comes_with_scrolling(visitors: Visitors) -> None:  # noqa: F811
    # Given a conversation longer than a screen
    alice, bob = visitors.cluster.pair()
    caller = visitors.cluster.short(visitors.cluster.token(alice))
    for number in range(100):
        ok(caller.call(text_to(bob, f"number {number}")))
    person = visitors.come("Bob", bob)

    # When it is opened, then the end is in view and only a page of it is there
    person.open("person", alice)
    expect(person.message("number 99")).to_be_in_viewport()
    assert person.page.locator(".message").count() == 40

    # When they scroll up
    scroller = person.page.locator(".scroller")
    for _ in range(3):
        before = person.page.locator(".message").count()
        scroller.evaluate("element => { element.scrollTop = 0 }")
        expect(person.page.locator(".message").nth(min(before, 99))).to_be_attached()

    # Then everything is there, in order, and the page did not jump to the end
    texts = person.page.locator(".message .text").all_inner_texts()
    assert texts == [f"number {number}" for number in range(100)]
    expect(person.message("number 99")).not_to_be_in_viewport()

    # When something comes meanwhile
    ok(caller.call(text_to(bob, "and one more")))

    # Then a button tells of it and leads there
    person.page.get_by_role("button", name="1 new").click()
    expect(person.message("and one more")).to_be_in_viewport()


def test_media_are_shown(visitors: Visitors) -> None:  # noqa: F811
    # Given somebody who is sent everything there is
    cluster = visitors.cluster
    alice, bob = cluster.pair()
    caller = cluster.short(cluster.token(alice))
    picture = im_pb2.Media(
        ref="https://media.example/p.svg", mime="image/svg+xml", name="a harbour"
    )
    kept = im_pb2.Media(ref="kept/q3.pdf", mime="application/pdf", name="q3.pdf", size_bytes=4096)
    sound = im_pb2.Media(ref="https://media.example/v.mp3", mime="audio/mpeg")
    contents = [
        im_pb2.Content(image=im_pb2.Image(media=picture, width=320, height=200)),
        im_pb2.Content(voice=im_pb2.Voice(media=sound, duration_ms=12_000)),
        im_pb2.Content(file=im_pb2.File(media=kept)),
        im_pb2.Content(
            location=im_pb2.Location(latitude=31.2304, longitude=121.4737, name="People's Square")
        ),
        im_pb2.Content(card=im_pb2.Card(user="carol", name="Carol")),
        im_pb2.Content(custom=im_pb2.Custom(type="poll", summary="A poll: where to eat?")),
    ]
    for content in contents:
        request = im_pb2.SendRequest(receiver=bob, sequence=uuid.uuid4().hex, content=content)
        ok(caller.call(request))
    person = visitors.come("Bob", bob)
    svg = '<svg xmlns="http://www.w3.org/2000/svg" width="320" height="200"/>'
    person.context.route(
        "https://media.example/*",
        lambda route: route.fulfill(body=svg, content_type="image/svg+xml"),
    )

    # When they look
    person.open("person", alice)

    # Then each is shown as what it is
    page = person.page
    image = page.get_by_role("img", name="a harbour")
    expect(image).to_be_visible()
    assert image.bounding_box() is not None
    expect(page.locator("audio")).to_have_attribute("src", "https://media.example/v.mp3")
    expect(page.locator(".messages")).to_contain_text("q3.pdf")
    expect(page.locator(".messages")).to_contain_text("File · 4.0 KiB")
    expect(page.get_by_role("link", name="Open the map")).to_have_attribute(
        "href", re.compile(r"^https://www\.openstreetmap\.org/\?mlat=31\.23040&mlon=121\.47370")
    )
    expect(page.locator(".messages")).to_contain_text("A poll: where to eat?")

    # And the card leads to whom it names
    page.locator(".card").get_by_role("button", name="Message").click()
    expect(page.locator(".pane h2")).to_have_text("carol")


def test_a_refused_message_says_so(visitors: Visitors) -> None:  # noqa: F811
    # Given somebody who is blocked
    alice, bob, alice_id, bob_id = two(visitors)
    bob.open("person", alice_id)
    bob.page.locator(".pane header").get_by_role("button", name="Menu").click()
    bob.page.get_by_role("menuitem", name="Block", exact=True).click()
    expect(bob.page.get_by_role("status").filter(has_text="Blocked.")).to_be_visible()

    # When she writes
    alice.open("person", bob_id)
    alice.say("hello?")

    # Then it stays on her screen with the reason, and only there
    expect(alice.page.locator(".messages .problem")).to_have_text(
        "Not sent: they do not take your messages"
    )
    expect(bob.page.locator(".message")).to_have_count(0)


def test_unread_of_a_group_and_muting(visitors: Visitors) -> None:  # noqa: F811
    # Given a group somebody is in, who wants no notifications of it
    cluster = visitors.cluster
    alice, bob = cluster.pair()
    caller = cluster.connect(alice)
    group = make_group(caller, [bob])
    person = visitors.come("Bob", bob)
    person.open("group", group)
    person.page.locator(".pane header").get_by_role("button", name="Menu").click()
    person.page.get_by_role("menuitem", name="No notifications").click()
    row = person.row("a group")
    expect(row.locator(".muted")).to_be_attached()
    person.page.evaluate("() => { location.hash = '' }")

    # When things are said there
    for number in range(3):
        ok(caller.call(say(group, f"number {number}")))

    # Then the badge counts quietly, and the title does not
    expect(row.locator(".badge.quiet")).to_contain_text("3")
    expect(person.page).to_have_title("im")
