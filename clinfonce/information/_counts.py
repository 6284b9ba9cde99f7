"""Entropy of a partition from the sizes of its cells."""

import math
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

IntArray: TypeAlias = NDArray[np.int64]
FloatArray: TypeAlias = NDArray[np.float64]


def entropy_of_counts(counts: IntArray, n: int) -> float:
    """Entropy in bits of the partition with these cell sizes."""
    return entropy_of_sizes(*distinct(counts), n)


def entropy_of_sizes(sizes: FloatArray, times: FloatArray, n: int) -> float:
    """Entropy in bits of the partition with so many cells of each size: log2 n - sum c log2 c / n.

    Summed over distinct sizes in ascending order, so that it depends on the multiset alone and
    H(Z|T) = H(Z,T) - H(T) is exactly 0 where Z is a function of T.
    """
    if sizes[-1] == n:  # a single cell
        return 0.0
    return max(math.log2(n) - float(np.sum(times * sizes * np.log2(sizes))) / n, 0.0)


def distinct(counts: IntArray) -> tuple[FloatArray, FloatArray]:
    """Distinct positive values ascending, and how often each occurs, as float64."""
    if int(counts.max()) < 4 * len(counts):
        times = np.bincount(counts)
        sizes = np.flatnonzero(times)
        return sizes.astype(np.float64), times[sizes].astype(np.float64)
    sizes, times = np.unique(counts, return_counts=True)
    return sizes.astype(np.float64), times.astype(np.float64)
