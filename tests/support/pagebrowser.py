"""The chat page in a headless Chromium: people who look at it, each in a browser of their own."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Locator,
    Page,
    expect,
    sync_playwright,
)

from dev.clients.wait import DEADLINE_S
from dev.services import MariaDB
from tests.support.cluster import Cluster

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-quic",
]
DESKTOP = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 844}
PASSWORD = "a password of tests"
_WATCH_POLICY = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) => {
  window.violations.push(event.violatedDirective + " " + event.blockedURI);
});
"""


class Person:
    """Somebody at the page. `close` fails when the page complained of anything meanwhile."""

    def __init__(self, browser: Browser, url: str, **options: Any) -> None:
        options = {"viewport": DESKTOP, "locale": "en-GB", **options}
        self.url = url
        self.context: BrowserContext = browser.new_context(**options)
        self.context.set_default_timeout(1000 * DEADLINE_S)
        self.context.add_init_script(_WATCH_POLICY)
        self.complaints: list[str] = []
        self.expected: tuple[str, ...] = ()
        self.page: Page = self.tab()

    def tab(self) -> Page:
        """Another tab of the same browser; it is watched too."""
        page = self.context.new_page()
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.complaints.append(f"thrown: {error}"))
        return page

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(f"{message.type}: {message.text}")

    # ------------------------------------------------------------ doing

    def sign_up(self, user: str, name: str) -> None:
        """Make an account at the user centre, and be in the chat with it."""
        page = self.page
        page.goto(self.url)
        page.locator("button.link").first.click()
        page.locator("#login-user").fill(user)
        page.locator("#login-displayName").fill(name)
        page.locator("#login-password").fill(PASSWORD)
        page.locator("button[type=submit]").click()
        self.wait_online()

    def log_in(self, user: str, page: Page | None = None) -> None:
        """Log in to an account there is."""
        page = page or self.page
        page.goto(self.url)
        page.locator("#login-user").fill(user)
        page.locator("#login-password").fill(PASSWORD)
        page.locator("button[type=submit]").click()
        page.locator('.chat[data-state="online"]').wait_for()

    def wait_online(self) -> None:
        """Connected and caught up."""
        self.page.locator('.chat[data-state="online"]').wait_for()

    def open(self, kind: str, peer: str) -> None:
        """Show a conversation, as a link to it does."""
        self.page.evaluate("hash => { location.hash = hash }", f"#/{kind}/{peer}")
        self.page.locator(".pane").wait_for()

    def say(self, text: str) -> None:
        """Write into the open conversation and send."""
        box = self.page.locator(".composer textarea")
        box.fill(text)
        box.press("Enter")

    def choose(self, menu: str, item: str) -> None:
        """Take an item of a menu; of the first one so called, which is the page's own."""
        self.page.get_by_role("button", name=menu, exact=True).first.click()
        self.page.get_by_role("menuitem", name=item, exact=True).click()

    def go_offline(self) -> None:
        """Lose the network, and notice."""
        self.expected += ("ERR_INTERNET_DISCONNECTED", "ERR_INCOMPLETE_CHUNKED_ENCODING")
        self.context.set_offline(True)
        self.page.locator('.chat[data-state="online"]').wait_for(state="detached")

    def come_back(self) -> None:
        """Have the network again, and be connected."""
        self.context.set_offline(False)
        self.wait_online()

    # ------------------------------------------------------------ seeing

    def message(self, text: str) -> Locator:
        """The message with this text on the screen."""
        return self.page.locator(".message", has=self.page.get_by_text(text, exact=True))

    def row(self, name: str) -> Locator:
        """The conversation of this name in the list."""
        title = self.page.locator(".title", has_text=name)
        return self.page.locator(".conversation", has=title)

    def violations(self) -> list[str]:
        """What the Content-Security-Policy refused on this page."""
        found: list[str] = self.page.evaluate("window.violations")
        return found

    def close(self) -> None:
        violations = [one for page in self.context.pages for one in page.evaluate("violations")]
        self.context.close()
        unexpected = [
            one for one in self.complaints if not any(part in one for part in self.expected)
        ]
        assert not violations, violations
        assert not unexpected, unexpected


class Visitors:
    """Opens the page for people and closes it again."""

    def __init__(self, browser: Browser, cluster: Cluster) -> None:
        self.cluster = cluster
        self._browser = browser
        self._people: list[Person] = []

    def come(self, name: str = "", user: str = "", **options: Any) -> Person:
        """Somebody new at the page, signed up when a name is given."""
        url = options.pop("url", self.cluster.platform.url())
        person = Person(self._browser, url, **options)
        self._people.append(person)
        if name:
            person.sign_up(user or self.cluster.person(), name)
        return person

    def two(self) -> tuple[Person, Person, str, str]:
        """Alice and Bob, each at a browser, and their ids."""
        alice, bob = self.cluster.pair()
        return self.come("Alice", alice), self.come("Bob", bob), alice, bob

    def leave(self) -> None:
        """Everybody goes; whose page complained fails the test."""
        errors = []
        for person in self._people:
            try:
                person.close()
            except AssertionError as error:
                errors.append(error)
        self._people.clear()
        if errors:
            raise errors[0]


def focused(page: Page) -> str:
    """What the focused element is called."""
    name: str = page.evaluate(
        "document.activeElement.getAttribute('aria-label') || document.activeElement.textContent"
    )
    return name


def tab_to(page: Page, name: str, *, back: bool = False) -> None:
    """Go to what is called so, by Tab."""
    for _ in range(30):
        page.keyboard.press("Shift+Tab" if back else "Tab")
        if focused(page) == name:
            return
    raise AssertionError(f"no Tab leads to {name}")


@contextmanager
def chromium() -> Iterator[Browser]:
    """Debian's Chromium without a screen."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    assert path, "there is no chromium here; dev/setup.sh installs it"
    expect.set_options(timeout=1000 * DEADLINE_S)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as launched:
        yield launched


@pytest.fixture(scope="module")
def page_cluster(tmp_path_factory: pytest.TempPathFactory, mariadb: MariaDB) -> Iterator[Cluster]:
    """A platform with the page, for one module."""
    with Cluster(tmp_path_factory.mktemp("page"), mariadb) as cluster:
        yield cluster


@pytest.fixture
def visitors(browser: Browser, page_cluster: Cluster) -> Iterator[Visitors]:
    """People at the page; the page must not have complained when they leave."""
    visitors = Visitors(browser, page_cluster)
    try:
        yield visitors
    finally:
        page_cluster.hang_up()
        visitors.leave()
