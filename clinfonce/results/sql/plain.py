"""What DuckDB returns as Arrow columns whose every value is what DuckDB means by it.

DuckDB has types that Arrow lacks, or holds otherwise: taken as they come, intervals and moments at
infinity could not be written, and the largest integers would be others. Such columns become text,
in DuckDB's own words, but integers of up to 38 digits are decimals, and arrays lists.
"""

from collections.abc import Iterator, Sequence, Set
from datetime import date
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as types

from clinfonce.errors import InputError

# Kinds of values that Arrow, Parquet and Python hold as they are.
_EXACT = {
    *("boolean", "tinyint", "smallint", "integer", "bigint", "float", "double", "decimal"),
    *("utinyint", "usmallint", "uinteger", "ubigint", "varchar", "blob"),
}
# … unless they are infinite, out of the years 1 to 9999, or 24:00.
_MOMENTS = {"date", "time", "timestamp", "timestamp_s", "timestamp_ms", "timestamp with time zone"}
# … as decimals, up to 38 digits.
_INTEGERS = {"hugeint", "uhugeint", "bignum"}

_DAYS = tuple((day - date(1970, 1, 1)).days for day in (date.min, date.max))
_DAY = {unit: 24 * 60 * 60 * n for unit, n in {"s": 1, "ms": 10**3, "us": 10**6}.items()}


def fetch(connection: Any, statement: str, most: int) -> Any:
    """Run a statement and return its rows as a pyarrow.Table.

    Columns of one name are told apart by numbers: name, name_1.

    Args:
        connection: of DuckDB.
        statement: one that reads.
        most: bytes that the rows may take.

    Raises:
        duckdb.Error: as DuckDB finds.
        InputError: the rows take more.
    """
    relation = connection.sql(statement)
    kinds, names = list(relation.types), _told_apart(relation.columns)
    casts = [_type(kind, _INTEGERS) for kind in kinds]
    if any(casts):  # by position, since two columns may have one name
        positions = [f"#{i}" + (f"::{to}" if to else "") for i, to in enumerate(casts, 1)]
        relation = relation.project(", ".join(positions))
    rows = _rows(relation.to_arrow_reader(), most)
    columns = [_checked(connection, c, kind) for c, kind in zip(rows.columns, kinds, strict=True)]
    return pa.Table.from_arrays(columns, names=names)


def _rows(reader: Any, most: int) -> Any:
    batches, size = [], 0
    with reader:  # an open one would keep the connection
        for batch in reader:
            size += batch.nbytes
            if size > most:
                raise InputError(
                    f"the result takes more than {most / 2**30:.1f} GiB, a sixteenth of the "
                    "memory: ask for fewer rows or columns, or aggregate"
                )
            batches.append(batch)
        return pa.Table.from_batches(batches, reader.schema)


def _told_apart(names: Sequence[str]) -> list[str]:
    taken, found = set(names), []
    for name in names:
        number = 0
        while (new := f"{name}_{number}" if number else name) in found or (number and new in taken):
            number += 1
        found.append(new)
    return found


def _type(kind: Any, texts: Set[str]) -> str | None:
    """The SQL type to cast to, for Arrow to hold it; None: it does as it is.

    Args:
        kind: type of DuckDB.
        texts: kinds of values, beside those that always do, that become text.
    """
    name = kind.id
    parts = kind.children if name in ("list", "array", "map", "struct", "tuple") else []
    if not parts:
        return _type_of_value(name, texts)
    if name == "array":  # Parquet knows none, and older pyarrows cannot write those that are null
        return f"{_type(parts[0][1], texts) or parts[0][1]}[]"
    casts = [_type(part, texts) for _, part in parts]
    if not any(casts):
        return None
    inner = [to or str(part) for to, (_, part) in zip(casts, parts, strict=True)]
    match name:
        case "list":
            return f"{inner[0]}[]"
        case "struct":
            inner = [f"{_quoted(n)} {to}" for (n, _), to in zip(parts, inner, strict=True)]
    return f"{name}({', '.join(inner)})"


def _type_of_value(kind: str, texts: Set[str]) -> str | None:
    if kind in _INTEGERS - texts:
        return "DECIMAL(38,0)"
    return None if kind in (_EXACT | _MOMENTS) - texts else "VARCHAR"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _checked(connection: Any, column: Any, kind: Any) -> Any:
    """The column with as little text as its values allow."""
    came = _type(kind, _INTEGERS)
    for texts in (set[str](), _MOMENTS, _INTEGERS):
        to = _type(kind, texts)
        try:
            found = column if to == came else _cast(connection, column, to)
        except duckdb.ConversionException:  # of more than 38 digits
            continue
        if all(_is_in_range(leaf) for chunk in found.chunks for leaf in _leaves(chunk)):
            return found
    return _cast(connection, column, _type(kind, _MOMENTS | _INTEGERS))


def _cast(connection: Any, column: Any, kind: str | None) -> Any:
    connection.register("_column", pa.table({"it": column}))
    try:
        return connection.sql(f"select it::{kind} from _column").to_arrow_table().column(0)
    finally:
        connection.unregister("_column")


def _leaves(array: Any) -> Iterator[Any]:
    """The arrays of plain values within an array."""
    if types.is_map(array.type):
        parts = [array.keys, array.items]
    elif types.is_struct(array.type):
        parts = array.flatten()
    elif types.is_nested(array.type):
        parts = [array.flatten()]
    else:
        yield array
        return
    for part in parts:
        yield from _leaves(part)


def _is_in_range(leaf: Any) -> bool:
    """Whether each moment is one that Python knows too."""
    kind = leaf.type
    if types.is_date(kind):
        day, numbers = 1, leaf.cast(pa.int32())
    elif types.is_temporal(kind):
        day, numbers = _DAY[kind.unit], leaf.cast(pa.int64())
    else:
        return True
    first, last = (0, 0) if types.is_time(kind) else _DAYS
    found = pc.min_max(numbers).as_py()
    return found["min"] is None or first * day <= found["min"] <= found["max"] < (last + 1) * day
