"""How much a clustering says of the labels, in bits, and how much of that is chance.

Plug-in mutual information grows with the number of clusters even if cluster ids are drawn at
random, so the value expected by chance, and the excess over it, stand beside the raw one.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from clinfonce.errors import InputError

if TYPE_CHECKING:
    import torch

    Ids: TypeAlias = "NDArray[Any] | torch.Tensor | list[int] | tuple[int, ...]"
else:
    Ids: TypeAlias = Any

IntArray: TypeAlias = NDArray[np.int64]
FloatArray: TypeAlias = NDArray[np.float64]

# Hypergeometric mass below exp(-36) ~ 2e-16 is left out of the chance level.
_TAIL_NATS = 36.0
# Elements of one block (pairs x window) of the chance level: 8 MiB of float64.
_BLOCK = 1 << 20


@dataclass(frozen=True)
class Information:
    """What a clustering Z and the labels T share. All floats are in bits but `ami`.

    Attributes:
        h_z: H(Z), the entropy of the cluster ids.
        h_t: H(T), the entropy of the labels.
        i_zt: I(Z;T), plug-in estimate.
        h_z_given_t: H(Z|T), the bits of the clustering that say nothing of the label.
        h_t_given_z: H(T|Z), the bits of the label that the clustering leaves open.
        i_zt_chance: expectation of I(Z;T) over all permutations of the labels.
        i_zt_excess: `i_zt - i_zt_chance`; may be negative.
        ami: adjusted mutual information, 1 for equal partitions, about 0 for chance; no unit.
        n_clusters: number of clusters.
        n_singletons: number of clusters with one image.
    """

    h_z: float
    h_t: float
    i_zt: float
    h_z_given_t: float
    h_t_given_z: float
    i_zt_chance: float
    i_zt_excess: float
    ami: float
    n_clusters: int
    n_singletons: int


def measure(clusters: Ids, labels: Ids) -> Information:
    """Measure what the cluster ids tell of the labels.

    Entropies are plug-in estimates in bits. The chance level is exact: the expectation of I(Z;T)
    under the hypergeometric model (Vinh, Epps & Bailey 2010, eq. 24a), and `ami` is their adjusted
    mutual information with the arithmetic mean of the entropies (as scikit-learn's).

    Args:
        clusters: (n,) integers >= 0, one cluster id per image; ids need not be dense.
        labels: (n,) integers >= 0.

    Raises:
        InputError: empty input, different lengths, negative ids, or values that are not integers.

    >>> found = measure([0, 0, 1, 1], [5, 5, 5, 7])
    >>> round(found.i_zt, 4), round(found.i_zt_chance, 4)
    (0.3113, 0.3113)
    """
    z, z_sizes = _dense(as_ids(clusters, "clusters"))
    t, t_sizes = _dense(as_ids(labels, "labels"))
    if len(z) != len(t):
        raise InputError(f"clusters and labels differ in length: {len(z)} and {len(t)}")
    n = len(z)
    h_z, h_t = _entropy_of_counts(z_sizes, n), _entropy_of_counts(t_sizes, n)
    h_zt = _entropy_of_counts(_joint_counts(z, t, len(z_sizes), len(t_sizes)), n)
    h_z_given_t, h_t_given_z = max(h_zt - h_t, 0.0), max(h_zt - h_z, 0.0)
    i_zt = max(h_z - h_z_given_t, 0.0)
    chance = _expected_information(z_sizes, t_sizes, n)
    return Information(
        h_z=h_z,
        h_t=h_t,
        i_zt=i_zt,
        h_z_given_t=h_z_given_t,
        h_t_given_z=h_t_given_z,
        i_zt_chance=chance,
        i_zt_excess=i_zt - chance + 0.0,  # + 0.0 turns -0.0 into 0.0
        ami=_adjusted(i_zt, chance, h_z, h_t),
        n_clusters=len(z_sizes),
        n_singletons=int(np.count_nonzero(z_sizes == 1)),
    )


def entropy(values: Ids) -> float:
    """Plug-in entropy of (n,) integers >= 0, in bits.

    Values with the same multiset of counts have the same entropy to the last bit, so that ranking
    by entropy has true ties.

    Raises:
        InputError: as `measure`.

    >>> entropy([3, 3, 8, 8])
    1.0
    """
    ids = as_ids(values, "values")
    return _entropy_of_counts(_dense(ids)[1], len(ids))


def as_ids(values: Ids, name: str) -> IntArray:
    """Return `values` as a flat int64 array, without a copy where they are one already.

    Raises:
        InputError: naming `name` if the values are no integers, negative, not flat, or none.
    """
    if hasattr(values, "detach"):  # a tensor, without importing torch
        values = values.detach().cpu().numpy()
    array = np.asarray(values)
    if array.ndim != 1:
        raise InputError(f"{name} must be one-dimensional, got shape {array.shape}")
    if array.size == 0:
        raise InputError(f"{name} is empty; at least one image is needed")
    if array.dtype.kind not in "biu":
        raise InputError(f"{name} must be integers, got {array.dtype}")
    ids = array.astype(np.int64, copy=False)
    if (lowest := int(ids.min())) < 0:  # a uint64 above the range of int64 also ends here
        raise InputError(f"{name} must not be negative, got {lowest} at row {int(ids.argmin())}")
    return ids


def _dense(ids: IntArray) -> tuple[IntArray, IntArray]:
    """Renumber ids (n,) to 0..K-1 and count each: codes (n,), sizes (K,)."""
    if int(ids.max()) >= 4 * len(ids) + 1024:  # a table indexed by id would be mostly air
        _, codes, sizes = np.unique(ids, return_inverse=True, return_counts=True)
        return codes.astype(np.int64, copy=False), sizes.astype(np.int64, copy=False)
    sizes = np.bincount(ids)
    used = sizes > 0
    if used.all():
        return ids, sizes
    return (np.cumsum(used) - 1)[ids], sizes[used]


def _joint_counts(z: IntArray, t: IntArray, n_z: int, n_t: int) -> IntArray:
    """Sizes of the non-empty cells of the contingency table, in any order."""
    codes = z * n_t + t
    if n_z * n_t <= 4 * len(z) + 1024:
        cells = np.bincount(codes)
        return cells[cells > 0]
    codes.sort()
    starts = np.flatnonzero(np.diff(codes)) + 1
    return np.diff(starts, prepend=0, append=len(codes))


def _entropy_of_counts(counts: IntArray, n: int) -> float:
    """Entropy in bits of the partition with these cell sizes: log2 n - sum c log2 c / n.

    Summed over distinct sizes in ascending order, so that it depends on the multiset alone and
    H(Z|T) = H(Z,T) - H(T) is exactly 0 where Z is a function of T.
    """
    if len(counts) == 1:
        return 0.0
    sizes, times = _distinct(counts)
    return max(math.log2(n) - float(np.sum(times * sizes * np.log2(sizes))) / n, 0.0)


def _distinct(counts: IntArray) -> tuple[FloatArray, FloatArray]:
    """Distinct positive values ascending, and how often each occurs, as float64."""
    if int(counts.max()) < 4 * len(counts):
        times = np.bincount(counts)
        sizes = np.flatnonzero(times)
        return sizes.astype(np.float64), times[sizes].astype(np.float64)
    sizes, times = np.unique(counts, return_counts=True)
    return sizes.astype(np.float64), times.astype(np.float64)


def _adjusted(i_zt: float, chance: float, h_z: float, h_t: float) -> float:
    """AMI, (I - E I) / (mean(H(Z), H(T)) - E I); 1 where both partitions are whole or all single.

    Elsewhere the denominator is positive, and a whole partition beside another has 0.
    """
    bound = (h_z + h_t) / 2 - chance
    return (i_zt - chance) / bound + 0.0 if bound > 0 else 1.0


def _expected_information(z_sizes: IntArray, t_sizes: IntArray, n: int) -> float:
    """E[I(Z;T)] in bits over permutations of the labels, sizes (K,) and (C,) held fixed.

    Vinh, Epps & Bailey 2010, eq. 24a, is sum_ij E[(k/n) log2(n k / (a_i b_j))] with k the size of
    cell ij, hypergeometric. As E[k] = a_i b_j / n, all but the k log2 k part adds up to
    H(Z) + H(T) - log2 n, and cells with equal (a, b) have equal terms.
    """
    h_z, h_t = _entropy_of_counts(z_sizes, n), _entropy_of_counts(t_sizes, n)
    if min(len(z_sizes), len(t_sizes)) == 1:
        return 0.0
    if max(len(z_sizes), len(t_sizes)) == n:  # one side tells every image apart
        return h_t if len(z_sizes) == n else h_z
    total = sum(
        float(np.sum(times * _expected_k_log_k(a, b, n)))
        for a, b, times in _pairs(_distinct(z_sizes), _distinct(t_sizes))
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
