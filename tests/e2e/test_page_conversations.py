"""What a conversation on the chat page holds: groups, mentions, answers, media, a long history."""

import re
import uuid

from playwright.sync_api import expect

from dev.clients.wire import ok, text_to
from proto import im_pb2
from tests.support.groups import make_group, say
from tests.support.pagebrowser import Visitors, browser, page_cluster, visitors  # noqa: F401


def test_an_answer_shows_what_it_answers(visitors: Visitors) -> None:
    # Given a message
    alice, bob, alice_id, bob_id = visitors.two()
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


def test_a_group_with_mentions(visitors: Visitors) -> None:
    # Given a group made on the page
    alice, bob, _, bob_id = visitors.two()
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


def test_a_draft_keeps_whom_it_mentions_and_what_it_answers(visitors: Visitors) -> None:
    # Given an answer in a group that mentions somebody, and is not sent yet
    alice, bob, alice_id, bob_id = visitors.two()
    device = visitors.cluster.short(visitors.cluster.token(bob_id))
    ok(device.call(say(make_group(device, [alice_id]), "who comes?")))
    alice.row("a group").click()
    message = alice.message("who comes?")
    message.hover()
    message.get_by_role("button", name="Actions for this message").click()
    alice.page.get_by_role("menuitem", name="Reply").click()
    box = alice.page.locator(".composer textarea")
    box.press_sequentially("@bo")
    expect(alice.page.get_by_role("option", name="Bob")).to_be_visible()
    box.press("Enter")

    # When she looks at another conversation, and comes back
    alice.open("person", bob_id)
    expect(alice.page.locator(".pane h2")).to_have_text("Bob")
    expect(alice.page.locator(".answering")).to_be_hidden()
    alice.row("a group").click()

    # Then it is as it was
    expect(alice.page.locator(".answering")).to_contain_text("who comes?")
    expect(box).to_have_value("@Bob ")
    box.press("Enter")
    row = bob.row("a group")
    expect(row).to_contain_text("[@you]")
    row.click()
    expect(bob.page.locator(".quote")).to_contain_text("who comes?")
    expect(bob.page.locator(".bubble.aimed .mention")).to_have_text("@Bob")


def test_who_comes_back_to_the_text_at_once_still_chooses_whom_to_mention(
    visitors: Visitors,
) -> None:
    # Given a group, and a text that the focus left a moment ago
    alice, _, alice_id, bob_id = visitors.two()
    device = visitors.cluster.short(visitors.cluster.token(bob_id))
    ok(device.call(say(make_group(device, [alice_id]), "who comes?")))
    alice.row("a group").click()
    expect(alice.page.locator(".pane header")).to_contain_text("2 members")
    box = alice.page.locator(".composer textarea")
    box.focus()
    left = """text => {
        text.blur();
        text.focus();
        text.value = "@bo";
        text.dispatchEvent(new Event("input"));
        return new Promise((done) => setTimeout(done, 300)); // behind all that leaving began
    }"""

    # When she is back and types before anybody noticed
    box.evaluate(left)

    # Then the list is there, and Enter chooses
    expect(alice.page.get_by_role("option", name="Bob")).to_be_visible()
    box.press("Enter")
    expect(box).to_have_value("@Bob ")


def test_history_comes_with_scrolling(visitors: Visitors) -> None:
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


def test_media_are_shown(visitors: Visitors) -> None:
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


def test_a_refused_message_says_so(visitors: Visitors) -> None:
    # Given somebody who is blocked
    alice, bob, alice_id, bob_id = visitors.two()
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


def test_unread_of_a_group_and_muting(visitors: Visitors) -> None:
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


def test_what_is_too_long_is_refused_once(visitors: Visitors) -> None:
    # Given somebody who pastes a book, beyond what a message, and beyond what a frame, may hold
    alice, _, _, bob_id = visitors.two()
    alice.open("person", bob_id)
    for size in (9_000, 40_000, 70_000):
        alice.say("x" * size)

    # Then each is refused with a reason, and what comes after them is sent
    expect(alice.page.locator(".messages .problem")).to_have_count(3)
    alice.say("in short")
    expect(alice.message("in short").locator(".status.sent")).to_be_visible()


def test_a_conversation_deleted_elsewhere_goes_on_where_it_is_shown(visitors: Visitors) -> None:
    # Given a conversation that Bob looks at
    alice, bob, alice_id, bob_id = visitors.two()
    alice.open("person", bob_id)
    alice.say("old")
    bob.row("Alice").click()
    expect(bob.message("old")).to_be_visible()

    # When he deletes it on another device
    device = visitors.cluster.short(visitors.cluster.token(bob_id))
    ok(device.call(im_pb2.DeleteConversationRequest(peer=alice_id)))
    expect(bob.page.locator(".message .text")).to_have_count(0)

    # Then it goes on with what comes from now on
    alice.say("new")
    expect(bob.page.locator(".message .text")).to_have_text(["new"])


def test_a_deleted_conversation_begins_anew(visitors: Visitors) -> None:
    # Given a conversation
    alice, bob, _, bob_id = visitors.two()
    alice.open("person", bob_id)
    alice.say("old")
    bob.row("Alice").click()
    expect(bob.message("old")).to_be_visible()

    # When he deletes it
    bob.page.locator(".pane header").get_by_role("button", name="Menu").click()
    bob.page.get_by_role("menuitem", name="Delete conversation").click()
    dialog = bob.page.get_by_role("alertdialog", name="Delete conversation")
    expect(dialog).to_contain_text("The others keep them.")
    dialog.get_by_role("button", name="Delete conversation").click()
    expect(bob.page.locator(".conversation")).to_have_count(0)

    # Then he sees what comes from now on, and she still sees everything
    alice.say("new")
    bob.row("Alice").click()
    expect(bob.page.locator(".message .text")).to_have_text(["new"])
    expect(alice.page.locator(".message .text")).to_have_text(["old", "new"])
