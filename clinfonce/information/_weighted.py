"""Bits of weights between images: the same numbers as of a partition where the weights are one."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clinfonce.errors import InputError
from clinfonce.information._counts import FloatArray, IntArray
from clinfonce.information._estimate import known_rows
from clinfonce.information._measure import Ids, as_ids, entropy, renumber
from clinfonce.information._pairs import Counts, PairWeights, names_of, spans


@dataclass(frozen=True)
class WeightedInformation:
    """What weights a_ij between images say of the labels, in bits.

    Attributes:
        h_z: entropy of the weights, −mean_i log2 mean_j a_ij over all images (similarity-sensitive
            entropy of order 1; Leinster & Cobbold 2012, doi 10.1890/10-2402.1). Of a partition
            H(Z).
        h_t: H(T) of the known labels.
        i_zt: mean over images of the divergence, from all labels, of the labels of those that it
            is like, each counted by its weight. Of a partition the plug-in I(Z;T).
        i_zt_chance: its mean over random permutations of the labels.
    """

    h_z: float
    h_t: float
    i_zt: float
    i_zt_chance: float

    @property
    def h_z_given_t(self) -> float:
        """The bits that say nothing of the label."""
        return self.h_z - self.i_zt

    @property
    def i_zt_excess(self) -> float:
        """I less what chance gives; may be negative."""
        return self.i_zt - self.i_zt_chance


def weighted_information(
    profiles: Ids,
    labels: Ids,
    weights: PairWeights | None = None,
    *,
    known: NDArray[np.bool_] | None = None,
    n_draws: int = 10,
    seed: int = 0,
) -> WeightedInformation:
    """Measure a similarity as a clustering is measured, by tiles of weights between profiles.

    Args:
        profiles: (n,) integers >= 0, the profile of each image (`Similarity.profiles`).
        labels: (n,) integers; >= 0 where known.
        weights: a between profiles, symmetric and 1 of each with itself; None for a partition.
        known: (n,) bool, which labels are known; None where all are. The entropy is of all images.
        n_draws: permutations for the chance level, 1 or more.
        seed: of them.

    Raises:
        InputError: as `measure`, no known label, or a mask that does not fit.

    >>> found = weighted_information([0, 0, 0, 1, 1], [7, 7, 7, 2, 2])
    >>> round(found.h_z, 3), round(found.i_zt, 3)
    (0.971, 0.971)
    """
    n = len(profiles)
    if len(labels) != n:
        raise InputError(f"profiles and labels differ in length: {n} and {len(labels)}")
    if n_draws < 1:
        raise InputError(f"n_draws is {n_draws}: must be 1 or more")
    rows = np.arange(n) if known is None else known_rows(known, n)
    if not len(rows):
        raise InputError("no label is known")
    ids = as_ids(profiles, "profiles")
    codes, sizes = renumber(ids)
    t, t_sizes = renumber(as_ids(np.asarray(labels)[rows], "known labels"))
    rng = np.random.default_rng(seed)
    variants = [t, *(rng.permutation(t) for _ in range(n_draws))]
    h_z, bits = _measured(
        names_of(ids, codes, len(sizes)), sizes, codes[rows], variants, t_sizes, weights
    )
    return WeightedInformation(h_z, entropy(t), bits[0], float(np.mean(bits[1:])))


def _measured(
    names: IntArray,
    sizes: IntArray,
    codes: IntArray,
    variants: list[IntArray],
    t_sizes: IntArray,
    weights: PairWeights | None,
) -> tuple[float, list[float]]:
    """The entropy, and the information of each labelling; codes are of the known images."""
    present = np.bincount(codes, minlength=len(sizes)).astype(np.float64)
    used = np.flatnonzero(present)
    place = np.zeros(len(sizes), dtype=np.int64)
    place[used] = np.arange(len(used))
    counts = Counts(place[codes], variants, len(t_sizes)).all
    base = np.log2(t_sizes / t_sizes.sum())
    log_mean, bits = np.zeros(len(sizes)), np.zeros(len(variants))
    for span in spans(len(sizes), max(len(sizes), len(t_sizes) * len(variants))):
        height = span.stop - span.start
        if weights is None:
            tile = np.zeros((height, len(sizes)))
            tile[np.arange(height), np.arange(span.start, span.stop)] = 1
        else:
            tile = np.array(weights(names[span], names), dtype=np.float64)
        log_mean[span] = np.log2(tile @ sizes / sizes.sum())
        seen, of_known = present[span] > 0, tile[:, used]
        for number, each in enumerate(counts):
            near = of_known[seen] @ each
            bits[number] += float(present[span][seen] @ _divergence(near, base))
    return float(-(sizes @ log_mean) / sizes.sum()), [float(each) for each in bits / present.sum()]


def _divergence(near: FloatArray, base: FloatArray) -> FloatArray:
    """Bits (p,) by which weights of labels (p, C) differ from all labels, given as log2 shares."""
    p = near / near.sum(axis=1, keepdims=True)
    logs = np.log2(np.where(p > 0, p, 1.0)) - base
    found: FloatArray = (p * np.where(p > 0, logs, 0.0)).sum(axis=1)
    return found
