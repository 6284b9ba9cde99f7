"""A user's table as its file holds it: columns of texts or of typed values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from clinfonce.errors import InputError, unknown_name

MAX_COLUMNS = 10_000

# What a file says its values are. "text" is what stands in a CSV, whose types are inferred;
# all others are typed: None is missing, and nothing else is.
Form: TypeAlias = Literal[
    "text", "string", "boolean", "integer", "number", "date", "list", "lists", "vector", "image",
    "other",
]  # fmt: skip


@dataclass(frozen=True)
class Cells:
    """One column as a file holds it.

    Attributes:
        values: (n,) texts, "" where nothing stands, if `form` is "text"; else typed values: str,
            bool, int, float, days since 1970-01-01 (float), tuples of str, tuples of such tuples;
            None where nothing stands.
        form: what they are.
        quoted: (n,) bool, which texts stood in quotes; None if none did.
        description: for people, with the unit.
    """

    values: Sequence[Any]
    form: Form = "text"
    quoted: NDArray[np.bool_] | None = None
    description: str = ""

    def take(self, rows: Sequence[int]) -> "Cells":
        """The column on some rows."""
        quoted = None if self.quoted is None else self.quoted[list(rows)]
        return replace(self, values=[self.values[row] for row in rows], quoted=quoted)


@dataclass(frozen=True)
class SourceTable:
    """A table as its file holds it.

    Attributes:
        file: where it was read from.
        columns: by name, all of one length.
        lines: the line of the file, or the row from 1, that each row starts at.
        unit: "line" or "row".
        decimal_comma: whether numbers may be written 1,5 as a matter of course.
        notes: what a reader of the table should know, a line each.
    """

    file: Path
    columns: Mapping[str, Cells]
    lines: Sequence[int]
    unit: str = "line"
    decimal_comma: bool = False
    notes: tuple[str, ...] = field(default_factory=tuple)

    def __len__(self) -> int:
        return len(self.lines)

    @property
    def names(self) -> list[str]:
        """Names of the columns, in order."""
        return list(self.columns)

    def where(self, row: int) -> str:
        """File and line of a row, for messages."""
        return f"{self.file}, {self.unit} {self.lines[row]}"

    def cells(self, name: str) -> Cells:
        """One column.

        Raises:
            InputError: there is none of that name.
        """
        if name not in self.columns:
            raise InputError(unknown_name(f"column of {self.file}", name, self.columns))
        return self.columns[name]

    def texts(self, name: str) -> list[str]:
        """One column as texts, "" where nothing stands."""
        cells = self.cells(name)
        if cells.form == "text":
            return list(cells.values)
        return ["" if value is None else text_of(value) for value in cells.values]

    def take(self, rows: Sequence[int]) -> "SourceTable":
        """The table of some rows."""
        if len(rows) == len(self) and all(map(int.__eq__, rows, range(len(self)))):
            return self
        columns = {name: cells.take(rows) for name, cells in self.columns.items()}
        return replace(self, columns=columns, lines=[self.lines[row] for row in rows])

    def keep(self, names: Sequence[str]) -> "SourceTable":
        """The table of some columns, in their order here; unknown names are left out."""
        wanted = set(names)
        return replace(self, columns={n: c for n, c in self.columns.items() if n in wanted})


def of_texts(file: Path, names: Sequence[str], rows: Sequence[Sequence[str]]) -> SourceTable:
    """A table put together of texts from elsewhere; `file` is named in messages."""
    values = list(map(list, zip(*rows, strict=True))) if rows else [[] for _ in names]
    columns = {name: Cells(texts) for name, texts in zip(names, values, strict=True)}
    return SourceTable(file, columns, range(1, len(rows) + 1))


def joined(file: Path, tables: Sequence[SourceTable]) -> SourceTable:
    """Tables of the same columns, one below the other.

    Raises:
        InputError: tables of different columns.
    """
    first = tables[0]
    if len(tables) == 1:
        return first
    columns = {}
    for name in dict.fromkeys(name for table in tables for name in table.columns):
        parts = [table.columns.get(name) for table in tables]
        forms = {part.form for part in parts if part is not None and any(
            value is not None for value in part.values)}  # fmt: skip
        if None in parts or len(forms) > 1:
            raise InputError(f"{file}: column {name!r} is not the same in all of its tables")
        values = [value for part in parts if part is not None for value in part.values]
        columns[name] = Cells(values, forms.pop() if forms else "string")
    n = sum(len(table) for table in tables)
    notes = tuple(dict.fromkeys(note for table in tables for note in table.notes))
    return SourceTable(file, columns, range(1, n + 1), unit=first.unit, notes=notes)


def text_of(value: Any) -> str:
    """A typed value as a table's text."""
    if isinstance(value, tuple):
        deep = bool(value) and isinstance(value[0], tuple)
        return "|".join("/".join(part) if deep else part for part in value)
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return str(value)


def check_columns(file: Path, names: Sequence[str], wanted: Sequence[str] | None = None) -> None:
    """Refuse a table whose columns cannot be told apart, or that lacks one.

    Raises:
        InputError: too many columns, two of one name, or none of a name that is wanted.
    """
    if len(names) > MAX_COLUMNS:
        raise InputError(f"{file}: {len(names)} columns; at most {MAX_COLUMNS} are allowed")
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise InputError(f"{file}: two columns are named {name!r}")
        seen.add(name)
    for name in wanted or ():
        if name not in seen:
            raise InputError(unknown_name(f"column of {file}", name, names))
