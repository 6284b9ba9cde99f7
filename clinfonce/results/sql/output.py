"""A table as text or as a file: aligned columns, CSV, JSON, Parquet."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.types as types

from clinfonce.errors import InputError
from clinfonce.files import write_atomically
from clinfonce.results.sql.values import json_text, shown
from clinfonce.results.store.parquet import parquet_bytes
from clinfonce.text import Table

FORMATS = ("table", "csv", "json", "parquet")

_NUMBERS = (types.is_integer, types.is_floating, types.is_decimal)
# What pyarrow writes as text in CSV.
_IN_CSV = (
    *_NUMBERS,
    *(types.is_boolean, types.is_string, types.is_date, types.is_time, types.is_timestamp),
)
_ROWS = 4096  # that are Python values at a time


def write_table(
    table: Any,
    format: str,
    target: IO[Any] | str | os.PathLike[str],
    *,
    width: int | None = None,
) -> None:
    """Write a pyarrow table.

    Args:
        table: any pyarrow.Table, such as what `Results.sql` returns.
        format: "table" (aligned columns for people, numbers to four digits), "csv" (lists, structs
            and maps as JSON), "json" (a list of objects, integers and decimals to the last digit;
            NaN and infinities are null; times in ISO 8601), "parquet". All text is UTF-8.
        target: a path, written whole or not at all, or an open stream: binary for Parquet, text for
            all others.
        width: of the terminal that the format "table" is for; None: a line a row.

    Raises:
        InputError: the format is unknown.
    """
    content = encoded(table, format, width=width)
    if isinstance(target, str | os.PathLike):
        write_atomically(Path(target), content)
        return
    for part in content:
        target.write(part if format == "parquet" else part.decode())


def encode_table(table: Any, format: str) -> bytes:
    """The bytes of a table in a format; see `write_table`.

    Raises:
        InputError: the format is unknown.
    """
    return b"".join(encoded(table, format))


def encoded(table: Any, format: str, *, width: int | None = None) -> Iterator[bytes]:
    """The same, part by part."""
    match format:
        case "table":
            return (f"{line}\n".encode() for line in _aligned(table).lines(width))
        case "csv":
            return iter([_csv(table)])
        case "json":
            return _json(table)
        case "parquet":
            return iter([parquet_bytes(table)])
    raise InputError(f"format {format!r} is unknown; allowed: {', '.join(FORMATS)}")


def _json(table: Any) -> Iterator[bytes]:
    """A list of objects, a value a line."""
    names = [json_text(name, pa.string()) for name in table.column_names]
    before = "[\n"
    for row in _rows(table, json_text):
        pairs = (f"  {name}: {text}" for name, text in zip(names, row, strict=True))
        yield (before + " {\n" + ",\n".join(pairs) + "\n }").encode()
        before = ",\n"
    yield b"[]\n" if before == "[\n" else b"\n]\n"


def _csv(table: Any) -> bytes:
    columns = [_csv_column(column) for column in table.columns]
    if len(columns) == 1:  # a null alone would be an empty line, which readers pass over
        columns = [c.cast(pa.string()).fill_null("") if c.null_count else c for c in columns]
    plain = pa.Table.from_arrays(columns, names=table.column_names)
    sink = pa.BufferOutputStream()
    pacsv.write_csv(plain, sink, pacsv.WriteOptions(quoting_style="needed"))
    content: bytes = sink.getvalue().to_pybytes()
    return content


def _csv_column(column: Any) -> Any:
    """The column as it is where pyarrow has a text for its values."""
    kind = column.type
    if any(is_kind(kind) for is_kind in _IN_CSV):
        return column
    values = column.to_pylist()
    as_text: Callable[[Any, Any], str] = json_text if types.is_nested(kind) else shown
    return pa.array([None if v is None else as_text(v, kind) for v in values], pa.string())


def _aligned(table: Any) -> Table:
    """Columns apart by two spaces, numbers to the right; a rule below the names."""
    right = [any(is_kind(column.type) for is_kind in _NUMBERS) for column in table.columns]
    return Table(table.column_names, right, _Cells(table))


@dataclass(frozen=True)
class _Cells:
    """The cells of a table for people, made anew each time they are gone over."""

    table: Any

    def __iter__(self) -> Iterator[list[str]]:
        return _rows(self.table, shown)


def _rows(table: Any, as_text: Callable[[Any, Any], str]) -> Iterator[list[str]]:
    for batch in table.to_batches(_ROWS):
        columns = [[as_text(v, c.type) for v in c.to_pylist()] for c in batch.columns]
        yield from map(list, zip(*columns, strict=True))
