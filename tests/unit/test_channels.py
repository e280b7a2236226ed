"""When a channel counts as subscribed."""

from typing import Any

import pytest

from tests.usercentre_kit import make_settings
from web.channels import Channels

NAME = b"group:{g1}"


class Connection:
    """Takes commands; nothing is answered but by the test."""

    def __init__(self) -> None:
        self.commands: list[tuple[Any, ...]] = []

    def send_command(self, *command: Any, check_health: bool = True) -> None:
        self.commands.append(command)

    def disconnect(self) -> None:
        pass


@pytest.fixture
def channels(monkeypatch: pytest.MonkeyPatch) -> Channels:
    monkeypatch.setattr(Channels, "_run", lambda self: None)
    return Channels(make_settings(), lambda channel, payload: None, lambda: None, lambda: None)


def test_who_gave_a_channel_up_and_wants_it_again_waits_for_the_second_answer(
    channels: Channels,
) -> None:
    # Given a channel that was asked for, given up, and asked for again, before any answer
    connection = Connection()
    first = channels.subscribe(NAME.decode())
    channels._send_changes(connection)
    channels.unsubscribe(NAME.decode())
    channels._send_changes(connection)
    second = channels.subscribe(NAME.decode())
    channels._send_changes(connection)
    assert [command[0] for command in connection.commands] == [
        "SUBSCRIBE",
        "UNSUBSCRIBE",
        "SUBSCRIBE",
    ]

    # When the first is answered
    channels._confirm(NAME)
    # Then it is not subscribed: it is about to be given up
    assert not second.is_set()
    channels._confirm(NAME)
    assert second.is_set()
    # Then: nobody waits for what was given up
    assert first.is_set()


def test_what_is_asked_for_in_one_turn_is_asked_for_once(channels: Channels) -> None:
    connection = Connection()
    channels.subscribe(NAME.decode())
    channels.unsubscribe(NAME.decode())
    ready = channels.subscribe(NAME.decode())
    channels._send_changes(connection)
    assert connection.commands == [("SUBSCRIBE", NAME)]
    channels._confirm(NAME)
    assert ready.is_set()
