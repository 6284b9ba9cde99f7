"""Columns of a user's table made into columns of values."""

from collections import Counter
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from clinfonce.data.table import Column, Kind
from clinfonce.data.tables.kinds import IGNORE, Given, Reading, check_form, reading_of
from clinfonce.data.tables.source import Cells, SourceTable, text_of
from clinfonce.data.tables.words import ERRORS, Missing, alike
from clinfonce.errors import InputError

_WIDEST = 1 << 31  # bytes of a column of texts, each kept as wide as the longest
_ALIKE = 3  # pairs of values named in a note


@dataclass(frozen=True)
class Parsed:
    """A column, how many of its values did not fit its kind, and what is unsure of it."""

    column: Column
    n_bad: int
    notes: tuple[str, ...] = ()


def known_rows(
    cells: Cells, name: str, missing: Missing
) -> tuple[NDArray[np.bool_], tuple[str, ...]]:
    """Which rows (n,) of a column have a value, and a note on words taken for none."""
    values = cells.values
    own = missing.of_column.get(name, frozenset())
    if cells.form == "text":
        absent = {text for text in set(values) if missing.is_word(text)}
        known = np.array([text not in absent for text in values], dtype=np.bool_)
        if cells.quoted is not None:
            known |= cells.quoted & np.array([text != "" for text in values])
    else:
        known = np.array([value is not None for value in values], dtype=np.bool_)
    if own:
        known &= np.array([value is None or text_of(value) not in own for value in values])
    if cells.form != "text":
        return known, ()
    words = Counter(text for text, here in zip(values, known, strict=True) if not here)
    said = ", ".join(f"{word!r} ({words[word]})" for word in sorted(words.keys() - ERRORS))
    note = f"{said} counted as missing; quoted they are values, and --missing sets the words"
    return known, (f"{name}: {note}",) if said else ()


def parse_column(
    table: SourceTable,
    name: str,
    kind: Kind | None,
    skip_bad: bool,
    missing: Missing,
) -> Parsed:
    """Make one column of a file into a `Column`.

    Args:
        table: the file's.
        name: of the column.
        kind: None takes over the file's type, or infers one of texts.
        skip_bad: take values that do not fit the kind as missing, and count them.
        missing: texts that stand for no value.

    Raises:
        InputError: no value at all, a kind that does not exist, numbers with a text among them,
            or (unless `skip_bad`) a value that does not fit the given kind.
    """
    cells = table.cells(name)
    if kind is not None and kind not in get_args(Kind):
        allowed = ", ".join((*get_args(Kind), IGNORE))
        raise InputError(f"type {kind!r} of column {name!r} is none of {allowed}")
    check_form(table, name)
    present, notes = known_rows(cells, name, missing)
    if not present.any():
        raise InputError(
            f"{table.file}: column {name!r} has no value in any row; "
            "--skip-bad (skip_bad) leaves it out"
        )
    distinct = {v for v, here in zip(cells.values, present, strict=True) if here}
    reading = reading_of(Given(name, cells, distinct, table.decimal_comma, table.where), kind)
    values, n_bad = _read(table, name, present, reading, skip_bad)
    column = Column(
        name,
        reading.kind,
        _as_array(table, name, values, reading.kind),
        None if present.all() else ~present,
        reading.description,
    )
    more = [reading.note] if reading.note else []
    if reading.kind == "categorical":
        pairs = alike(sorted(set(values)))[:_ALIKE]
        more += [f"{a!r} and {b!r} look alike, and are two values" for a, b in pairs]
    return Parsed(column, n_bad, (*notes, *(f"{name}: {note}" for note in more)))


def _read(
    table: SourceTable, name: str, present: NDArray[np.bool_], reading: Reading, skip_bad: bool
) -> tuple[list[Any], int]:
    """The values, fillers where there is none; what does not fit is no longer `present`."""
    values, n_bad, seen = [], 0, dict[Any, Any]()
    for row, given in enumerate(table.cells(name).values):
        if not present[row]:
            values.append(_FILLERS[reading.kind])
            continue
        if given not in seen:
            seen[given] = reading.read(given)
        value = seen[given]
        if value is None:
            if not skip_bad:
                raise InputError(
                    f"{table.where(row)}: {name} is {text_of(given)!r}, not {reading.kind}"
                )
            present[row], n_bad, value = False, n_bad + 1, _FILLERS[reading.kind]
        values.append(value)
    return values, n_bad


_FILLERS: dict[Kind, Any] = {
    "boolean": False,
    "categorical": "",
    "numeric": 0.0,
    "tags": (),
    "hierarchy": (),
}


def _as_array(table: SourceTable, name: str, values: list[Any], kind: Kind) -> NDArray[Any]:
    if kind in ("tags", "hierarchy"):
        array = np.empty(len(values), dtype=object)
        array[:] = values
        return array
    if kind == "categorical":
        row = max(range(len(values)), key=lambda row: len(values[row]))
        if 4 * len(values[row]) * len(values) > _WIDEST:
            raise InputError(
                f"{table.where(row)}: {name} is a text of {len(values[row]):,} characters, which "
                f"is no category; --type {name}={IGNORE} leaves the column out"
            )
    return np.array(values, dtype={"boolean": bool, "numeric": float, "categorical": str}[kind])
