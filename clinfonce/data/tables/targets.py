"""Targets of a user's table: which columns are to be predicted, and what they say."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import get_args

import numpy as np

from clinfonce.data.table import LABEL
from clinfonce.data.tables.classes import classes_of
from clinfonce.data.tables.kinds import Given, reading_of
from clinfonce.data.tables.source import SourceTable
from clinfonce.data.tables.types import known_rows, parse_column
from clinfonce.data.tables.words import Missing
from clinfonce.data.targets import Target, TargetKind
from clinfonce.errors import InputError, unknown_name


@dataclass(frozen=True)
class Asked:
    """A target that the user asks for.

    Attributes:
        name: of the target.
        columns: that hold it: one, or booleans that are one label each.
        kind: None takes the one that the values suggest.
    """

    name: str
    columns: tuple[str, ...]
    kind: TargetKind | None = None


@dataclass(frozen=True)
class ReadTarget:
    """A target, how many of its values did not fit its kind, and what is unsure of it."""

    target: Target
    n_bad: int = 0
    notes: tuple[str, ...] = ()


def asked_targets(texts: Sequence[str], table: SourceTable) -> dict[str, Asked]:
    """Targets by name: NAME, NAME:KIND, or NAME=COLUMN,COLUMN of one label each.

    A column `label` is the first, unless it is named elsewhere.

    Raises:
        InputError: an unknown column or kind, or a name that comes twice.
    """
    found: dict[str, Asked] = {}
    for text in texts:
        asked = _asked(text, table)
        if asked.name in found:
            raise InputError(f"target {asked.name!r} is asked for twice")
        found[asked.name] = asked
    taken = {column for asked in found.values() for column in asked.columns}
    if LABEL in table.columns and LABEL not in taken:
        return {LABEL: Asked(LABEL, (LABEL,), "class"), **found}
    return found


def _asked(text: str, table: SourceTable) -> Asked:
    kinds: tuple[TargetKind, ...] = get_args(TargetKind)
    name, separator, kind = text.rpartition(":")
    if text in table.columns or not separator:
        name, kind = text, ""
    elif kind not in kinds:
        kind, several, columns = kind.partition("=")
        if several and kind in kinds:
            raise InputError(
                f"target {text!r}: columns stand before the kind: {name}={columns}:{kind}"
            )
        raise InputError(f"target {text!r}: kind {kind!r} is none of {', '.join(kinds)}")
    name, joined, columns = name.partition("=") if name not in table.columns else (name, "", name)
    parts = tuple(part.strip() for part in columns.split(",")) if joined else (name,)
    for column in parts:
        if column not in table.columns:
            raise InputError(unknown_name(f"column of {table.file}", column, table.names))
    wanted = next((k for k in kinds if k == kind), None)
    if joined and wanted not in (None, "multilabel"):
        raise InputError(f"target {name!r}: several columns make a multilabel target, not {kind}")
    return Asked(name, parts, "multilabel" if joined else wanted)


def read_target(table: SourceTable, asked: Asked, missing: Missing, skip_bad: bool) -> ReadTarget:
    """What a table says of one target.

    Args:
        table: as read.
        asked: which target.
        missing: texts that stand for no value.
        skip_bad: take values that do not fit as missing, and count them.

    Raises:
        InputError: no value, only one, a text among numbers, several labels that nothing
            separates.
    """
    if len(asked.columns) > 1 or asked.columns[0] != asked.name:
        return _of_columns(table, asked, missing, skip_bad)
    match asked.kind or _suggested(table, asked.name, missing):
        case "class":
            classes = classes_of(table, asked.name, missing)
            target = Target(asked.name, "class", classes.codes, classes.names)
            return ReadTarget(target, notes=classes.notes)
        case "number":
            return _number(table, asked.name, missing, skip_bad)
        case "multilabel":
            return _labels(table, asked.name, missing, skip_bad)


def _suggested(table: SourceTable, name: str, missing: Missing) -> TargetKind:
    """The kind of target that a column would be taken for."""
    cells = table.cells(name)
    known, _ = known_rows(cells, name, missing)
    distinct = {value for value, here in zip(cells.values, known, strict=True) if here}
    kind = reading_of(Given(name, cells, distinct, table.decimal_comma, table.where), None).kind
    kinds: Mapping[str, TargetKind] = {"numeric": "number", "tags": "multilabel"}
    return kinds.get(kind, "class")


def _number(table: SourceTable, name: str, missing: Missing, skip_bad: bool) -> ReadTarget:
    parsed = parse_column(table, name, "numeric", skip_bad, missing)
    column = parsed.column
    values = np.where(column.present, column.values, np.nan)
    known = values[column.present]
    if len(known) and (known == known[0]).all():
        raise InputError(f"{table.file}: target {name!r} is {known[0]:g} in every row")
    return ReadTarget(Target(name, "number", values), parsed.n_bad, parsed.notes)


def _labels(table: SourceTable, name: str, missing: Missing, skip_bad: bool) -> ReadTarget:
    cells = table.cells(name)
    parsed = parse_column(table, name, "tags", skip_bad, missing)
    sets = parsed.column.values.tolist()
    if cells.form not in ("list", "lists") and not any(_separated(text) for text in cells.values):
        raise InputError(
            f"{table.file}: target {name!r} has no row of several labels, separated by | or ; or "
            f"commas; if each has one, it is {name}:class"
        )
    names = sorted({label for labels in sets for label in labels})
    if len(names) < 2:
        raise InputError(f"{table.file}: target {name!r} has {len(names)} labels; two are needed")
    places = {label: place for place, label in enumerate(names)}
    values = np.zeros((len(sets), len(names)), dtype=np.bool_)
    for row, labels in enumerate(sets):
        values[row, [places[label] for label in labels]] = True
    known = values[parsed.column.present]
    if (known == known[0]).all():
        raise InputError(f"{table.file}: target {name!r} has the same labels in every row")
    target = Target(name, "multilabel", values, tuple(names), parsed.column.missing)
    return ReadTarget(target, parsed.n_bad, parsed.notes)


def _separated(text: object) -> bool:
    return any(mark in str(text) for mark in "|;,")


def _of_columns(table: SourceTable, asked: Asked, missing: Missing, skip_bad: bool) -> ReadTarget:
    """Columns of booleans as one label each; a row with a gap in any of them is missing."""
    parsed = [parse_column(table, name, "boolean", skip_bad, missing) for name in asked.columns]
    values = np.stack([part.column.values for part in parsed], axis=1)
    gaps = np.zeros(len(values), dtype=np.bool_)
    for part in parsed:
        gaps |= ~part.column.present
    if (values[~gaps] == values[~gaps][:1]).all():
        raise InputError(f"{table.file}: target {asked.name!r} has the same labels in every row")
    values[gaps] = False
    target = Target(asked.name, "multilabel", values, asked.columns, gaps if gaps.any() else None)
    notes = tuple(note for part in parsed for note in part.notes)
    return ReadTarget(target, sum(part.n_bad for part in parsed), notes)
