"""The labels as clusters: the supervised upper bound (SupCon)."""

from clinfonce.clusterings.base import Clustering, build
from clinfonce.information import Ids, as_ids


def from_labels(labels: Ids) -> Clustering:
    """One cluster a class.

    Args:
        labels: (n,) integers >= 0.

    Raises:
        InputError: labels that are empty, negative or no integers.
    """
    return build(as_ids(labels, "labels"), name="labels", provenance={"source": "labels"})
