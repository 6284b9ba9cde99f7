"""Which images train, validate and test: as the table says, or by a fixed stratified split."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from clinfonce.data.split import grouped_split, hold_out, stratified_split
from clinfonce.data.table import SPLIT_NAMES, TEST, TRAIN, VALIDATION
from clinfonce.data.tables.roles import SPLIT, SPLIT_WORDS
from clinfonce.data.tables.source import SourceTable
from clinfonce.data.targets import UNLABELLED
from clinfonce.errors import InputError

_HELD_OUT = 0.2  # of the training images, where nothing is marked to validate


@dataclass(frozen=True)
class Splitting:
    """What the user says of the split.

    Attributes:
        words: value of the column `split` to train, validation or test, beside the usual ones.
        group: column whose values are never in two splits; None if there is none.
    """

    words: Mapping[str, str] = field(default_factory=dict)
    group: str | None = None


@dataclass(frozen=True)
class Split:
    """Codes (n,) int8 of the splits, and what is unsure of them, for people."""

    codes: NDArray[np.int8]
    notes: tuple[str, ...] = ()


def words_of(table: SourceTable, wanted: Splitting) -> dict[str, int]:
    """Value of the column `split`, in small letters, to its split.

    Raises:
        InputError: a split that does not exist, or two folds, of which nobody says what they are.
    """
    found = dict(SPLIT_WORDS)
    for value, name in wanted.words.items():
        if name not in SPLIT_NAMES:
            raise InputError(f"split {value}={name}: not one of {', '.join(SPLIT_NAMES)}")
        found[value.lower()] = SPLIT_NAMES.index(name)
    values = {text.lower() for text in table.texts(SPLIT)}
    if not values <= found.keys() and all(text.isdecimal() for text in values):
        folds = sorted(values, key=int)
        if wanted.words:
            return dict.fromkeys(folds, TRAIN) | found
        if len(folds) < 3:
            raise InputError(
                f"{table.file}: split is {' or '.join(folds)}; say which is which, such as "
                f"{folds[-1]}=test"
            )
        return dict.fromkeys(folds, TRAIN) | {folds[-1]: TEST, folds[-2]: VALIDATION}
    return found


def split_of(
    table: SourceTable, classes: NDArray[np.int64] | None, names: tuple[str, ...],
    wanted: Splitting,
) -> Split:  # fmt: skip
    """The split of each row.

    Args:
        table: as read.
        classes: (n,) to stratify by, UNLABELLED where there is none; None without.
        names: of the classes.
        wanted: what the user says.

    Raises:
        InputError: a split that does not exist, a class too small for three, groups that cannot
            be kept apart.
    """
    codes = np.zeros(len(table), dtype=np.int64) if classes is None else classes
    groups = None if wanted.group is None else _groups(table, wanted.group)
    if SPLIT in table.columns:
        return _given(table, codes, groups, wanted)
    if groups is not None:
        return _by_groups(table, codes, names, groups, wanted.group or "")
    known = np.flatnonzero(codes != UNLABELLED)
    sizes = np.bincount(codes[known])
    if sizes.min() < 3:
        which = f"label {names[sizes.argmin()]!r}" if names else "the table"
        raise InputError(
            f"{table.file}: {which} has {sizes.min()} images; three are needed for a train, "
            "a validation and a test image"
        )
    split = np.full(len(codes), TRAIN, dtype=np.int8)
    split[known] = stratified_split(codes[known])
    return Split(split)


def _groups(table: SourceTable, name: str) -> NDArray[np.int64]:
    """Codes (n,) of the groups; a row without one is a group of its own."""
    texts = np.array(table.texts(name))
    distinct, codes = np.unique(texts, return_inverse=True)
    if len(distinct) == 1:
        raise InputError(
            f"{table.file}: group {name!r} is {str(distinct[0])!r} in every row; there is nothing "
            "to keep apart"
        )
    codes = codes.astype(np.int64)
    alone = texts == ""
    codes[alone] = len(distinct) + np.arange(int(alone.sum()))
    return codes


def _given(
    table: SourceTable, codes: NDArray[np.int64], groups: NDArray[np.int64] | None,
    wanted: Splitting,
) -> Split:  # fmt: skip
    words, notes = words_of(table, wanted), list[str]()
    split = np.empty(len(table), dtype=np.int8)
    for row, text in enumerate(table.texts(SPLIT)):
        if text.lower() not in words:
            raise InputError(
                f"{table.where(row)}: split is {text!r}, not one of {', '.join(SPLIT_NAMES)}; "
                f"--split {text or 'WORD'}=test says what it is"
            )
        split[row] = words[text.lower()]
    if not (split == TRAIN).any():
        raise InputError(f"{table.file}: no image is in the train split")
    values = {text.lower() for text in table.texts(SPLIT)}
    if values.isdisjoint(SPLIT_WORDS) and not wanted.words:
        folds = sorted(values, key=int)
        notes.append(f"split: fold {folds[-1]} tests and fold {folds[-2]} validates, all others "
                     f"train; --split {folds[0]}=test chooses another")  # fmt: skip
    if not (split == TEST).any() and (split == VALIDATION).any():
        split[split == VALIDATION] = TEST
        notes.append("split: nothing tests, so what validates does, and a fifth of the training "
                     "images validates")  # fmt: skip
    if not (split == VALIDATION).any():
        _hold_out(table, split, codes, groups)
    if groups is not None:
        pairs = np.unique(np.stack([groups, split]), axis=1)
        n = pairs.shape[1] - len(np.unique(pairs[0]))
        if n:
            notes.append(f"split: {n:,} groups of {wanted.group!r} are in more than one split")
    return Split(split, tuple(notes))


def _hold_out(
    table: SourceTable,
    split: NDArray[np.int8],
    codes: NDArray[np.int64],
    groups: NDArray[np.int64] | None,
) -> None:
    """Let a fifth of the training images validate, whole groups if there are any."""
    train = np.flatnonzero((split == TRAIN) & (codes != UNLABELLED))
    sizes = np.bincount(codes[train], minlength=1)
    if not (sizes > 1).any():
        raise InputError(f"{table.file}: too few training images with a label to validate on some")
    if groups is None:
        several = train[sizes[codes[train]] > 1]  # the only image of a class goes on to train
        split[several[hold_out(codes[several], _HELD_OUT)]] = VALIDATION
        return
    if len(np.unique(groups[train])) < 2:
        raise InputError(f"{table.file}: one group alone trains; none of it can validate")
    part = grouped_split(codes[train], groups[train], train=1 - _HELD_OUT, validation=_HELD_OUT / 2)
    part = np.where(part == TRAIN, TRAIN, VALIDATION).astype(np.int8)
    split[train] = _with_all_classes(codes[train], groups[train], part)


def _by_groups(
    table: SourceTable,
    codes: NDArray[np.int64],
    names: tuple[str, ...],
    groups: NDArray[np.int64],
    column: str,
) -> Split:
    """A split of whole groups; images without a label train."""
    known = np.flatnonzero(codes != UNLABELLED)
    split = np.full(len(codes), TRAIN, dtype=np.int8)
    if len(np.unique(groups[known])) < 3:
        raise InputError(
            f"{table.file}: group {column!r} has {len(np.unique(groups[known]))} values among "
            "labelled images; three are needed for three splits"
        )
    part = grouped_split(codes[known], groups[known])
    split[known] = _with_all_classes(codes[known], groups[known], part)
    notes = []
    for code, name in enumerate(SPLIT_NAMES):
        if not (split[known] == code).any():
            raise InputError(f"{table.file}: no group of {column!r} is left for the {name} split")
        lacking = np.setdiff1d(codes[known], codes[known][split[known] == code])
        if names and len(lacking):
            notes.append(
                f"split: {len(lacking)} of {len(names)} classes have no image that is in the "
                f"{name} split, such as {names[lacking[0]]!r}"
            )
    held_out = np.isin(groups, groups[split != TRAIN]) & (codes == UNLABELLED)
    if held_out.any():
        notes.append(f"split: {int(held_out.sum()):,} images without a label train, of groups of "
                     f"{column!r} that validate or test")  # fmt: skip
    return Split(split, tuple(notes))


def _with_all_classes(
    codes: NDArray[np.int64], groups: NDArray[np.int64], split: NDArray[np.int8]
) -> NDArray[np.int8]:
    """Let the smallest group of each class train that no training group has."""
    split = split.copy()
    for code in np.setdiff1d(codes, codes[split == TRAIN]):
        members, sizes = np.unique(groups[np.isin(groups, groups[codes == code])],
                                   return_counts=True)  # fmt: skip
        split[groups == members[sizes.argmin()]] = TRAIN
    return split
