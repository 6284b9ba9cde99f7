"""Read a user's table: the one reader, whoever asks."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from clinfonce.data.tables.coco import read_json
from clinfonce.data.tables.parquet import read_parquet
from clinfonce.data.tables.records import read_jsonl
from clinfonce.data.tables.separated import Record, decoded, delimiter_of, records
from clinfonce.data.tables.source import Cells, SourceTable, check_columns
from clinfonce.data.tables.words import clean
from clinfonce.errors import InputError

SUFFIXES = (".csv", ".tsv", ".tab", ".txt")
_UNNAMED = re.compile(r"|Unnamed: \d+")  # the second is how pandas reads the first
_is_whole: Callable[[str], object] = re.compile(r"[+-]?\d+").fullmatch


def read_table(
    file: Path,
    encoding: str = "utf-8",
    *,
    delimiter: str | None = None,
    only: Sequence[str] | None = None,
) -> SourceTable:
    """Read a .csv, .tsv, .txt, .parquet, .json or .jsonl file.

    Texts and names lose blanks around them and get one Unicode form (NFC). Blank rows, columns
    with neither name nor value, and a first column of row numbers without a name are left out; so
    is a last row that this column gives the number -1, which holds counts.

    Args:
        file: to read.
        encoding: of a text without a byte order mark.
        delimiter: between values; None finds it.
        only: columns to keep; None keeps all.

    Raises:
        InputError: a missing or empty file, another kind of file or encoding, rows of another
            length, a column without a name or named twice, too many columns.
    """
    if not file.is_file():
        raise InputError(f"{file}: no such file")
    with file.open("rb") as opened:
        magic = opened.read(4)
    if magic == b"PAR1" or file.suffix.lower() in (".parquet", ".pq"):
        table = read_parquet(file, only)
    elif file.suffix.lower() in (".jsonl", ".ndjson"):
        table = read_jsonl(file, only)
    elif file.suffix.lower() == ".json":
        table = read_json(file, only)
    elif file.suffix.lower() in SUFFIXES and not magic.startswith((b"PK\3\4", b"\x1f\x8b")):
        table = _read_separated(file, encoding, delimiter, only)
    else:
        raise InputError(
            f"{file}: the table must be a .csv, .tsv or .parquet file (or .txt, .json, .jsonl); "
            "spreadsheets can save as CSV"
        )
    if not len(table):
        raise InputError(f"{file}: the table has no rows")
    return table


def _read_separated(
    file: Path, encoding: str, delimiter: str | None, only: Sequence[str] | None
) -> SourceTable:
    text = decoded(file, encoding)
    delimiter, before = delimiter_of(file, text, delimiter)
    found = records(file, text, delimiter, before)
    header = next(found, None)
    if header is None:
        raise InputError(f"{file}: the table is empty")
    names = [clean(name) for name in header.values]
    check_columns(file, [name for name in names if not _UNNAMED.fullmatch(name)], only)
    kept = [_UNNAMED.fullmatch(name) is not None or only is None or name in only for name in names]
    columns = [_Column() if keep else None for keep in kept]
    lines: list[int] = []
    for record in found:
        values = _values(file, record, len(names))
        if values:
            lines.append(record.line)
            for place, column in enumerate(columns):
                if column is not None:
                    column.add(values[place], bool(record.quoted) and record.quoted[place])
    cells, notes, end = _without_index(file, names, columns, len(lines))
    return SourceTable(file, cells, lines[:end], decimal_comma=delimiter != ",", notes=notes)


def _values(file: Path, record: Record, n_columns: int) -> list[str]:
    """One value a column; none for a row in which nothing stands."""
    values = record.values
    if len(values) > n_columns and not any(value.strip() for value in values[n_columns:]):
        values = values[:n_columns]
    if not any(map(str.strip, values)):
        return []
    if len(values) != n_columns:
        raise InputError(
            f"{file}, line {record.line}: {len(values)} values for {n_columns} columns"
        )
    return values


class _Column:
    """Collects the texts of a column; equal ones are kept once."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self._quoted: list[int] = []
        self._clean: dict[str, str] = {}

    def add(self, text: str, quoted: bool) -> None:
        if (known := self._clean.get(text)) is None:
            known = self._clean.setdefault(text, clean(text))
        if quoted:
            self._quoted.append(len(self.texts))
        self.texts.append(known)

    def cells(self, end: int) -> Cells:
        """The column up to a row."""
        if not self._quoted:
            return Cells(self.texts[:end])
        quoted = np.zeros(len(self.texts), dtype=np.bool_)
        quoted[self._quoted] = True
        return Cells(self.texts[:end], quoted=quoted[:end])

    @property
    def numbers_rows(self) -> bool:
        """Whether all are different whole numbers."""
        return all(map(_is_whole, self.texts)) and len(set(self.texts)) == len(self.texts)


def _without_index(
    file: Path, names: Sequence[str], columns: Sequence[_Column | None], end: int
) -> tuple[dict[str, Cells], tuple[str, ...], int]:
    """Columns that have a name, what is said of others, and how many rows are of images."""
    kept, notes = {}, []
    for place, (name, column) in enumerate(zip(names, columns, strict=True)):
        if column is None or (_UNNAMED.fullmatch(name) and not any(column.texts)):
            continue
        if _UNNAMED.fullmatch(name) and place == 0 and column.numbers_rows:
            notes.append(f"{file}: column 1 has no name and numbers the rows; it is left out")
            if column.texts[-1] == "-1":
                notes.append(f"{file}: the last row has the number -1, so it is left out too")
                end -= 1
        elif name:
            kept[name] = column
        else:
            value = next(filter(None, column.texts))
            raise InputError(
                f"{file}: column {place + 1} has no name (its first value is {value!r}); give it "
                "one in the table's first line, or empty it"
            )
    return {name: column.cells(end) for name, column in kept.items()}, tuple(notes), end
