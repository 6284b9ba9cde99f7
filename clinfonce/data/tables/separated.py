"""Read text whose values stand between commas, semicolons, tabs or bars (RFC 4180, and looser)."""

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from clinfonce.errors import InputError

DELIMITERS = (",", ";", "\t", "|")
# The longest first: the mark of UTF-16 begins that of UTF-32.
_MARKS = (
    (b"\xff\xfe\x00\x00", "utf-32"),
    (b"\x00\x00\xfe\xff", "utf-32"),
    (b"\xef\xbb\xbf", "utf-8-sig"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)
_OPENING = re.compile(' *"')
_DECLARED = re.compile(r'"?sep=(.)"?\s*')  # Excel's own first line
_LOOKED_AT = 1 << 20  # characters that tell the delimiter
_FEW = 100  # rows of them


@dataclass(frozen=True)
class Record:
    """A row of a file.

    Attributes:
        line: that it starts at.
        values: as they stand there, without their quotes.
        quoted: whether each stood in quotes; empty if none did.
    """

    line: int
    values: list[str]
    quoted: list[bool] = field(default_factory=list)


def decoded(file: Path, encoding: str) -> str:
    r"""The text of a file, with \n for every kind of line end.

    A byte order mark says which Unicode it is, whatever `encoding` is.

    Raises:
        InputError: an unknown encoding, or bytes that are not text in it.
    """
    content = file.read_bytes()
    encoding = next((name for mark, name in _MARKS if content.startswith(mark)), encoding)
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise InputError(
            f"{file}, line {line}: not {encoding} text ({error.reason}); "
            "give its encoding (--encoding)"
        ) from None
    except (LookupError, ValueError):
        raise InputError(f"unknown encoding {encoding!r}") from None
    if (place := text.find("\0")) >= 0:
        line = text.count("\n", 0, place) + 1
        raise InputError(
            f"{file}, line {line}: a NUL among the characters; if it is UTF-16, --encoding "
            "utf-16-le or utf-16-be says so"
        )
    return text.replace("\r\n", "\n").replace("\r", "\n")


def delimiter_of(file: Path, text: str, given: str | None) -> tuple[str, int]:
    r"""What separates the values, and the number of lines before the header.

    That is what is given, what a first line `sep=;` says, or else of , ; \t | the one that cuts
    the header into most names, of equal ones that whose first rows have as many values.

    Raises:
        InputError: what is given is not one character.
    """
    first = text.partition("\n")[0]
    declared = _DECLARED.fullmatch(first)
    before = int(declared is not None)
    if given is not None:
        named = {"tab": "\t", "\\t": "\t"}.get(given, given)
        if len(named) != 1 or named in '"\n\r ':
            raise InputError(f"delimiter {given!r} is not one character such as , ; | or tab")
        return named, before
    if declared is not None:
        return declared[1], before
    usual = "\t" if file.suffix.lower() in (".tsv", ".tab", ".txt") else ","
    beginning = text[:_LOOKED_AT]
    candidates = (usual, *DELIMITERS)
    return max(candidates, key=lambda candidate: _fit(file, beginning, candidate)), before


def _fit(file: Path, text: str, delimiter: str) -> tuple[int, int]:
    """Names that a delimiter finds, and rows in the beginning with as many values."""
    names, fitting = 0, 0
    try:
        for number, record in enumerate(records(file, text, delimiter)):
            names = names or len(record.values)
            fitting += len(record.values) == names
            if number == _FEW:
                break
    except InputError:
        pass
    return names, fitting


def records(file: Path, text: str, delimiter: str, skip: int = 0) -> Iterator[Record]:
    """The rows of a text, without blank lines.

    A value may stand in quotes, with blanks around them, and then hold delimiters, line ends and
    doubled quotes; a quote inside an unquoted value is a character like any other.

    Raises:
        InputError: a quote that never closes, or text after one that did.
    """
    lines = iter(enumerate(io.StringIO(text, newline="\n"), 1))
    for number, line in lines:
        line = line.removesuffix("\n")
        if number <= skip or not line.strip(" "):
            continue
        if '"' in line:
            yield _Quoted(file, number, lines, delimiter).read(line)
        else:
            yield Record(number, line.split(delimiter))


class _Quoted:
    """Reads one row with quotes in it, which may go on over several lines."""

    def __init__(
        self, file: Path, start: int, lines: Iterator[tuple[int, str]], delimiter: str
    ) -> None:
        self._file, self._start, self._lines, self._delimiter = file, start, lines, delimiter
        self._after = re.compile(f" *({re.escape(delimiter)}|$)")

    def read(self, line: str) -> Record:
        record = Record(self._start, [])
        place = 0
        while True:
            opening = _OPENING.match(line, place)
            record.quoted.append(opening is not None)
            if opening is not None:
                value, line, place = self._inside(line, opening.end())
                ended = self._after.match(line, place)
                if ended is None:
                    raise InputError(
                        f"{self._file}, line {self._start}: text after the quote that closes "
                        f"{_shortened(value)!r}; a quote inside quotes is doubled"
                    )
                record.values.append(value)
                place, at_end = ended.end(), not ended[1]
            else:
                value, delimiter, _ = line[place:].partition(self._delimiter)
                record.values.append(value)
                place, at_end = place + len(value) + 1, not delimiter
            if at_end:
                return record

    def _inside(self, line: str, place: int) -> tuple[str, str, int]:
        """The value that a quote opened, the line where it closes, and the place after that."""
        parts = []
        while True:
            end = line.find('"', place)
            if end < 0:
                parts.append(line[place:])
                _, more = next(self._lines, (0, ""))
                if not more:
                    opened = _shortened("".join(parts))
                    raise InputError(
                        f"{self._file}, line {self._start}: the quote before {opened!r} is never "
                        "closed"
                    )
                parts.append("\n")
                line, place = more.removesuffix("\n"), 0
            elif line.startswith('""', end):
                parts.append(line[place : end + 1])
                place = end + 2
            else:
                parts.append(line[place:end])
                return "".join(parts), line, end + 1


def _shortened(text: str) -> str:
    return text if len(text) <= 30 else f"{text[:30]}…"
