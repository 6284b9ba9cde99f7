"""Standard output that takes whatever is written, wherever it leads."""

import codecs
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO, Any

from clinfonce.errors import StorageError
from clinfonce.text import printable

_SPELLED = "clinfonce.spelled"
# How a terminal whose encoding lacks them shows the signs of our tables and sentences.
_SPELLINGS = {"─": "-", "–": "-", "−": "-", "±": "+-", "…": "...", "·": "-", "→": "->", "₂": "2"}


@contextmanager
def printable_output() -> Iterator[None]:
    """Make sys.stdout one that any text can be written to, and that nothing commands a terminal by.

    Binary content goes to `sys.stdout.buffer` as it is.

    Raises:
        StorageError: when written to, if it is closed or what it leads to is full.
        BrokenPipeError: when written to, if who read it has gone.
    """
    codecs.register_error(_SPELLED, _spelled)
    _open_closed_streams()
    before, buffer = sys.stdout, _buffer(sys.stdout)
    if buffer is None:  # no real stream, such as a StringIO
        yield
        return
    out = _Printable(
        buffer, before.encoding, _SPELLED, newline="\n", line_buffering=before.isatty()
    )
    before.flush()
    sys.stdout = out
    try:
        yield
        out.flush()
    finally:
        sys.stdout = before
        _let_go(out)


@contextmanager
def utf8_output() -> Iterator[IO[str]]:
    """Standard output for text that programs read: UTF-8 wherever, and every sign as it is."""
    stream = io.TextIOWrapper(sys.stdout.buffer, "utf-8", newline="\n", write_through=True)
    try:
        yield stream
    finally:
        stream.detach()


def end_at_once(why: str) -> None:
    """End the process though it has work that cannot be stopped."""
    print(f"clinfonce: {why}", file=sys.stderr, flush=True)
    os._exit(1)


class _Printable(io.TextIOWrapper):
    def write(self, text: str, /) -> int:
        super().write(printable(text))
        return len(text)


class _Output(io.FileIO):
    """A file descriptor whose errors are words."""

    def write(self, content: Any, /) -> int:
        try:
            return super().write(content)
        except (BrokenPipeError, BlockingIOError):
            raise
        except OSError as error:
            raise StorageError(f"cannot write to standard output: {error.strerror}") from error


def _buffer(stream: Any) -> Any:
    try:
        return io.BufferedWriter(_Output(stream.fileno(), "wb", closefd=False))
    except (AttributeError, OSError):  # of tests that catch what is printed
        return getattr(stream, "buffer", None)


def _let_go(out: io.TextIOWrapper) -> None:
    """Leave the descriptor; what it did not take goes nowhere, without a word at exit."""
    try:
        out.flush()
    except OSError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, out.fileno())
        os.close(nowhere)
    with suppress(OSError):
        out.detach()


def _open_closed_streams() -> None:
    """Take the places of closed standard streams, else the next files would stand there.

    What leads nowhere on purpose (`>&-`) refuses what is written to it.
    """
    while (descriptor := os.open(os.devnull, os.O_RDONLY)) <= 2:
        continue
    os.close(descriptor)
    if sys.stdout is None:
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123


def _spelled(error: UnicodeError) -> tuple[str, int]:
    """The error handler that spells what an encoding lacks."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    found = error.object[error.start : error.end]
    return "".join(_SPELLINGS.get(c) or ascii(c)[1:-1] for c in found), error.end
