"""Tables of records with named fields, as JSON has them."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from clinfonce.data.tables.parquet import cells_of
from clinfonce.data.tables.source import SourceTable, check_columns
from clinfonce.data.tables.words import clean
from clinfonce.errors import InputError


def of_records(
    file: Path, records: Sequence[Mapping[str, Any]], only: Sequence[str] | None = None
) -> SourceTable:
    """A table of records, whose fields are typed; a field that a record lacks is missing there.

    Fields that no record has a value of, and fields with fields of their own, are left out.

    Raises:
        InputError: a field whose values are of several kinds.
    """
    import pyarrow

    fields = {name: None for record in records for name in record}
    check_columns(file, [clean(str(name)) for name in fields], only)
    columns, notes = {}, []
    for field in fields:
        name = clean(str(field))
        values = [record.get(field) for record in records]
        if (only is not None and name not in only) or all(value is None for value in values):
            continue
        if any(isinstance(value, Mapping) for value in values):
            notes.append(f"{file}: {name!r} has fields of its own, and is left out")
            continue
        try:
            columns[name] = cells_of(pyarrow.chunked_array([pyarrow.array(values)]))
        except (pyarrow.ArrowException, OverflowError):
            raise InputError(f"{file}: the values of {name!r} are of several kinds") from None
    lines = range(1, len(records) + 1)
    return SourceTable(file, columns, lines, unit="record", notes=tuple(notes))


def read_jsonl(file: Path, only: Sequence[str] | None = None) -> SourceTable:
    """Read a file with a record in each line.

    Raises:
        InputError: a line that is no record.
    """
    records = []
    with file.open(encoding="utf-8-sig") as opened:
        try:
            for number, line in enumerate(opened, 1):
                if line.strip():
                    records.append(_record(file, number, line))
        except UnicodeDecodeError as error:
            raise InputError(f"{file}: not utf-8 text ({error.reason})") from None
    if not records:
        raise InputError(f"{file}: the table has no rows")
    return of_records(file, records, only)


def _record(file: Path, number: int, line: str) -> Mapping[str, Any]:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{file}, line {number}: not JSON ({error})") from None
    if not isinstance(found, dict):
        raise InputError(f"{file}, line {number}: not a record with named fields")
    return found
