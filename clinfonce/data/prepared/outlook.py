"""What the splits of a data set have of its targets."""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from clinfonce.data.prepared.packing import Skips
from clinfonce.data.table import SPLIT_NAMES, TRAIN, Column, Level
from clinfonce.data.targets import UNLABELLED, Target
from clinfonce.errors import InputError


def first_classes(targets: Iterable[Target]) -> Target | None:
    """The first target of kind class."""
    return next((target for target in targets if target.kind == "class"), None)


def taken(target: Target, rows: NDArray[np.int64]) -> Target:
    """A target on some rows."""
    missing = None if target.missing is None else target.missing[rows]
    return replace(target, values=target.values[rows], missing=missing)


def used(target: Target) -> Target:
    """A target with those classes alone that some row has.

    Raises:
        InputError: fewer than two are left.
    """
    if target.kind != "class":
        return target
    codes = np.unique(target.values[target.known])
    if len(codes) < 2:
        left = ", ".join(repr(target.names[code]) for code in codes) or "nothing"
        raise InputError(f"target {target.name!r}: {left} is all that is left of its classes")
    values = np.where(target.known, np.searchsorted(codes, target.values), UNLABELLED)
    return replace(
        target,
        values=values.astype(np.int64),
        names=tuple(target.names[code] for code in codes),
    )


def in_splits(
    target: Target, split: NDArray[np.int8], where: str, skips: Skips
) -> tuple[Target, list[str]]:
    """A target that can be learned and evaluated, and what a reader of its measures should know.

    Args:
        target: of the images.
        split: (n,) of the images.
        where: the table's file, for messages.
        skips: count classes that no training image has, which are missing from then on.

    Raises:
        InputError: a split without a value, one value alone to train on, or (unless they may be
            skipped) classes that no training image has.
    """
    notes = []
    if target.kind == "class":
        target = _trainable(target, split, where, skips)
    for code, name in enumerate(SPLIT_NAMES):
        here = (split == code) & target.known
        if not here.any():
            raise InputError(f"{where}: target {target.name!r} has no value in the {name} split")
        if code == TRAIN and target.kind != "class":
            values = target.values[here]
            if (values == values[:1]).all():
                raise InputError(
                    f"{where}: target {target.name!r} has one value in the whole train split"
                )
        if target.kind != "number" and (lacking := _lacking(target, here)):
            notes.append(
                f"{target.name}: the {name} split has no image of {len(lacking)} of "
                f"{len(target.names)} {_WORDS[target.kind]}, such as {lacking[0]!r}"
            )
    return target, notes


_WORDS = {"class": "classes", "multilabel": "labels"}


def level_of(column: Column, labels: NDArray[np.int64] | None) -> Level:
    """Class level if all images of a class have the same value."""
    if labels is None:
        return "image"
    triples = zip(labels.tolist(), column.values.tolist(), column.present.tolist(), strict=True)
    pairs = {(code, value if here else None) for code, value, here in triples if code >= 0}
    return "class" if len(pairs) == len({code for code, _ in pairs}) else "image"


def _trainable(target: Target, split: NDArray[np.int8], where: str, skips: Skips) -> Target:
    """A class target without the classes that no training image has."""
    train = target.values[(split == TRAIN) & target.known]
    lacking = np.setdiff1d(target.values[target.known], train)
    if not len(lacking):
        return target
    rows = np.flatnonzero(np.isin(target.values, lacking))
    splits = " and ".join(SPLIT_NAMES[code] for code in np.unique(split[rows]))
    skips.add(
        "class without a training image",
        f"{where}: {len(lacking)} classes of {target.name!r}, such as "
        f"{target.names[lacking[0]]!r}, are in the {splits} split alone, and nothing can be "
        "learned of them",
        len(rows),
    )
    return used(replace(target, values=np.where(np.isin(target.values, lacking), UNLABELLED,
                                                target.values)))  # fmt: skip


def _lacking(target: Target, here: NDArray[np.bool_]) -> list[str]:
    """Names of the classes or labels that some images lack."""
    if target.kind == "class":
        counts = np.bincount(target.values[here], minlength=len(target.names))
    else:
        counts = target.values[here].sum(axis=0)
    return [name for name, n in zip(target.names, counts, strict=True) if not n]
