"""The clusterings that a data set's table and pixels offer, made without labels."""

from collections.abc import Iterator
from typing import Any

from clinfonce.clusterings import Clustering
from clinfonce.config import ClusteringSpec
from clinfonce.data import TRAIN, ImageTable
from clinfonce.errors import InputError
from clinfonce.trial.clusterings import build_clustering

# k-means of the pixels, where it takes seconds.
_PIXELS = 30_000_000  # in all training images
_KS = (5, 10, 20, 40, 80)
_TOP_KS = (2, 3, 4, 6, 8, 12, 16, 24, 32)


def specifications(table: ImageTable) -> Iterator[dict[str, Any]]:
    """Single columns, top-k attributes, tags, levels of hierarchies, k-means of pixels."""
    names = attribute_names(table)
    for name in names:
        yield {"source": "attributes", "attributes": [name]}
    for k in _TOP_KS:
        if k < len(names):
            yield {"source": "attributes", "top_k": k}
    if len(names) > 1:
        yield {"source": "attributes", "attributes": names}
    for column in table.columns.values():
        if column.kind == "tags":
            for by in ("set", "commonest"):
                yield {"source": "tags", "column": column.name, "by": by}
        elif column.kind == "hierarchy":
            deepest = max(map(len, column.values), default=0)
            for level in range(1, deepest + 1):
                yield {"source": "hierarchy", "column": column.name, "level": level}
    rows = table.rows(TRAIN)
    if len(rows) * table.images[:1].nbytes <= _PIXELS:
        for k in _KS:
            if k <= len(rows) // 4:
                yield {"source": "kmeans", "n_clusters": k}


def attribute_names(table: ImageTable) -> list[str]:
    """The columns that may be crossed: all but tags and hierarchies."""
    return [c.name for c in table.columns.values() if c.kind not in ("tags", "hierarchy")]


def build(spec: dict[str, Any], table: ImageTable) -> Clustering | None:
    """The clustering of a specification; None where nothing can be learnt from it."""
    clustering = build_clustering(ClusteringSpec.model_validate(spec), table)
    try:
        clustering.check_trainable()
    except InputError:
        return None
    return clustering
