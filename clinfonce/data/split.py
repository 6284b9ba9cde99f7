"""A fixed stratified split that no change of a library's random numbers can move."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from clinfonce.data.table import TEST, TRAIN, VALIDATION
from clinfonce.errors import InputError


def stratified_split(
    labels: NDArray[np.int64],
    *,
    train: float = 0.5,
    validation: float = 0.2,
    seed: int = 0,
) -> NDArray[np.int8]:
    """Give each class the same shares of train, validation and test (the rest).

    Rows of a class are ordered by a hash of their row number and cut at the shares; every split
    gets at least one row of each class.

    Args:
        labels: (n,) classes >= 0; all 0 for an unstratified split.
        train: share of the training rows, 0 < train.
        validation: share of the validation rows, 0 < validation < 1 - train.
        seed: another seed, another split.

    Returns:
        (n,) int8 of TRAIN, VALIDATION and TEST.

    Raises:
        InputError: shares that leave a split empty, or a class of fewer than three rows.
    """
    _check_shares(train, validation)
    order, starts, sizes, classes = _by_class(labels, seed)
    if (small := np.flatnonzero(sizes < 3)).size:
        raise InputError(
            f"class {classes[small[0]]} has {sizes[small[0]]} images; "
            "three are needed for a train, a validation and a test image"
        )
    split = np.empty(len(labels), dtype=np.int8)
    for start, size in zip(starts, sizes, strict=True):
        n_validation = min(max(round(validation * size), 1), size - 2)
        n_train = min(max(round(train * size), 1), size - n_validation - 1)
        parts = [n_train, n_validation, size - n_train - n_validation]
        split[order[start : start + size]] = np.repeat([TRAIN, VALIDATION, TEST], parts)
    return split


def hold_out(labels: NDArray[np.int64], share: float, seed: int = 0) -> NDArray[np.bool_]:
    """Mark (n,) about a share of each class, at least one row and never all.

    Raises:
        InputError: a class of one row.
    """
    order, starts, sizes, classes = _by_class(labels, seed)
    if (small := np.flatnonzero(sizes < 2)).size:
        raise InputError(f"class {classes[small[0]]} has one training image; two are needed")
    held = np.zeros(len(labels), dtype=np.bool_)
    for start, size in zip(starts, sizes, strict=True):
        n_held = min(max(round(share * size), 1), size - 1)
        held[order[start : start + n_held]] = True
    return held


def grouped_split(
    labels: NDArray[Any],
    groups: NDArray[Any],
    *,
    train: float = 0.5,
    validation: float = 0.2,
    seed: int = 0,
) -> NDArray[np.int8]:
    """Split so that no group (a contributor, a patient) is in two splits.

    The largest group goes first, to the split whose classes it brings nearest to their shares.

    Args:
        labels: (n,) classes; all alike for an unstratified split.
        groups: (n,) group of each row.
        train: share of the training rows, 0 < train.
        validation: share of the validation rows, 0 < validation < 1 - train.
        seed: another order of groups of equal size.

    Returns:
        (n,) int8 of TRAIN, VALIDATION and TEST.

    Raises:
        InputError: shares that leave a split empty.
    """
    _check_shares(train, validation)
    n_classes, classes = _codes(labels)
    n_groups, members = _codes(groups)
    counts = np.zeros((n_groups, n_classes))
    np.add.at(counts, (members, classes), 1)
    shares = np.array([train, validation, 1 - train - validation])
    wanted = shares[:, None] * counts.sum(axis=0)  # (3, C)
    have = np.zeros_like(wanted)
    split = np.empty(n_groups, dtype=np.int8)
    keys = _hash(np.arange(n_groups, dtype=np.uint64), seed)
    for group in np.lexsort((keys, -counts.sum(axis=1))):
        # What is added to sum (have - wanted)^2 / wanted if the group goes to each split.
        added = counts[group] * (counts[group] + 2 * (have - wanted)) / wanted
        split[group] = added.sum(axis=1).argmin()
        have[split[group]] += counts[group]
    return split[members]


def _check_shares(train: float, validation: float) -> None:
    if not (train > 0 and validation > 0 and train + validation < 1):
        raise InputError(f"shares {train} and {validation} leave no rows for one of the splits")


def _codes(values: NDArray[Any]) -> tuple[int, NDArray[np.int64]]:
    """How many distinct values there are, and the number (n,) of each row's."""
    distinct, codes = np.unique(values, return_inverse=True)
    return len(distinct), codes.astype(np.int64)


def _by_class(
    labels: NDArray[np.int64], seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Rows by class and by hash within it; where each class starts, its size, its number."""
    keys = _hash(np.arange(len(labels), dtype=np.uint64), seed)
    order = np.lexsort((keys, labels))
    classes, starts, sizes = np.unique(labels[order], return_index=True, return_counts=True)
    return order, starts, sizes, classes


def _hash(values: NDArray[np.uint64], seed: int) -> NDArray[np.uint64]:
    """The finaliser of splitmix64 (Steele, Lea & Flood 2014) on values (n,)."""
    gamma = np.uint64(0x9E3779B97F4A7C15)
    # Arrays, not scalars: their multiplication wraps around without a warning.
    x = (values + np.uint64(1) + (np.array([seed], np.uint64) << np.uint64(32))) * gamma
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
