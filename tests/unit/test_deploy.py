"""HAProxy's times and sizes leave room for the platform's own limits, which end things properly."""

import re
from pathlib import Path

import pytest

from models.settings import Settings
from web.keeper import EVENTS_HEARTBEAT_S

TEXT = (Path(__file__).resolve().parents[2] / "deploy" / "haproxy.cfg").read_text()
HEADERS_BYTES = 16384


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The defaults."""
    monkeypatch.setenv("IM_MYSQL_URL", "mysql://im:im@127.0.0.1/im")
    return Settings()


def number(pattern: str) -> int:
    """The one number the pattern finds."""
    found = re.findall(rf"^ *{pattern}", TEXT, re.MULTILINE)
    assert len(found) == 1, (pattern, found)
    return int(found[0])


def test_the_platform_ends_what_takes_too_long(settings: Settings) -> None:
    assert number(r"timeout tunnel +(\d+)s") > settings.idle_timeout_s
    assert number(r"timeout server +(\d+)s") > settings.request_timeout_s
    assert number(r"timeout client +(\d+)s") >= settings.write_timeout_s
    longest_poll_s = settings.comet_wait_s + 2 * settings.request_timeout_s  # to begin, to end
    assert number(r"http-request set-timeout server (\d+)s if { path /comet }") > longest_poll_s
    events_s = number(r"http-request set-timeout server (\d+)s if { path /events }")
    assert events_s > settings.idle_timeout_s > EVENTS_HEARTBEAT_S


def test_a_whole_request_fits_into_a_buffer(settings: Settings) -> None:
    assert number(r"tune\.bufsize (\d+)") >= settings.body_bytes_max + HEADERS_BYTES


def test_a_process_gets_no_more_than_it_takes(settings: Settings) -> None:
    for maximum in re.findall(r"send-proxy-v2 .*maxconn (\d+)", TEXT):
        assert int(maximum) <= settings.connections_max


def test_addresses_are_tracked_alike_by_every_way_in() -> None:
    """The rules stand in every frontend: HAProxy has no way to share them."""
    frontends = re.split(r"^(?:frontend|backend) ", TEXT, flags=re.MULTILINE)
    rules = [
        [line.strip() for line in part.splitlines() if "tcp-request connection" in line]
        for part in frontends
        if re.search(r"^ *bind ", part, re.MULTILINE)
    ]
    assert len(rules) == 4
    assert all(part == rules[0] and len(part) == 3 for part in rules)
