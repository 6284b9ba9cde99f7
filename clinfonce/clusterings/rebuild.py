"""Make a clustering again from its provenance."""

from collections.abc import Callable, Mapping
from typing import Any

from clinfonce.clusterings.attributes import from_attributes
from clinfonce.clusterings.base import Clustering, Provenance
from clinfonce.clusterings.column import from_column
from clinfonce.clusterings.crossing import from_crossing
from clinfonce.clusterings.hierarchy import from_hierarchy
from clinfonce.clusterings.instances import from_instances
from clinfonce.clusterings.kmeans import from_kmeans
from clinfonce.clusterings.labels import from_labels
from clinfonce.clusterings.synthetic import synthetic
from clinfonce.clusterings.tags import from_tags
from clinfonce.errors import InputError, unknown_name

_SOURCES: Mapping[str, Callable[..., Clustering]] = {
    "attributes": from_attributes,
    "column": from_column,
    "crossing": from_crossing,
    "hierarchy": from_hierarchy,
    "instances": from_instances,
    "kmeans": from_kmeans,
    "labels": from_labels,
    "synthetic": synthetic,
    "tags": from_tags,
}


def rebuild(provenance: Provenance, data: Any) -> Clustering:
    """Make the ids again that have this provenance.

    Args:
        provenance: of a `Clustering`, as it is or read from JSON.
        data: what the source was given first: attributes, labels, values, paths, tags, features,
            or the number of images.

    Raises:
        InputError: an unknown source, or data that do not fit it.
    """
    options = dict(provenance)
    source = str(options.pop("source", ""))
    if source not in _SOURCES:
        raise InputError(unknown_name("source of clusters", source, _SOURCES))
    match source:
        case "attributes":  # the ranking is settled, the names are enough
            options = {"names": options["attributes"]}
        case "crossing":
            options = {}  # the data have the names
        case "column":
            options = {"name": options["column"]}
        case "labels":
            options = {}  # the names are in order of the clusters by now
    return _SOURCES[source](data, **options)
