"""Read a user's table as texts, with the line that every row came from."""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clinfonce.errors import InputError

MAX_COLUMNS = 10_000


@dataclass(frozen=True)
class TextTable:
    """A table of texts.

    Attributes:
        file: where it was read from.
        names: of the columns.
        rows: each with one text per column; "" where nothing is given.
        lines: the line of the file that each row ends at; row number + 1 for Parquet.
    """

    file: Path
    names: list[str]
    rows: list[list[str]]
    lines: list[int]

    def where(self, row: int) -> str:
        """File and line of a row, for messages."""
        return f"{self.file}, line {self.lines[row]}"

    def column(self, name: str) -> list[str]:
        """The texts of one column."""
        place = self.names.index(name)
        return [row[place] for row in self.rows]

    def take(self, rows: list[int]) -> "TextTable":
        """The table of some rows."""
        return TextTable(
            self.file, self.names, [self.rows[r] for r in rows], [self.lines[r] for r in rows]
        )

    def keep(self, names: Sequence[str]) -> "TextTable":
        """The table of some columns, in their order here; unknown names are left out."""
        places = [place for place, name in enumerate(self.names) if name in set(names)]
        rows = [[row[place] for place in places] for row in self.rows]
        return TextTable(self.file, [self.names[place] for place in places], rows, self.lines)


def read_texts(file: Path, encoding: str = "utf-8") -> TextTable:
    """Read a .csv, .tsv or .parquet file.

    Raises:
        InputError: a missing or empty file, another encoding, rows of another length, a column
            without a name or named twice, or more than `MAX_COLUMNS` columns.
    """
    if not file.is_file():
        raise InputError(f"{file}: no such file")
    if file.suffix == ".parquet":
        table = _read_parquet(file)
    elif file.suffix in (".csv", ".tsv"):
        table = _read_separated(file, encoding)
    else:
        raise InputError(f"{file}: the table must be a .csv, .tsv or .parquet file")
    _check_names(table)
    if not table.rows:
        raise InputError(f"{file}: the table has no rows")
    return table


def _read_separated(file: Path, encoding: str) -> TextTable:
    try:
        text = file.read_bytes().decode(encoding).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise InputError(
            f"{file}, line {line}: not {encoding} text ({error.reason}); "
            "give its encoding (--encoding)"
        ) from None
    except LookupError:
        raise InputError(f"unknown encoding {encoding!r}") from None
    reader = csv.reader(
        io.StringIO(text, newline=""), delimiter="\t" if file.suffix == ".tsv" else ",", strict=True
    )
    lines: list[int] = []
    try:
        names = [name.strip() for name in next(reader, [])]
        if len(names) > MAX_COLUMNS:  # before the rows are read
            raise InputError(_too_many(file, len(names)))
        rows = list(_checked_rows(file, reader, len(names), lines))
    except csv.Error as error:
        raise InputError(f"{file}, line {reader.line_num}: {error}") from None
    return TextTable(file, names, rows, lines)


def _checked_rows(file: Path, reader: Any, n_columns: int, lines: list[int]) -> Iterator[list[str]]:
    for row in reader:
        if not row:  # a blank line
            continue
        if len(row) != n_columns:
            raise InputError(
                f"{file}, line {reader.line_num}: {len(row)} values for {n_columns} columns"
            )
        lines.append(reader.line_num)
        yield [value.strip() for value in row]


def _read_parquet(file: Path) -> TextTable:
    import pyarrow
    import pyarrow.parquet as parquet

    try:
        names = parquet.read_schema(file).names
        if len(names) > MAX_COLUMNS:
            raise InputError(_too_many(file, len(names)))
        columns = [c.to_pylist() for c in parquet.read_table(file).columns]
    except (pyarrow.ArrowInvalid, OSError) as error:
        raise InputError(f"{file}: not a Parquet file: {error}") from None
    rows = [[_as_text(value) for value in row] for row in zip(*columns, strict=True)]
    return TextTable(file, [str(n) for n in names], rows, list(range(1, len(rows) + 1)))


def _as_text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, list | tuple):
        return "|".join(map(str, value)) + ("|" if len(value) == 1 else "")
    return str(value).strip()


def _check_names(table: TextTable) -> None:
    if len(table.names) > MAX_COLUMNS:
        raise InputError(_too_many(table.file, len(table.names)))
    seen: set[str] = set()
    for place, name in enumerate(table.names, 1):
        if not name:
            raise InputError(f"{table.file}: column {place} has no name")
        if name in seen:
            raise InputError(f"{table.file}: two columns are named {name!r}")
        seen.add(name)


def _too_many(file: Path, n: int) -> str:
    return f"{file}: {n} columns; at most {MAX_COLUMNS} are allowed"
