"""Which web pages may call: our own and those of the allow-list, on every path of the web port."""

from collections.abc import Iterator

import pytest
import requests
from websockets.exceptions import InvalidStatus
from websockets.typing import Origin

from dev.clients.wait import DEADLINE_S
from dev.clients.wire import ok
from dev.clients.ws import WebSocketClient
from proto import im_pb2
from tests.support.cluster import Cluster

LISTED, WITH_PORT = "https://app.example", "http://127.0.0.2:3000"
FOREIGN = (
    "https://evil.example",
    "http://app.example",  # another scheme is another origin
    "https://app.example:8443",
    "https://app.example.evil.example",
    "https://sub.app.example",
    "http://127.0.0.1:1",
    "null",
    "nonsense",
    "http://[",
    "*",
)
ALLOW = "Access-Control-Allow-Origin"
PICKY, OPEN = "web.picky", "web.open"
PATHS = ("ws", "im/ping", "im/nowhere", "comet", "events", "healthz")


@pytest.fixture(scope="module", autouse=True)
def webs(shared_cluster: Cluster) -> Iterator[None]:
    """One with an allow-list, one that lets every page call; `web` has no list."""
    platform = shared_cluster.platform
    platform.start(PICKY, env={"IM_ORIGINS_ALLOWED": f"{LISTED}/, {WITH_PORT}"})
    platform.start(OPEN, env={"IM_ORIGINS_ALLOWED": "*"})
    yield
    platform.stop(PICKY, OPEN)


class Page:
    """A web page of an origin, and a user who looks at it; `origin` empty: no browser."""

    def __init__(self, cluster: Cluster, web: str, origin: str) -> None:
        self.url = cluster.platform.url(web)
        self.headers = {"Origin": origin} if origin else {}
        self._token = cluster.token(cluster.person())
        self._origin = origin

    def call(self, path: str) -> requests.Response:
        """A request of the path's kind; a stream is not read."""
        method = "POST" if path.startswith(("im", "comet")) else "GET"
        response = requests.request(
            method,
            f"{self.url}/{path}",
            headers={**self.headers, "Authorization": f"Bearer {self._token}"},
            json={"wait_s": 1} if path == "comet" else {} if method == "POST" else None,
            stream=True,
            timeout=DEADLINE_S,
        )
        response.close()
        return response

    def websocket(self) -> im_pb2.PingResponse:
        """What a socket it opens is told."""
        with WebSocketClient(self.url, json=True, origin=Origin(self._origin)) as client:
            client.auth(self._token)
            answer: im_pb2.PingResponse = ok(client.call(im_pb2.PingRequest()))
            return answer

    def preflight(self, path: str) -> requests.Response:
        """What a browser asks before it lets the page call."""
        asked = {
            **self.headers,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization,content-type",
        }
        return requests.options(f"{self.url}/{path}", headers=asked, timeout=DEADLINE_S)


@pytest.mark.parametrize("web", ["web", PICKY])
@pytest.mark.parametrize("origin", FOREIGN)
def test_foreign_pages_are_refused_everywhere(cluster: Cluster, web: str, origin: str) -> None:
    page = Page(cluster, web, origin)
    for path in PATHS:
        # When
        for response in (page.call(path), page.preflight(path)):
            # Then: and the browser is not told otherwise
            assert response.status_code == 403, path
            assert ALLOW not in response.headers
    with pytest.raises(InvalidStatus) as refused:
        page.websocket()
    assert refused.value.response.status_code == 403


@pytest.mark.parametrize(
    ("web", "origin"),
    [
        ("web", "own"),
        (PICKY, "own"),
        (PICKY, LISTED),
        (PICKY, WITH_PORT),
        *((OPEN, origin) for origin in ("own", *FOREIGN)),
    ],
)
def test_pages_that_may_call(cluster: Cluster, web: str, origin: str) -> None:
    # Given
    page = Page(cluster, web, cluster.platform.url(web) if origin == "own" else origin)
    own = page.headers["Origin"]

    # Then: each kind of call works, and the browser is told that this page may see the answer
    for path in ("im/ping", "comet", "events"):
        response = page.call(path)
        assert response.status_code == 200, path
        assert response.headers[ALLOW] == own
        assert "Origin" in response.headers["Vary"], "caches keep it for this page alone"
    page.websocket()

    # Then: refusals too, or the page could not read why
    response = page.call("im/nowhere")
    assert (response.status_code, response.headers[ALLOW]) == (404, own)


@pytest.mark.parametrize("path", ["im/send", "comet", "events?since=1"])
def test_a_preflight_is_answered_without_a_token(cluster: Cluster, path: str) -> None:
    for web, origin in ((PICKY, LISTED), (OPEN, FOREIGN[0])):
        answer = Page(cluster, web, origin).preflight(path)
        assert (answer.status_code, answer.content) == (204, b"")
        assert answer.headers[ALLOW] == origin
        assert set(answer.headers["Access-Control-Allow-Methods"].split(", ")) >= {"GET", "POST"}
        headers = answer.headers["Access-Control-Allow-Headers"].lower().split(", ")
        assert {"authorization", "content-type", "last-event-id"} <= set(headers)
        assert "Access-Control-Allow-Credentials" not in answer.headers, "there are no cookies"


def test_who_is_no_browser_is_not_asked(cluster: Cluster) -> None:
    page = Page(cluster, PICKY, "")
    for path in ("im/ping", "comet", "events"):
        response = page.call(path)
        assert response.status_code == 200
        assert ALLOW not in response.headers
