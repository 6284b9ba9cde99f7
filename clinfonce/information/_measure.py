"""Entropies and mutual information of two partitions, from their counts."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from clinfonce.errors import InputError
from clinfonce.information._chance import expected_information
from clinfonce.information._counts import IntArray, entropy_of_counts, entropy_of_sizes
from clinfonce.information._joint import joint_sizes

if TYPE_CHECKING:
    import torch

    Ids: TypeAlias = "NDArray[Any] | torch.Tensor | list[int] | tuple[int, ...]"
else:
    Ids: TypeAlias = Any


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
    z, z_sizes = renumber(as_ids(clusters, "clusters"))
    t, t_sizes = renumber(as_ids(labels, "labels"))
    if len(z) != len(t):
        raise InputError(f"clusters and labels differ in length: {len(z)} and {len(t)}")
    n = len(z)
    h_z, h_t = entropy_of_counts(z_sizes, n), entropy_of_counts(t_sizes, n)
    h_zt = entropy_of_sizes(*joint_sizes(z, t, len(z_sizes), len(t_sizes)), n)
    h_z_given_t, h_t_given_z = max(h_zt - h_t, 0.0), max(h_zt - h_z, 0.0)
    i_zt = max(h_z - h_z_given_t, 0.0)
    chance = expected_information(z_sizes, t_sizes, n)
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
    return entropy_of_counts(renumber(ids)[1], len(ids))


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


def renumber(ids: IntArray) -> tuple[IntArray, IntArray]:
    """Renumber ids (n,) >= 0 to 0..K-1, in order of value; returns codes (n,) and sizes (K,)."""
    if int(ids.max()) >= 4 * len(ids) + 1024:  # a table indexed by id would be mostly air
        _, codes, sizes = np.unique(ids, return_inverse=True, return_counts=True)
        return codes.astype(np.int64, copy=False), sizes.astype(np.int64, copy=False)
    sizes = np.bincount(ids)
    used = sizes > 0
    if used.all():
        return ids, sizes
    return (np.cumsum(used) - 1)[ids], sizes[used]


def _adjusted(i_zt: float, chance: float, h_z: float, h_t: float) -> float:
    """AMI, (I - E I) / (mean(H(Z), H(T)) - E I); 1 where both partitions are whole or all single.

    Elsewhere the denominator is positive, and a whole partition beside another has 0.
    """
    bound = (h_z + h_t) / 2 - chance
    return (i_zt - chance) / bound + 0.0 if bound > 0 else 1.0
