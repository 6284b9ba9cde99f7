"""What may stand on a terminal, a page or in a picture, whoever gave it its name."""

import re
import unicodedata

# Controls of C0 and C1 drive terminals, the directions of Unicode turn the words around them, and
# lone surrogates and the last two code points of the plane are no text in any file.
_COMMANDS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u206f\ufeff\ufff9-\ufffb"
    "\ufffe\uffff\ud800-\udfff\U000e0000-\U000e007f]"
)


def printable(text: str) -> str:
    r"""The text with everything spelled out that does something rather than be seen.

    Line ends and tabs stay. To be used wherever text that came from data is shown, and nowhere
    else: files keep what is.

    >>> print(printable("red\x1b[2J"))
    red\x1b[2J
    """
    return _COMMANDS.sub(_spelled, text)


def one_line(text: str) -> str:
    """The printable text in one line: white space is single spaces."""
    return printable(" ".join(text.split()))


def width_of(text: str) -> int:
    """How many columns of a terminal a line of printable text takes."""
    if text.isascii():
        return len(text)
    return sum(_columns(character) for character in text)


def _columns(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _spelled(found: re.Match[str]) -> str:
    code = ord(found[0])
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
