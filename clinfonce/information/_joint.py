"""Sizes of the cells of the contingency table of two partitions."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from clinfonce.information._counts import FloatArray, IntArray, distinct

# Rows whose pair codes are made at a time: 1 MiB of int64, which stays in the cache.
_ROWS = 1 << 17
# Cells of a table of bytes that are looked at a time, and up to which size cell by cell size.
_BYTES = 1 << 18
_SMALL = 16


def joint_sizes(z: IntArray, t: IntArray, n_z: int, n_t: int) -> tuple[FloatArray, FloatArray]:
    """Distinct sizes of the non-empty cells, ascending, and how many cells have each.

    Args:
        z: (n,) in 0..n_z-1.
        t: (n,) in 0..n_t-1.
        n_z: number of clusters.
        n_t: number of labels.

    Counting into a table is a random access a row, so that it pays to keep the table small: one of
    bytes where the cells are small on average. What is too sparse for a table is sorted.
    """
    n, n_cells = len(z), n_z * n_t
    if n <= 64 * n_cells and n_cells <= 16 * n + 1024:
        sizes, times = _by_bytes(z, t, n_cells, n_t)
        if int(sizes @ times) == n:  # else a cell held more than 255 and began anew
            return sizes.astype(np.float64), times.astype(np.float64)
    if n_cells <= 4 * n + 1024:
        return distinct(_by_words(z, t, n_cells, n_t))
    return distinct(_by_sorting(z, t, n_cells, n_t))


def _by_bytes(z: IntArray, t: IntArray, n_cells: int, n_t: int) -> tuple[IntArray, IntArray]:
    """Distinct sizes modulo 256 of the cells, but 0, and how many cells have each."""
    cells = np.zeros(n_cells, dtype=np.uint8)
    for rows in _blocks(len(z), _ROWS):
        np.add.at(cells, z[rows] * n_t + t[rows], np.uint8(1))
    times = np.zeros(256, dtype=np.int64)
    for block in (cells[some] for some in _blocks(n_cells, _BYTES)):
        if (highest := int(block.max())) <= _SMALL:  # comparing is far faster than bincount
            times[1 : highest + 1] += [
                np.count_nonzero(block == size) for size in range(1, highest + 1)
            ]
        else:
            times += np.bincount(block, minlength=256)
    sizes = np.flatnonzero(times[1:]) + 1
    return sizes, times[sizes]


def _by_words(z: IntArray, t: IntArray, n_cells: int, n_t: int) -> IntArray:
    """Sizes of the non-empty cells, counted in a table."""
    small = len(z) < 2**31
    cells: NDArray[np.integer] = np.zeros(n_cells, dtype=np.int32 if small else np.int64)
    one = np.int32(1) if small else np.int64(1)  # another type takes numpy's slow path
    for rows in _blocks(len(z), _ROWS):
        np.add.at(cells, z[rows] * n_t + t[rows], one)
    return cells[cells > 0].astype(np.int64)


def _by_sorting(z: IntArray, t: IntArray, n_cells: int, n_t: int) -> IntArray:
    """Sizes of the non-empty cells, as lengths of runs of equal pairs."""
    codes = np.empty(len(z), dtype=np.uint32 if n_cells < 2**32 else np.int64)
    for rows in _blocks(len(z), _ROWS):
        codes[rows] = z[rows] * n_t + t[rows]
    codes.sort()
    starts = np.flatnonzero(codes[1:] != codes[:-1]) + 1
    return np.diff(starts, prepend=0, append=len(z))


def _blocks(n: int, size: int) -> Iterator[slice]:
    return (slice(start, start + size) for start in range(0, n, size))
