"""The exceptions whose message is for a person, and how one names what exists."""

import difflib
import unicodedata
from collections.abc import Iterable


class InputError(ValueError):
    """Something the user gave is wrong.

    The message is one line for a person: what was wrong, the value, where, what is allowed. The
    command line prints it without a traceback and ends with status 2.
    """


class RunError(RuntimeError):
    """A run cannot go on, through no mistake in what the user gave.

    The message is one line for a person, as of `InputError`; the command line ends with status 1.
    """


class StorageError(RunError, OSError):
    """A place for files cannot be used now: it is full, away, or refuses.

    No trial is to blame, so none fails of it: the run ends, and the same command goes on later.
    """


def unknown_name(what: str, name: str, known: Iterable[str]) -> str:
    """One line for a name that does not exist: the closest one, and all that do."""
    known = list(known)
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    listed = ", ".join(known[:40]) + (", ..." if len(known) > 40 else "")
    return f"unknown {what}: {name!r}{hint} (known: {listed or 'none'})"


_BIDIRECTIONAL = frozenset(
    "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
)


def printable(text: str) -> str:
    r"""A text for a terminal: what controls it is shown as an escape, such as \x1b or \n.

    Control characters, halves of surrogate pairs, line separators and marks that turn the
    direction of writing are escaped; every script is left as it is.

    >>> print(printable("red\x1b[2J\n"))
    red\x1b[2J\n
    """
    if text.isprintable():
        return text
    return "".join(_escaped(c) if _controls(c) else c for c in text)


def _controls(character: str) -> bool:
    return unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") or (
        character in _BIDIRECTIONAL
    )


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode()
