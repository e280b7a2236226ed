"""What the terminal client prints fits the screen and steers nothing."""

from hypothesis import given
from hypothesis import strategies as st

from im_client.terminal import screen, texts

TEXTS = st.text(max_size=200)
ROOMS = st.integers(2, 90)


@given(TEXTS, ROOMS)
def test_wrapped_lines_fit(text: str, room: int) -> None:
    assert all(screen.width(line) <= room for line in screen.wrap(text, room))


@given(st.text("ab 中文,", max_size=120), ROOMS)
def test_wrapping_loses_no_character(text: str, room: int) -> None:
    wrapped = "".join(screen.wrap(text, room))
    assert wrapped.replace(" ", "") == text.replace(" ", "")


@given(TEXTS, ROOMS)
def test_cut_and_padded_texts_fit(text: str, room: int) -> None:
    text = screen.clean(text)
    assert screen.width(screen.cut(text, room)) <= room
    assert screen.width(screen.pad(text, room)) == room


@given(TEXTS)
def test_nothing_steers_the_terminal(text: str) -> None:
    cleaned = screen.clean(text + "\x1b[2J\x9b31m\u202etxt.exe\r\n\x07")
    assert all(char.isprintable() or char == " " for char in cleaned if ord(char) < 0xA0)
    assert "\u202e" not in cleaned


def test_wide_characters_take_two_columns() -> None:
    assert screen.width("中文ab") == 6
    assert screen.cut("中文字符", 5) == "中文…"
    assert list(screen.wrap("中文字符", 4)) == ["中文", "字符"]


def test_both_languages_say_the_same_things() -> None:
    assert texts.ENGLISH.keys() == texts.CHINESE.keys()
    for name, text in texts.ENGLISH.items():
        fields = sorted(part.split("}")[0] for part in text.split("{")[1:])
        other = sorted(part.split("}")[0] for part in texts.CHINESE[name].split("{")[1:])
        assert fields == other, name


def test_the_locale_decides_the_language() -> None:
    assert texts.language_of({"LANG": "zh_CN.UTF-8"}) == "zh"
    assert texts.language_of({"LANG": "zh_CN.UTF-8", "LC_ALL": "en_GB.UTF-8"}) == "en"
    assert texts.language_of({}) == "en"
