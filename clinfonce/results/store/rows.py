"""Rows, as dictionaries, into Arrow tables of the schema: a wrong row is a programming error."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from clinfonce.results.store.column import Column
from clinfonce.results.store.schema import ROLES, STATUSES, TABLES, arrow_schema

_CHOICES = {"role": ROLES, "status": STATUSES}
_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._=-]{0,120}")


def to_table(table: str, rows: Sequence[Mapping[str, Any]]) -> Any:
    """The rows as an Arrow table; a key left out is null.

    Raises:
        ValueError: a key is unknown, a required value is missing, or a choice is unknown.
        TypeError: a value is not of the column's type.
    """
    columns = TABLES[table]
    known = {column.name for column in columns}
    for row in rows:
        if unknown := sorted(set(row) - known):
            raise ValueError(f"table {table} has no column {', '.join(map(repr, unknown))}")
    arrays = [_array(table, column, [row.get(column.name) for row in rows]) for column in columns]
    return pa.Table.from_arrays(arrays, schema=arrow_schema(table))


def check_key(name: str, key: str) -> str:
    """The key, if it can be a file's name.

    Raises:
        ValueError: it cannot.
    """
    if not is_key(key):
        raise ValueError(f"{name} {key!r}: allowed are letters, digits and . _ = -, at most 121")
    return key


def is_key(text: str) -> bool:
    """Whether a text can be a key, and so a file's name."""
    return _FILE_NAME.fullmatch(text) is not None


def _array(table: str, column: Column, values: list[Any]) -> Any:
    where = f"column {column.name} of table {table}"
    if column.required and None in values:
        raise ValueError(f"{where} is required, but a row lacks it")
    if column.name in _CHOICES:
        allowed = _CHOICES[column.name]
        if strange := [v for v in values if v not in allowed]:
            raise ValueError(f"{where}: {strange[0]!r} is not one of {', '.join(allowed)}")
    try:
        return pa.array([_plain(v, column.type) for v in values], column.type)
    except (pa.ArrowException, TypeError, OverflowError, ValueError) as error:
        found = next((v for v in values if v is not None), None)
        raise TypeError(f"{where} is {column.type}, got {found!r}: {error}") from error


def _plain(value: Any, kind: Any) -> Any:
    """Refuse what Arrow converts in silence: True as 1, 1.5 as 1, a set in no order."""
    fraction = pa.types.is_integer(kind) and isinstance(value, float)
    if fraction or isinstance(value, bool | set | frozenset):
        raise TypeError(f"{type(value).__name__} is not {kind}")
    return value
