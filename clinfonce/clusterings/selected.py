"""The attributes that say most of the labels, judged on a labelled part of the images."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from clinfonce.clusterings.attributes import combine, cross
from clinfonce.clusterings.base import Clustering, IntArray, build
from clinfonce.errors import InputError
from clinfonce.information import Ids, as_ids, measure


def from_selected_attributes(
    attributes: Mapping[str, Ids],
    labels: Ids,
    *,
    top_k: int,
    labelled: NDArray[np.bool_] | None = None,
) -> Clustering:
    """Cluster by the k attributes that together have the highest excess information.

    Unlike `from_attributes` this looks at labels, so it is for data of which some images are
    labelled. Compare it with other clusterings on labels it has not seen.

    Args:
        attributes: name to (n,) integers >= 0.
        labels: (n,) integers >= 0; only those of labelled images are looked at.
        top_k: how many attributes to take.
        labelled: (n,) bool; None where every image is labelled.

    Raises:
        InputError: `top_k` out of range, no labelled image, or lengths that differ.
    """
    names = select_by_excess(attributes, labels, top_k=top_k, labelled=labelled)
    return build(
        cross(attributes, names),
        name=f"top-{top_k} attributes by excess information",
        provenance={"source": "attributes", "attributes": [*names], "ranked_by": "excess"},
    )


def select_by_excess(
    attributes: Mapping[str, Ids],
    labels: Ids,
    *,
    top_k: int,
    labelled: NDArray[np.bool_] | None = None,
) -> list[str]:
    """Names of k attributes, each the one that raises the excess information of all so far most.

    Greedy; of equals the first in order of name. The excess may fall with the last ones: they are
    taken as they lose least.
    """
    if not 1 <= top_k <= len(attributes):
        raise InputError(f"attributes: top_k must be in 1..{len(attributes)}, got {top_k}")
    known = as_ids(np.asarray(labels)[_rows(labels, labelled)], "labels of labelled images")
    rows = _rows(labels, labelled)
    table = {
        name: as_ids(np.asarray(attributes[name])[rows], f"attribute {name!r}")
        for name in sorted(attributes)
    }
    chosen: list[str] = []
    codes: IntArray = np.zeros(len(known), dtype=np.int64)
    for _ in range(top_k):
        crossed = {
            name: combine(codes, values) for name, values in table.items() if name not in chosen
        }
        excess = {name: measure(ids, known).i_zt_excess for name, ids in crossed.items()}
        best = max(excess, key=excess.__getitem__)
        chosen.append(best)
        codes = crossed[best]
    return chosen


def _rows(labels: Ids, labelled: NDArray[np.bool_] | None) -> NDArray[np.bool_]:
    n = len(labels)
    if labelled is None:
        return np.ones(n, dtype=np.bool_)
    if labelled.shape != (n,) or labelled.dtype != np.bool_:
        raise InputError(f"labelled must be ({n},) bool, got {labelled.shape} {labelled.dtype}")
    if not labelled.any():
        raise InputError("labelled marks no image")
    return labelled
