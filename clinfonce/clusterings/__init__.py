"""Auxiliary information made into clusters, one module a source.

Importing this loads no torch; k-means does when it is called.
"""

from clinfonce.clusterings.attributes import from_attributes
from clinfonce.clusterings.base import Clustering
from clinfonce.clusterings.column import from_column
from clinfonce.clusterings.crossing import from_crossing
from clinfonce.clusterings.hierarchy import from_hierarchy
from clinfonce.clusterings.instances import from_instances
from clinfonce.clusterings.kmeans import from_kmeans
from clinfonce.clusterings.labels import from_labels
from clinfonce.clusterings.rebuild import rebuild
from clinfonce.clusterings.report import ClusteringReport
from clinfonce.clusterings.selected import from_selected_attributes, select_by_excess
from clinfonce.clusterings.soft import SoftClustering
from clinfonce.clusterings.synthetic import synthetic
from clinfonce.clusterings.tags import from_tags, tag_vectors

__all__ = [
    "Clustering",
    "ClusteringReport",
    "SoftClustering",
    "from_attributes",
    "from_column",
    "from_crossing",
    "from_hierarchy",
    "from_instances",
    "from_kmeans",
    "from_labels",
    "from_selected_attributes",
    "from_tags",
    "rebuild",
    "select_by_excess",
    "synthetic",
    "tag_vectors",
]
