"""Free tags of an image: equal tag sets, the commonest tag, or k-means of tag vectors."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from clinfonce.clusterings.base import Clustering, build
from clinfonce.clusterings.kmeans import from_kmeans
from clinfonce.errors import InputError

TagMethod: TypeAlias = Literal["set", "commonest", "kmeans"]


def from_tags(
    tags: Sequence[Iterable[str]] | NDArray[np.object_],
    *,
    by: TagMethod = "set",
    n_clusters: int | None = None,
    max_tags: int = 512,
    seed: int = 0,
) -> Clustering:
    """Cluster images by their tags; order and repetition of an image's tags do not matter.

    * "set": images with the same set of tags share a cluster.
    * "commonest": an image belongs to the one of its tags that most images have; of equally
      common ones to the first in alphabetical order.
    * "kmeans": k-means of tag vectors of unit length (`tag_vectors`).

    Images without a tag share one cluster in the first two.

    Args:
        tags: (n,) collections of str, one an image.
        by: the method.
        n_clusters: K, for "kmeans" alone.
        max_tags: length of the tag vectors at most, for "kmeans" alone.
        seed: for "kmeans" alone.

    Raises:
        InputError: an unknown method, a K missing or out of place, or no images.
    """
    if by not in get_args(TagMethod):
        raise InputError(f"tags: by must be one of {', '.join(get_args(TagMethod))}, got {by!r}")
    if (by == "kmeans") != (n_clusters is not None):
        raise InputError(f"tags: n_clusters goes with by='kmeans', got {n_clusters} and {by!r}")
    sets = [_as_set(row, entry) for row, entry in enumerate(tags)]
    if n_clusters is not None:
        return _by_kmeans(sets, n_clusters, max_tags, seed)
    keys = sets if by == "set" else _commonest(sets)
    numbers: dict[object, int] = {}
    codes = np.array([numbers.setdefault(key, len(numbers)) for key in keys], dtype=np.int64)
    return build(codes, name=f"tags by {by}", provenance={"source": "tags", "by": by})


def tag_vectors(tags: Sequence[Iterable[str]], *, max_tags: int = 512) -> NDArray[np.float32]:
    """Which of the commonest tags each image has, (n, d) of unit length (or all 0), d <= max_tags.

    Tags are in order of falling number of images; equal numbers in alphabetical order.

    Raises:
        InputError: `max_tags` < 1.
    """
    if max_tags < 1:
        raise InputError(f"tags: max_tags must be at least 1, got {max_tags}")
    sets = [_as_set(row, entry) for row, entry in enumerate(tags)]
    kept = _by_frequency(sets)[:max_tags]
    place = {tag: index for index, tag in enumerate(kept)}
    vectors = np.zeros((len(sets), max(len(kept), 1)), dtype=np.float32)
    for row, entry in enumerate(sets):
        vectors[row, [place[tag] for tag in entry if tag in place]] = 1
    vectors /= np.maximum(np.sqrt(vectors.sum(axis=1, keepdims=True)), 1)
    return vectors


def _by_kmeans(
    sets: Sequence[frozenset[str]], n_clusters: int, max_tags: int, seed: int
) -> Clustering:
    found = from_kmeans(tag_vectors(sets, max_tags=max_tags), n_clusters, seed=seed)
    provenance = {"n_clusters": n_clusters, "max_tags": max_tags, "seed": seed}
    return Clustering(
        found.ids,
        f"tags by k-means {n_clusters}",
        {"source": "tags", "by": "kmeans", **provenance},
    )


def _commonest(sets: Sequence[frozenset[str]]) -> list[str | None]:
    rank = {tag: place for place, tag in enumerate(_by_frequency(sets))}
    return [min(entry, key=rank.__getitem__, default=None) for entry in sets]


def _by_frequency(sets: Sequence[frozenset[str]]) -> list[str]:
    counts = Counter(tag for entry in sets for tag in entry)
    return sorted(counts, key=lambda tag: (-counts[tag], tag))


def _as_set(row: int, entry: Iterable[str]) -> frozenset[str]:
    if isinstance(entry, str):  # its letters would pass for tags
        raise InputError(f"tags: row {row} is the text {entry!r}, not a collection of tags")
    return frozenset(entry)
