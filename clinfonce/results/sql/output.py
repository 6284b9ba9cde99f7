"""A table as text or as a file: aligned columns, CSV, JSON, Parquet."""

import json
import math
import os
from datetime import datetime
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.types as types

from clinfonce.errors import InputError
from clinfonce.files import write_atomically
from clinfonce.results.store.parquet import parquet_bytes

FORMATS = ("table", "csv", "json", "parquet")


def write_table(table: Any, format: str, target: IO[Any] | str | os.PathLike[str]) -> None:
    """Write a pyarrow table.

    Args:
        table: any pyarrow.Table, such as what `Results.sql` returns.
        format: "table" (aligned columns for people, numbers to four digits), "csv" (lists as JSON),
            "json" (a list of objects; NaN is null; times in ISO 8601), "parquet".
        target: a path, written whole or not at all, or an open stream: binary for Parquet, text for
            all others.

    Raises:
        InputError: the format is unknown.
    """
    content = encode_table(table, format)
    if not isinstance(target, str | os.PathLike):
        target.write(content if format == "parquet" else content.decode())
        return
    write_atomically(Path(target), content)


def encode_table(table: Any, format: str) -> bytes:
    """The bytes of a table in a format; see `write_table`.

    Raises:
        InputError: the format is unknown.
    """
    if format not in FORMATS:
        raise InputError(f"format {format!r} is unknown; allowed: {', '.join(FORMATS)}")
    if format == "parquet":
        return parquet_bytes(table)
    if format == "csv":
        return _csv(table)
    if format == "json":
        rows = [{k: _json_value(v) for k, v in row.items()} for row in _rows(table)]
        return (json.dumps(rows, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()
    return _aligned(table).encode()


def _rows(table: Any) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = table.to_pylist()
    return rows


def _csv(table: Any) -> bytes:
    columns = []
    for column in table.columns:
        if types.is_nested(column.type):
            texts = [None if v is None else json.dumps(v) for v in column.to_pylist()]
            column = pa.array(texts, pa.string())
        columns.append(column)
    sink = pa.BufferOutputStream()
    plain = pa.Table.from_arrays(columns, names=table.column_names)
    pacsv.write_csv(plain, sink, pacsv.WriteOptions(quoting_style="needed"))
    content: bytes = sink.getvalue().to_pybytes()
    return content


def _json_value(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, list):
        return [_json_value(v) for v in value]
    if isinstance(value, dict):
        return {k: _json_value(v) for k, v in value.items()}
    if isinstance(value, datetime):
        return value.isoformat()
    return value if isinstance(value, str | int | bool | None) else str(value)


def _aligned(table: Any) -> str:
    """Columns apart by two spaces, numbers to the right; a rule below the names."""
    names = table.column_names
    right = [types.is_integer(c.type) or types.is_floating(c.type) for c in table.columns]
    cells = [[_cell(v) for v in column.to_pylist()] for column in table.columns]
    widths = [max(map(len, [n, *c])) for n, c in zip(names, cells, strict=True)]
    lines = [names, ["─" * width for width in widths], *map(list, zip(*cells, strict=True))]
    return "".join(_line(line, widths, right) for line in lines)


def _line(cells: list[str], widths: list[int], right: list[bool]) -> str:
    padded = [
        cell.rjust(width) if to_right else cell.ljust(width)
        for cell, width, to_right in zip(cells, widths, right, strict=True)
    ]
    return "  ".join(padded).rstrip() + "\n"


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.4f}".rstrip("0").rstrip(".") if abs(value) < 1e4 else f"{value:.0f}"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S")
    return " ".join(str(value).split())
