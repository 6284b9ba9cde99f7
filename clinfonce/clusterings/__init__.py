"""Auxiliary information made into clusters, one module a source.

Importing this loads no torch; k-means does when it is called.
"""

from clinfonce.clusterings.attributes import from_attributes
from clinfonce.clusterings.base import Clustering
from clinfonce.clusterings.column import from_column
from clinfonce.clusterings.instances import from_instances
from clinfonce.clusterings.kmeans import from_kmeans
from clinfonce.clusterings.labels import from_labels

__all__ = [
    "Clustering",
    "from_attributes",
    "from_column",
    "from_instances",
    "from_kmeans",
    "from_labels",
]
