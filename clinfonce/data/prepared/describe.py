"""What a table says of its images: labels, split and auxiliary columns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clinfonce.data.image_files.names import BadPathError, normalized
from clinfonce.data.prepared.outlook import first_classes, in_splits, level_of, taken, used
from clinfonce.data.prepared.packing import Skips
from clinfonce.data.prepared.splits import Splitting, split_of, words_of
from clinfonce.data.table import TRAIN, Column, Images, ImageTable
from clinfonce.data.tables.kinds import IGNORE
from clinfonce.data.tables.roles import PATH, ROLES, SPLIT
from clinfonce.data.tables.source import SourceTable
from clinfonce.data.tables.targets import Asked, read_target
from clinfonce.data.tables.types import known_rows, parse_column
from clinfonce.data.tables.words import Missing
from clinfonce.data.targets import Target
from clinfonce.errors import InputError


@dataclass(frozen=True)
class Wanted:
    """What the user says of the columns.

    Attributes:
        types: column to its kind, or to "ignore".
        missing: texts that stand for no value.
        targets: by name, in order.
        splitting: of the split.
    """

    types: Mapping[str, str] = field(default_factory=dict)
    missing: Missing = field(default_factory=Missing)
    targets: Mapping[str, Asked] = field(default_factory=dict)
    splitting: Splitting = field(default_factory=Splitting)


@dataclass(frozen=True)
class Content:
    """The columns of a table as values.

    Attributes:
        table: as read.
        targets: in order.
        columns: auxiliary ones.
        notes: what is unsure, for people.
    """

    table: SourceTable
    targets: Sequence[Target]
    columns: Sequence[Column]
    notes: tuple[str, ...] = ()

    def take(self, rows: Sequence[int], skips: Skips) -> "Content":
        """The same of some rows; a column that has no value there is left out, and counted."""
        places = np.asarray(rows, dtype=np.int64)
        targets = [taken(target, places) for target in self.targets]
        columns = []
        for column in self.columns:
            columns.append(_taken(column, places))
            if column.present.any() and not columns[-1].present.any():
                _skip_empty(self.table, columns.pop().name, skips)
        return Content(self.table.take(rows), targets, columns, self.notes)


@dataclass(frozen=True)
class Known:
    """What the table says of its images.

    Attributes:
        targets: by name.
        split: (n,) int8.
        columns: auxiliary ones by name.
        notes: what is unsure, for people.
    """

    targets: Mapping[str, Target]
    split: NDArray[np.int8]
    columns: Mapping[str, Column]
    notes: tuple[str, ...] = ()

    def table(self, name: str, images: Images) -> ImageTable:
        """The data set of these images."""
        first = first_classes(self.targets.values())
        return ImageTable(
            name=name,
            images=images,
            labels=None if first is None else first.values,
            label_names=() if first is None else first.names,
            split=self.split,
            columns=self.columns,
            targets=self.targets,
        )


def read_content(table: SourceTable, wanted: Wanted, skips: Skips) -> Content:
    """Make the columns of a table into values.

    Raises:
        InputError: whatever is wrong with them.
    """
    if not len(table):
        raise InputError(f"{table.file}: not one row is left")
    targets, columns, notes = [], [], list[str]()
    for asked in wanted.targets.values():
        read = read_target(table, asked, wanted.missing, skips.allowed)
        _count(table, asked.name, read.target.kind, read.n_bad, skips)
        targets.append(read.target)
        notes += read.notes
    taken_up = {column for asked in wanted.targets.values() for column in asked.columns}
    for name in table.names:
        kind: Any = wanted.types.get(name)
        if name in ROLES or name in taken_up or kind == IGNORE:
            continue
        if not known_rows(table.cells(name), name, wanted.missing)[0].any():
            if skips.allowed:
                _skip_empty(table, name, skips)
                continue
            if kind is None:  # spreadsheets export such columns; nobody said that it is one
                notes.append(f"{name}: no value in any row, so the column is left out")
                continue
        parsed = parse_column(table, name, kind, skips.allowed, wanted.missing)
        _count(table, name, parsed.column.kind, parsed.n_bad, skips)
        columns.append(parsed.column)
        notes += parsed.notes
    return Content(table, targets, columns, tuple(notes))


def describe(content: Content, wanted: Wanted, skips: Skips) -> Known:
    """Split what a table says of its images, and see what each split has of it.

    Raises:
        InputError: what cannot be split, or a target that a split lacks.
    """
    targets = [used(target) for target in content.targets]
    first = first_classes(targets)
    codes = None if first is None else first.values
    names = () if first is None else first.names
    split = split_of(content.table, codes, names, wanted.splitting)
    notes = [*content.notes, *split.notes]
    for place, target in enumerate(targets):
        targets[place], more = in_splits(target, split.codes, str(content.table.file), skips)
        notes += more
    labelled = first_classes(targets)
    labels = None if labelled is None else labelled.values
    columns = {}
    for column in content.columns:
        columns[column.name] = replace(column, level=level_of(column, labels))
    by_name = {target.name: target for target in targets}
    return Known(by_name, split.codes, columns, tuple(notes))


def _skip_empty(table: SourceTable, name: str, skips: Skips) -> None:
    """Leave a column out that has no value."""
    skips.add("empty column", f"{table.file}: column {name!r} has no value in any row")


def _count(table: SourceTable, name: str, kind: str, n_bad: int, skips: Skips) -> None:
    if n_bad:
        message = f"{table.file}: {n_bad} values of {name!r} are not {kind}"
        skips.add("unfit value", message, n_bad)


def _taken(column: Column, rows: NDArray[np.int64]) -> Column:
    missing = None if column.missing is None else column.missing[rows]
    if missing is not None and not missing.any():
        missing = None
    return replace(column, values=column.values[rows], missing=missing)


def check_types(table: SourceTable, types: Mapping[str, str]) -> None:
    """Refuse types of columns that are not there.

    Raises:
        InputError: a name that is no auxiliary column.
    """
    for name in types:
        if name not in table.columns or name in ROLES:
            raise InputError(f"types names {name!r}, which is no auxiliary column of {table.file}")


def usable_rows(table: SourceTable, wanted: Wanted, skips: Skips) -> list[int]:
    """Rows whose path is new, and which have something to evaluate if they validate or test."""
    useless = _useless(table, wanted)
    first: dict[str, int] = {}
    rows = []
    paths = table.texts(PATH) if PATH in table.columns else map(str, range(len(table)))
    for row, path in enumerate(paths):
        name = _same_file(path)
        if first.setdefault(name, row) != row:
            earlier = f"{table.unit} {table.lines[first[name]]}"
            skips.add("repeated path",
                      f"{table.where(row)}: {path!r} is in {earlier} already")  # fmt: skip
        elif useless[row]:
            names = " or ".join(wanted.targets)
            skips.add("no label", f"{table.where(row)}: {path!r} has no {names}, and is in the "
                      f"split {table.texts(SPLIT)[row]!r}; only training images may lack "
                      "one")  # fmt: skip
        else:
            rows.append(row)
    return rows


def _useless(table: SourceTable, wanted: Wanted) -> NDArray[np.bool_]:
    """Rows (n,) that validate or test, and of which no target is known."""
    if not wanted.targets or SPLIT not in table.columns:
        return np.zeros(len(table), dtype=np.bool_)
    words = words_of(table, wanted.splitting)
    useless = np.array([words.get(text.lower(), TRAIN) != TRAIN for text in table.texts(SPLIT)])
    for asked in wanted.targets.values():
        for name in asked.columns:
            useless &= ~known_rows(table.cells(name), name, wanted.missing)[0]
    return useless


def _same_file(path: str) -> str:
    """One form for all ways to write a path; what is no path stays as it is."""
    try:
        return normalized(path)
    except BadPathError:
        return path
