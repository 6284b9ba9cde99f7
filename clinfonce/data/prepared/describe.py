"""What a table says of its images: labels, split and auxiliary columns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clinfonce.data.image_files.names import BadPathError, normalized
from clinfonce.data.prepared.packing import Skips
from clinfonce.data.split import hold_out, stratified_split
from clinfonce.data.table import (
    SPLIT_NAMES,
    TRAIN,
    UNLABELLED,
    VALIDATION,
    Column,
    Images,
    ImageTable,
)
from clinfonce.data.tables.classes import Classes, classes_of
from clinfonce.data.tables.kinds import IGNORE
from clinfonce.data.tables.roles import LABEL, PATH, ROLES, SPLIT
from clinfonce.data.tables.source import SourceTable
from clinfonce.data.tables.types import known_rows, parse_column
from clinfonce.data.tables.words import Missing
from clinfonce.errors import InputError

_SPLITS = {name: code for code, name in enumerate(SPLIT_NAMES)} | {"val": VALIDATION}


@dataclass(frozen=True)
class Wanted:
    """What the user says of the columns.

    Attributes:
        types: column to its kind, or to "ignore".
        missing: texts that stand for no value.
    """

    types: Mapping[str, str] = field(default_factory=dict)
    missing: Missing = field(default_factory=Missing)


@dataclass(frozen=True)
class Known:
    """What the table says of its images.

    Attributes:
        labels: (n,) int64, UNLABELLED where there is none; None without labels.
        label_names: of the classes.
        split: (n,) int8.
        columns: auxiliary ones by name.
        notes: what is unsure, for people.
    """

    labels: NDArray[np.int64] | None
    label_names: tuple[str, ...]
    split: NDArray[np.int8]
    columns: Mapping[str, Column]
    notes: tuple[str, ...] = ()

    def table(self, name: str, images: Images) -> ImageTable:
        """The data set of these images."""
        return ImageTable(
            name=name,
            images=images,
            labels=self.labels,
            label_names=self.label_names,
            split=self.split,
            columns=self.columns,
        )


def describe(table: SourceTable, wanted: Wanted, skips: Skips) -> Known:
    """Find out what a table says of its images.

    Raises:
        InputError: whatever is wrong with it.
    """
    if not len(table):
        raise InputError(f"{table.file}: not one row is left")
    classes = classes_of(table, LABEL, wanted.missing) if LABEL in table.columns else None
    split = _split(table, classes)
    columns, notes = _columns(table, wanted, classes, skips)
    if classes is None:
        return Known(None, (), split, columns, notes)
    return Known(classes.codes, classes.names, split, columns, (*classes.notes, *notes))


def describe_kept(table: SourceTable, wanted: Wanted, known: Known, skips: Skips) -> Known:
    """As before, of the rows whose images could be read; what is empty only now is counted too."""
    again = Skips(True)
    kinds: dict[str, str] = {column.name: column.kind for column in known.columns.values()}
    kept = table.keep([*ROLES, *kinds])
    result = describe(kept, Wanted(kinds, wanted.missing), again)
    for reason in set(again.counts) - set(skips.counts):
        skips.add(reason, again.examples[reason], again.counts[reason])
    return result


def check_types(table: SourceTable, types: Mapping[str, str]) -> None:
    """Refuse types of columns that are not there.

    Raises:
        InputError: a name that is no auxiliary column.
    """
    for name in types:
        if name not in table.columns or name in ROLES:
            raise InputError(f"types names {name!r}, which is no auxiliary column of {table.file}")


def usable_rows(table: SourceTable, missing: Missing, skips: Skips) -> list[int]:
    """Rows whose path is new, and whose label is known if they are to validate or to test."""
    lacking = np.zeros(len(table), dtype=np.bool_)
    splits = [""] * len(table)
    if LABEL in table.columns and SPLIT in table.columns:
        lacking = ~known_rows(table.cells(LABEL), LABEL, missing)[0]
        splits = table.texts(SPLIT)
    first: dict[str, int] = {}
    rows = []
    paths = table.texts(PATH) if PATH in table.columns else map(str, range(len(table)))
    for row, path in enumerate(paths):
        name = _same_file(path)
        if first.setdefault(name, row) != row:
            earlier = f"{table.unit} {table.lines[first[name]]}"
            skips.add("repeated path",
                      f"{table.where(row)}: {path!r} is in {earlier} already")  # fmt: skip
        elif lacking[row] and _SPLITS.get(splits[row].lower(), TRAIN) != TRAIN:
            skips.add("no label", f"{table.where(row)}: no label, and in the split "
                      f"{splits[row]!r}; only training images may lack one")  # fmt: skip
        else:
            rows.append(row)
    return rows


def _same_file(path: str) -> str:
    """One form for all ways to write a path; what is no path stays as it is."""
    try:
        return normalized(path)
    except BadPathError:
        return path


def _split(table: SourceTable, classes: Classes | None) -> NDArray[np.int8]:
    codes = np.zeros(len(table), dtype=np.int64) if classes is None else classes.codes
    known = np.flatnonzero(codes != UNLABELLED)
    if SPLIT not in table.columns:
        sizes = np.bincount(codes[known])
        if sizes.min() < 3:
            which = f"label {classes.names[sizes.argmin()]!r}" if classes else "the table"
            raise InputError(
                f"{table.file}: {which} has {sizes.min()} images; three are needed for a train, "
                "a validation and a test image"
            )
        split = np.full(len(codes), TRAIN, dtype=np.int8)
        split[known] = stratified_split(codes[known])
        return split
    split = np.empty(len(table), dtype=np.int8)
    for row, text in enumerate(table.texts(SPLIT)):
        if text.lower() not in _SPLITS:
            raise InputError(
                f"{table.where(row)}: split is {text!r}, not one of {', '.join(SPLIT_NAMES)}"
            )
        split[row] = _SPLITS[text.lower()]
    train = known[split[known] == TRAIN]
    if not (split == VALIDATION).any() and len(train):
        split[train[hold_out(codes[train], 0.2)]] = VALIDATION
    return split


def _columns(
    table: SourceTable, wanted: Wanted, classes: Classes | None, skips: Skips
) -> tuple[dict[str, Column], tuple[str, ...]]:
    labels: Sequence[Any] | None = None
    if classes is not None:
        labels = [None if code == UNLABELLED else code for code in classes.codes.tolist()]
    columns, notes = {}, list[str]()
    for name in table.names:
        kind: Any = wanted.types.get(name)
        if name in ROLES or kind == IGNORE:
            continue
        if skips.allowed and not known_rows(table.cells(name), name, wanted.missing)[0].any():
            skips.add("empty column", f"{table.file}: column {name!r} has no value in any row")
            continue
        parsed = parse_column(table, name, kind, labels, skips.allowed, wanted.missing)
        if parsed.n_bad:
            message = f"{table.file}: {parsed.n_bad} values of {name!r} are not {kind}"
            skips.add("unfit value", message, parsed.n_bad)
        columns[name] = parsed.column
        notes += parsed.notes
    return columns, tuple(notes)
