"""Embeddings that are nearly those of an image in another split."""

import numpy as np
from numpy.typing import NDArray

from clinfonce.data.table import TRAIN

_ALIKE = 0.98  # cosine of two near-duplicates, around the mean of the training images
_MOST_PRODUCTS = 1e13  # multiplications; a core does about 2e10 a second
_MOST_NUMBERS = 2**25  # in the memory, twice
_BLOCK = 2048


def too_many(n: int, dim: int) -> bool:
    """Whether so many would take some minutes, or more than a quarter of a GiB, to compare."""
    return n * n / 4 * dim > _MOST_PRODUCTS or n * dim > _MOST_NUMBERS


def near_embeddings(points: NDArray[np.floating], split: NDArray[np.int8]) -> list[tuple[int, int]]:
    """For each embedding and each split before its own: the nearest one there, if it is near.

    Near is a cosine of 0.98 or more around the mean of the training images: models that put all
    images into one direction are not taken in by it.

    Args:
        points: (n, d), finite.
        split: (n,) of each.

    Returns:
        Pairs (row in the earlier split, row in the later one), in order.
    """
    centred = points.astype(np.float32) - points[split == TRAIN].mean(axis=0, dtype=np.float32)
    centred /= np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-12)
    rows = {code: np.flatnonzero(split == code) for code in np.unique(split)}
    found = list[tuple[int, int]]()
    for earlier, theirs in rows.items():
        for later, mine in rows.items():
            if earlier >= later:
                continue
            for start in range(0, len(mine), _BLOCK):
                some = mine[start : start + _BLOCK]
                cosine = centred[some] @ centred[theirs].T
                place = cosine.argmax(axis=1)
                near = cosine[np.arange(len(some)), place] >= _ALIKE
                found += zip(theirs[place[near]].tolist(), some[near].tolist(), strict=True)
    return sorted(found)
