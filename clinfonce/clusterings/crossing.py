"""Images that agree in every one of several partitions share a cluster."""

from collections.abc import Mapping

from clinfonce.clusterings.attributes import cross
from clinfonce.clusterings.base import Clustering, build
from clinfonce.information import Ids


def from_crossing(parts: Mapping[str, Ids]) -> Clustering:
    """Cross partitions of whatever source: columns, levels, tags, k-means.

    Args:
        parts: name to (n,) integers >= 0.

    Raises:
        InputError: no parts, or of different lengths.
    """
    names = list(parts)
    return build(
        cross(parts, names),
        name=" × ".join(names),
        provenance={"source": "crossing", "attributes": list(names)},
    )
