"""What may stand on a terminal: nothing that does something instead of being seen."""

import unicodedata
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinfonce.text import one_line, printable, width_of


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain, ümlaut, 漢字, 👍, עברית", "plain, ümlaut, 漢字, 👍, עברית"),
        ("two\nlines\tand a tab", "two\nlines\tand a tab"),
        ("\x1b[2Jgone", r"\x1b[2Jgone"),
        ("over\rwritten", r"over\x0dwritten"),
        ("\x9b31m", r"\x9b31m"),
        ("\x1b]0;title\x07", r"\x1b]0;title\x07"),
        ("file\u202egnp.exe", r"file\u202egnp.exe"),
        ("half \ud800", r"half \ud800"),
        ("\U000e0041", r"\U000e0041"),
    ],
)
def test_what_commands_is_spelled_out(text: str, shown: str) -> None:
    assert printable(text) == shown


@given(st.text())
def test_any_text_becomes_harmless_and_can_be_encoded_and_stand_in_xml(text: str) -> None:
    shown = printable(text)
    shown.encode()
    assert not [c for c in shown if unicodedata.category(c) in ("Cc", "Cs") and c not in "\n\t"]
    ElementTree.fromstring(f"<a>{shown.replace('&', '&amp;').replace('<', '&lt;')}</a>")
    assert printable(shown) == shown


def test_one_line() -> None:
    assert one_line(" a \n\t b\x00") == r"a b\x00"


@pytest.mark.parametrize(
    ("text", "width"), [("abc", 3), ("漢字", 4), ("e\u0301", 1), ("±", 1), ("", 0), ("👍", 2)]
)
def test_width_on_a_terminal(text: str, width: int) -> None:
    assert width_of(text) == width
