"""Settings are checked when a process starts, not when they are first used."""

import pytest
from pydantic import ValidationError

from models.settings import Settings

ONE = "mysql://im:secret@127.0.0.1:3306/im"


def test_lists_are_comma_separated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IM_MYSQL_URL", f"{ONE}_0, {ONE}_1,")
    assert Settings().mysql_url == (f"{ONE}_0", f"{ONE}_1")


@pytest.mark.parametrize("url", ["", " , ", "postgres://h/db", "mysql://h", "mysql:///db"])
def test_a_database_must_be_named_properly(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("IM_MYSQL_URL", url)
    with pytest.raises(ValidationError, match="mysql_url"):
        Settings()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("web_port", 70000),
        ("web_workers", 0),
        ("blocked_policy", "ignore"),
        ("token_mode", "trust"),
        ("heartbeat_web_s", 1000),
        ("revocations_poll_s", 10),
    ],
)
def test_values_out_of_range_are_refused(name: str, value: object) -> None:
    with pytest.raises(ValidationError):
        Settings(**{"mysql_url": (ONE,), name: value})  # type: ignore[arg-type]


def test_the_secret_is_not_shown() -> None:
    assert "hush" not in repr(Settings(mysql_url=(ONE,), usercenter_secret="hush"))


def test_the_broker_is_redis_unless_named() -> None:
    assert Settings(mysql_url=(ONE,)).celery_broker == "redis://127.0.0.1:6379/0"
    other = Settings(mysql_url=(ONE,), broker_url="redis://broker:6379/1")
    assert other.celery_broker == "redis://broker:6379/1"


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        Settings(mysql_url=(ONE,)).web_port = 1  # type: ignore[misc]
