"""The labels as clusters: the supervised upper bound (SupCon)."""

from collections.abc import Sequence

from clinfonce.clusterings.base import Clustering, build
from clinfonce.errors import InputError
from clinfonce.information import Ids, as_ids


def from_labels(labels: Ids, *, names: Sequence[str] | None = None) -> Clustering:
    """One cluster a class.

    Args:
        labels: (n,) integers >= 0.
        names: of the classes; kept in the provenance, in order of the cluster ids.

    Raises:
        InputError: labels that are empty, negative, no integers, or beyond the names.
    """
    classes = as_ids(labels, "labels")
    if names is not None and (highest := int(classes.max())) >= len(names):
        raise InputError(f"labels: class {highest} has no name, {len(names)} names were given")
    found = build(classes, name="labels", provenance={"source": "labels"})
    if names is None:
        return found
    in_order = [names[c] for c in dict.fromkeys(classes.tolist())]
    return Clustering(found.ids, found.name, {"source": "labels", "names": [*in_order]})
