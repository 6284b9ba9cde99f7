"""Clusterings made of the labels, with the information one wants (after Tsai et al. 2021).

Each family varies one quantity and holds another still, to learn what accuracy depends on.
"""

from typing import Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from clinfonce.clusterings.base import Clustering, IntArray, build
from clinfonce.errors import InputError
from clinfonce.information import Ids, as_ids

Family: TypeAlias = Literal["merged", "split", "permuted"]


def synthetic(labels: Ids, *, family: Family, level: int, seed: int = 0) -> Clustering:
    """Make a clustering of the labels.

    * "merged": 2^level classes share a cluster. H(Z|T) = 0 and I(Z;T) = H(Z), which falls as the
      level grows; level 0 is the labels.
    * "split": every class is cut into clusters of 2^level images. I(Z;T) = H(T), and H(Z|T) falls
      as the level grows; level 0 is the instances.
    * "permuted": the labels, shuffled among the images of the first `level` classes. H(Z) = H(T)
      stays, and I(Z;T) falls as the level grows; levels 0 and 1 are the labels.

    Each level refines the next one in the first two families. The order of classes and images is
    drawn from `seed`.

    Args:
        labels: (n,) integers >= 0.
        family: the family.
        level: >= 0; for "permuted" at most the number of classes.
        seed: of the order of classes and images.

    Raises:
        InputError: an unknown family, or a level out of range.
    """
    if family not in get_args(Family):
        raise InputError(
            f"synthetic: family must be one of {', '.join(get_args(Family))}, got {family!r}"
        )
    classes = np.unique(as_ids(labels, "labels"), return_inverse=True)[1].astype(np.int64)
    n_classes = int(classes.max()) + 1
    # Beyond these a further level changes nothing.
    highest = {
        "merged": (n_classes - 1).bit_length(),
        "split": (int(np.bincount(classes).max()) - 1).bit_length(),
        "permuted": n_classes,
    }[family]
    if not 0 <= level <= highest:
        raise InputError(f"synthetic {family}: level must be in 0..{highest}, got {level}")
    ranks = _order(n_classes, seed)[classes]
    codes = {"merged": _merge, "split": _split, "permuted": _permute}[family](ranks, level, seed)
    return build(
        codes,
        name=f"synthetic {family} {level}",
        provenance={"source": "synthetic", "family": family, "level": level, "seed": seed},
    )


def _merge(ranks: IntArray, level: int, seed: int) -> IntArray:  # noqa: ARG001
    return ranks >> level


def _split(ranks: IntArray, level: int, seed: int) -> IntArray:
    order = np.lexsort((_order(len(ranks), seed), ranks))
    ordered = ranks[order]
    _, starts, sizes = np.unique(ordered, return_index=True, return_counts=True)
    place = np.arange(len(ranks)) - np.repeat(starts, sizes)  # within the class
    codes = np.empty_like(ranks)
    codes[order] = (ordered * len(ranks)) + (place >> level)
    return codes


def _permute(ranks: IntArray, level: int, seed: int) -> IntArray:
    rows = np.flatnonzero(ranks < level)
    codes = ranks.copy()
    codes[rows] = ranks[rows[np.argsort(_order(len(rows), seed), kind="stable")]]
    return codes


def _order(n: int, seed: int) -> NDArray[np.int64]:
    """A random permutation of 0..n-1, from raw bits, whose stream NumPy never changes."""
    bits = np.random.PCG64(seed).random_raw(n)
    return np.argsort(np.argsort(bits, kind="stable"), kind="stable").astype(np.int64)
