"""The mutual information that two partitions of given cell sizes share by chance."""

import math
from collections.abc import Iterator

import numpy as np

from clinfonce.information._counts import FloatArray, IntArray, distinct, entropy_of_counts

# Hypergeometric mass below exp(-36) ~ 2e-16 is left out of the chance level.
_TAIL_NATS = 36.0
# Elements of one block (pairs x window) of the chance level: 8 MiB of float64.
_BLOCK = 1 << 20


def expected_information(z_sizes: IntArray, t_sizes: IntArray, n: int) -> float:
    """E[I(Z;T)] in bits over permutations of the labels, sizes (K,) and (C,) held fixed.

    Vinh, Epps & Bailey 2010, eq. 24a, is sum_ij E[(k/n) log2(n k / (a_i b_j))] with k the size of
    cell ij, hypergeometric. As E[k] = a_i b_j / n, all but the k log2 k part adds up to
    H(Z) + H(T) - log2 n, and cells with equal (a, b) have equal terms.
    """
    h_z, h_t = entropy_of_counts(z_sizes, n), entropy_of_counts(t_sizes, n)
    if min(len(z_sizes), len(t_sizes)) == 1:
        return 0.0
    if max(len(z_sizes), len(t_sizes)) == n:  # one side tells every image apart
        return h_t if len(z_sizes) == n else h_z
    total = sum(
        float(np.sum(times * _expected_k_log_k(a, b, n)))
        for a, b, times in _pairs(distinct(z_sizes), distinct(t_sizes))
    )
    return min(max(h_z + h_t - math.log2(n) + total / n, 0.0), h_z, h_t)


def _pairs(
    rows: tuple[FloatArray, FloatArray], columns: tuple[FloatArray, FloatArray]
) -> Iterator[tuple[FloatArray, FloatArray, FloatArray]]:
    """Blocks (m,) of pairs of distinct sizes a, b, and how many cells have that pair."""
    # Cells of at most one image have k log2 k = 0.
    (a, a_times), (b, b_times) = ((s[s > 1], times[s > 1]) for s, times in (rows, columns))
    for start in range(0, len(a) * len(b), _BLOCK):
        pair = np.arange(start, min(start + _BLOCK, len(a) * len(b)))
        i, j = pair // len(b), pair % len(b)
        yield a[i], b[j], a_times[i] * b_times[j]


def _expected_k_log_k(a: FloatArray, b: FloatArray, n: int) -> FloatArray:
    """E[k log2 k] (m,) for k hypergeometric: b drawn of n of which a are marked; a, b (m,).

    Pairs of like width are taken together, so that one rectangle of pairs x window holds them.
    """
    mode = np.floor((a + 1) * (b + 1) / (n + 2))
    below, above = _window(a, b, n, mode)
    width = below + above
    order = np.argsort(width, kind="stable")
    result = np.empty_like(a)
    start = 0
    while start < len(order):
        # Widths within a factor of two share a block, and a block has a bounded size.
        limit = max(2 * int(width[order[start]]), 16)
        stop = int(np.searchsorted(width[order], limit, side="right"))
        stop = min(stop, start + max(_BLOCK // (limit + 1), 1))
        block = order[start:stop]
        result[block] = _block_k_log_k(
            a[block], b[block], n, mode[block], int(below[block].max()), int(above[block].max())
        )
        start = stop
    return result


def _window(a: FloatArray, b: FloatArray, n: int, mode: FloatArray) -> tuple[IntArray, IntArray]:
    """How far below and above its mode a hypergeometric k has mass (Bernstein's inequality)."""
    variance = np.minimum(a * (b / n) * (1 - b / n), b * (a / n) * (1 - a / n))
    third = _TAIL_NATS / 3
    reach = np.ceil(third + np.sqrt(third**2 + 2 * _TAIL_NATS * variance)) + 1
    below = np.minimum(reach, mode - np.maximum(a + b - n, 0))
    above = np.minimum(reach, np.minimum(a, b) - mode)
    return below.astype(np.int64), above.astype(np.int64)


def _block_k_log_k(
    a: FloatArray, b: FloatArray, n: int, mode: FloatArray, below: int, above: int
) -> FloatArray:
    """E[k log2 k] (m,) from probabilities relative to the mode's, by their ratio k -> k + 1.

    No factorials are needed, and the normaliser is the sum over the same window. Ratios are 0 at
    the ends of the support and stay clipped at 0 beyond.
    """
    a, b, mode = a[:, None], b[:, None], mode[:, None]
    up = mode + np.arange(above)  # (m, above): step from k to k + 1
    weight_up = np.cumprod(
        np.maximum(a - up, 0) * np.maximum(b - up, 0) / ((up + 1) * (n - a - b + up + 1)), axis=1
    )
    down = mode - np.arange(below)  # (m, below): step from k to k - 1
    weight_down = np.cumprod(
        np.maximum(down, 0) * np.maximum(n - a - b + down, 0) / ((a - down + 1) * (b - down + 1)),
        axis=1,
    )
    total = 1 + weight_up.sum(axis=1) + weight_down.sum(axis=1)
    moment = (
        _k_log_k(mode[:, 0])
        + np.sum(weight_up * _k_log_k(up + 1), axis=1)
        + np.sum(weight_down * _k_log_k(down - 1), axis=1)
    )
    result: FloatArray = moment / total
    return result


def _k_log_k(k: FloatArray) -> FloatArray:
    """Elementwise k log2 k, 0 for k <= 1."""
    k = np.maximum(k, 1.0)
    result: FloatArray = k * np.log2(k)
    return result
