"""The exceptions whose message is for a person, and how one names what exists."""

import difflib
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
