"""Read a Parquet file as columns of typed values: what the file calls a list stays a list."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from clinfonce.data.tables.source import Cells, Form, SourceTable, check_columns
from clinfonce.data.tables.words import clean
from clinfonce.errors import InputError

_INDEX = "__index_level_"  # how pandas names the index that it writes beside the columns


def read_parquet(
    file: Path, only: Sequence[str] | None = None, leave_out: str | None = None
) -> SourceTable:
    """Read the columns of a Parquet file, or some of them.

    Numbers that Hugging Face's schema gives names become those names.

    Raises:
        InputError: no Parquet file, a damaged one, or columns that cannot be told apart.
    """
    import pyarrow
    import pyarrow.parquet as parquet

    try:
        with parquet.ParquetFile(file) as opened:
            names = [str(name) for name in opened.schema_arrow.names]
            check_columns(file, [clean(name) for name in names], only)
            wanted = [n for n in names if n != leave_out and (only is None or clean(n) in only)]
            table = opened.read(columns=wanted)
            classes = _class_names(opened.schema_arrow.metadata or {})
    except (pyarrow.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{file}: not a Parquet file, or not a whole one: {reason}") from None
    kept = [name for name in wanted if not name.startswith(_INDEX)]
    notes = [f"{name!r} is an index that pandas wrote, and left out" for name in wanted
             if name not in kept]  # fmt: skip
    columns = {clean(name): _named(cells_of(table[name]), classes.get(name)) for name in kept}
    lines = range(1, table.num_rows + 1)
    return SourceTable(file, columns, lines, unit="row", notes=tuple(notes))


def cells_of(column: Any) -> Cells:
    """One column, typed as its Arrow type says."""
    import pyarrow.types as is_a

    if is_a.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    kind = column.type
    if is_a.is_list(kind) or is_a.is_large_list(kind) or is_a.is_fixed_size_list(kind):
        return _lists(column)
    for holds, convert in _CONVERSIONS:
        if any(getattr(is_a, f"is_{name}")(kind) for name in holds):
            return convert(column)
    return Cells(column.to_pylist(), "image" if is_a.is_struct(kind) else "other")


def _class_names(metadata: Mapping[bytes, bytes]) -> dict[str, Sequence[str]]:
    """Column to the names of its numbers, as Hugging Face's schema says."""
    try:
        features = json.loads(metadata[b"huggingface"])["info"]["features"]
        items = {name: _feature(feature) for name, feature in features.items()}
    except (KeyError, ValueError, TypeError, AttributeError):
        return {}
    return {name: names for name, names in items.items() if names}


def _feature(feature: Any) -> Sequence[str]:
    """Names of a class label, or of a list of them."""
    if isinstance(feature, list):
        feature = feature[0]
    if feature.get("_type") in ("Sequence", "List", "LargeList"):
        feature = feature["feature"]
    return feature["names"] if feature.get("_type") == "ClassLabel" else ()


def _named(cells: Cells, names: Sequence[str] | None) -> Cells:
    """Numbers as the names that they stand for; -1 is that of no class."""
    if not names or cells.form not in ("integer", "list"):
        return cells
    known = dict(enumerate(map(clean, names)))
    if cells.form == "list":
        values = [None if v is None else tuple(known.get(int(i), i) for i in v)
                  for v in cells.values]  # fmt: skip
        return replace(cells, values=values)
    return Cells([None if value is None else known.get(value) for value in cells.values], "string")


def _lists(column: Any) -> Cells:
    import pyarrow.types as is_a

    inner = column.type.value_type
    if is_a.is_dictionary(inner):
        inner = inner.value_type
    if is_a.is_floating(inner) or is_a.is_decimal(inner):
        return Cells(column, "vector")
    if is_a.is_list(inner) or is_a.is_large_list(inner) or is_a.is_fixed_size_list(inner):
        return Cells([_paths(value) for value in column.to_pylist()], "lists")
    if is_a.is_struct(inner) or is_a.is_map(inner):
        return Cells(column.to_pylist(), "other")
    return Cells([_items(value) for value in column.to_pylist()], "list")


def _items(value: Sequence[Any] | None) -> tuple[str, ...] | None:
    """The items of a list as texts; what is null among them is no item."""
    return None if value is None else tuple(clean(str(v)) for v in value if v is not None)


def _paths(value: Sequence[Any] | None) -> tuple[tuple[str, ...], ...] | None:
    return None if value is None else tuple(_items(path) or () for path in value if path)


def _strings(column: Any) -> Cells:
    values = (None if value is None else clean(value) for value in column.to_pylist())
    return Cells([value or None for value in values], "string")


def _plain(form: Form) -> Callable[[Any], Cells]:
    return lambda column: Cells(column.to_pylist(), form)


def _numbers(column: Any) -> Cells:
    import pyarrow

    values = column.cast(pyarrow.float64()).to_pylist()
    return Cells([None if value is None or value != value else value for value in values], "number")


def _moments(column: Any) -> Cells:
    import pyarrow

    if pyarrow.types.is_timestamp(column.type):  # Python knows no nanoseconds
        column = column.cast(pyarrow.timestamp("us", column.type.tz), safe=False)
    return Cells(column.to_pylist(), "date")


def _seconds(column: Any) -> Cells:
    import pyarrow

    if pyarrow.types.is_duration(column.type):
        ticks, unit = column.cast(pyarrow.int64()), column.type.unit
    else:
        unit = column.type.unit
        width = pyarrow.int32() if column.type.bit_width == 32 else pyarrow.int64()
        ticks = column.cast(width)
    scale = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}[unit]
    values = [None if value is None else value * scale for value in ticks.to_pylist()]
    return Cells(values, "number", description="in seconds")


# Tests of `pyarrow.types`, and what reads a column that passes one of them.
_CONVERSIONS: tuple[tuple[tuple[str, ...], Callable[[Any], Cells]], ...] = (
    (("boolean",), _plain("boolean")),
    (("integer",), _plain("integer")),
    (("floating", "decimal"), _numbers),
    (("date", "timestamp"), _moments),
    (("time", "duration"), _seconds),
    (("string", "large_string", "string_view", "null"), _strings),
    (("binary", "large_binary", "binary_view", "fixed_size_binary"), _plain("image")),
)
