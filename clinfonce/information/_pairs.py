"""What a positive pair shares: for partitions and for kernels, over the pairs that are drawn."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from clinfonce.errors import InputError
from clinfonce.information._counts import FloatArray, IntArray
from clinfonce.information._estimate import known_rows
from clinfonce.information._measure import Ids, as_ids, renumber

# Weights (a, b) in 0…1 between profiles (a,) and (b,), as `Similarity.array` makes them.
PairWeights: TypeAlias = Callable[[NDArray[np.int64], NDArray[np.int64]], NDArray[Any]]

_TILE = 1 << 22  # weights, or counts, at a time: 32 MiB of float64


@dataclass(frozen=True)
class PairInformation:
    """What the two labels of a positive pair (i, j) of different images tell of each other.

    i is any image; j is drawn from the others with probability a_ij / Σ_{l≠i} a_il. An image that
    attracts no other draws nobody.

    Attributes:
        i_pairs: in bits, the share of images that draw somebody times I(T_i; T_j) of what is
            drawn: 0 for instances, H(T) for the labels.
        i_pairs_chance: its mean over random permutations of the labels; None without draws.
        equal: share of the pairs with equal labels; 0 if there are none.
        equal_chance: expectation of `equal` over permutations of the labels, exact.
        covered: share of the images that draw somebody.
        n_images: labelled images, of which all is measured.
    """

    i_pairs: float
    i_pairs_chance: float | None
    equal: float
    equal_chance: float
    covered: float
    n_images: int


def pair_information(
    profiles: Ids,
    labels: Ids,
    weights: PairWeights | None = None,
    *,
    known: NDArray[np.bool_] | None = None,
    n_draws: int = 10,
    seed: int = 0,
) -> PairInformation:
    """Measure a clustering, or a similarity, by the positive pairs that an objective draws of it.

    Exact, in closed form for a partition, else by tiles of weights between profiles. What I(T_i;
    T_j) of few pairs overstates by is small where each pair of labels has many pairs of images;
    compare it with `i_pairs_chance` elsewhere, as in fine clusterings of many classes.

    Args:
        profiles: (n,) integers >= 0, the cluster of each image, or its profile in a similarity
            (`Similarity.profiles`).
        labels: (n,) integers; >= 0 where known.
        weights: a between profiles, symmetric and 1 of each with itself; None for a partition.
        known: (n,) bool, which labels are known; None where all are. Pairs are of known ones.
        n_draws: permutations for the chance level, 0 or more.
        seed: of them.

    Raises:
        InputError: as `measure`, fewer than two known labels, a mask that does not fit, or
            negative draws.

    >>> found = pair_information([0, 0, 0, 1, 1], [7, 7, 7, 2, 2])
    >>> round(found.i_pairs, 3), found.equal, found.covered
    (0.971, 1.0, 1.0)
    """
    n = len(profiles)
    if len(labels) != n:
        raise InputError(f"profiles and labels differ in length: {n} and {len(labels)}")
    if n_draws < 0:
        raise InputError(f"n_draws is {n_draws}: must be 0 or more")
    rows = np.arange(n) if known is None else known_rows(known, n)
    if len(rows) < 2:
        raise InputError(f"pairs need at least 2 known labels, got {len(rows)}")
    ids = as_ids(profiles, "profiles")[rows]
    t, t_sizes = renumber(as_ids(np.asarray(labels)[rows], "known labels"))
    codes, sizes = renumber(ids)
    names = names_of(ids, codes, len(sizes))
    rng = np.random.default_rng(seed)
    variants = [t, *(rng.permutation(t) for _ in range(n_draws))]
    joints, drawing = _joints(codes, sizes, names, variants, len(t_sizes), weights)
    bits = [_information(joint) for joint in joints]
    total = joints[0].sum()
    counts = t_sizes.astype(np.float64)
    return PairInformation(
        i_pairs=bits[0] * drawing / len(rows),
        i_pairs_chance=float(np.mean(bits[1:])) * drawing / len(rows) if n_draws else None,
        equal=float(np.trace(joints[0]) / total) if total > 0 else 0.0,
        equal_chance=float(counts @ (counts - 1) / (len(rows) * (len(rows) - 1))),
        covered=drawing / len(rows),
        n_images=len(rows),
    )


def _joints(
    codes: IntArray,
    sizes: IntArray,
    names: IntArray,
    variants: list[IntArray],
    n_labels: int,
    weights: PairWeights | None,
) -> tuple[list[FloatArray], int]:
    """Joint weights (C, C) of the labels of pairs for each labelling, and how many images draw.

    With counts N of profiles by labels and a of profiles u: Σ_u N_u ⊗ (Σ_v a_uv N_v − e) / A_u,
    where e takes out that an image is no pair with itself, and A_u = Σ_v a_uv n_v − 1.
    """
    joints = [np.zeros((n_labels, n_labels)) for _ in variants]
    counts = Counts(codes, variants, n_labels)
    drawing = 0
    width = len(sizes) if weights is not None else n_labels * len(variants)
    for span in spans(len(sizes), width):
        own = counts.of(span)
        near = own
        totals = sizes[span] - 1.0
        if weights is not None:
            tile = np.array(weights(names[span], names), dtype=np.float64)
            tile[np.arange(len(tile)), np.arange(span.start, span.stop)] = 0
            totals = totals + tile @ sizes
            near = [one + tile @ every for one, every in zip(own, counts.all, strict=True)]
        draws = totals > 0
        drawing += int(sizes[span][draws].sum())
        share = np.divide(1.0, totals, out=np.zeros_like(totals), where=draws)[:, None]
        for joint, one, others in zip(joints, own, near, strict=True):
            joint += (one * share).T @ others
            joint[np.diag_indices(n_labels)] -= (one * share).sum(axis=0)
    return joints, drawing


class Counts:
    """Images by profile and label, for several labellings."""

    def __init__(self, codes: IntArray, variants: list[IntArray], n_labels: int) -> None:
        self._order = np.argsort(codes, kind="stable")
        self._codes, self._variants, self._n_labels = codes[self._order], variants, n_labels

    def of(self, span: slice) -> list[FloatArray]:
        """Counts (profiles, labels) of a span of profiles."""
        low, high = np.searchsorted(self._codes, [span.start, span.stop])
        rows, profiles = self._order[low:high], self._codes[low:high] - span.start
        shape = (span.stop - span.start, self._n_labels)
        cells = shape[0] * shape[1]
        return [
            np.bincount(profiles * self._n_labels + t[rows], minlength=cells)
            .reshape(shape)
            .astype(np.float64)
            for t in self._variants
        ]

    @property
    def all(self) -> list[FloatArray]:
        """Counts of all profiles, made once."""
        if not hasattr(self, "_all"):
            self._all = self.of(slice(0, int(self._codes[-1]) + 1))
        return self._all


def _information(joint: FloatArray) -> float:
    """Mutual information in bits of a joint distribution (C, C) up to a factor; 0 of nothing."""
    total = joint.sum()
    if total <= 0:
        return 0.0
    p = np.maximum(joint, 0) / total  # rounding may leave a bit less than nothing
    apart = p.sum(axis=1, keepdims=True) * p.sum(axis=0)
    cells = p > 0
    return max(float(np.sum(p[cells] * np.log2(p[cells] / apart[cells]))), 0.0)


def names_of(ids: IntArray, codes: IntArray, count: int) -> IntArray:
    """The id (K,) of each code."""
    names = np.empty(count, dtype=np.int64)
    names[codes] = ids
    return names


def spans(length: int, width: int) -> Iterator[slice]:
    """Spans of so many rows that a tile of such a width is small."""
    height = max(1, _TILE // max(width, 1))
    return (slice(start, min(start + height, length)) for start in range(0, length, height))
