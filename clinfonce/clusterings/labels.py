"""The labels as clusters: the supervised upper bound (SupCon)."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from clinfonce.clusterings.base import Clustering, build
from clinfonce.errors import InputError
from clinfonce.information import Ids, as_ids


def from_labels(labels: Ids, *, names: Sequence[str] | None = None) -> Clustering:
    """One cluster a class; an image without a label is a cluster of its own.

    Args:
        labels: (n,) integers >= 0, or -1 where there is no label.
        names: of the classes; kept in the provenance, in order of the cluster ids, where all
            images have a label.

    Raises:
        InputError: labels that are empty, below -1, no integers, or beyond the names.
    """
    classes, unknown = _classes_of_all(labels)
    if names is not None and (highest := int(classes[~unknown].max(initial=-1))) >= len(names):
        raise InputError(f"labels: class {highest} has no name, {len(names)} names were given")
    found = build(classes, name="labels", provenance={"source": "labels"})
    if names is None or unknown.any():
        return found
    in_order = [names[c] for c in dict.fromkeys(classes.tolist())]
    return Clustering(found.ids, found.name, {"source": "labels", "names": [*in_order]})


def _classes_of_all(labels: Ids) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Classes (n,) with a new one for each image without a label, and which those are."""
    array = labels.detach().cpu().numpy() if hasattr(labels, "detach") else np.asarray(labels)
    unknown = array == -1
    if array.dtype.kind != "i" or not unknown.any():
        return as_ids(array, "labels"), np.zeros(array.shape, dtype=np.bool_)
    new = array.max() + np.cumsum(unknown)
    return as_ids(np.where(unknown, new, array), "labels"), unknown
