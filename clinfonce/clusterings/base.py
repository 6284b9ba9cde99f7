"""A clustering: one cluster id per training image, and where the ids came from."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from clinfonce.clusterings.report import ClusteringReport, describe
from clinfonce.errors import InputError
from clinfonce.information import Ids, as_ids, renumber

IntArray: TypeAlias = NDArray[np.int64]
Json: TypeAlias = "str | int | float | bool | list[Json] | dict[str, Json] | None"
Provenance: TypeAlias = Mapping[str, Json]


@dataclass(frozen=True, eq=False)
class Clustering:
    """Cluster ids of the training images, in the order of `table.rows(TRAIN)`.

    Attributes:
        ids: (n,) int64, dense 0..K-1 in order of first appearance; read-only.
        name: short, for people: "top-4 attributes".
        provenance: JSON values from which `clusterings.rebuild` makes the same ids again;
            "source" names the module.

    Raises:
        InputError: ids that are empty or not numbered in order of first appearance.
    """

    ids: IntArray
    name: str
    provenance: Provenance

    def __post_init__(self) -> None:
        ids = as_ids(self.ids, f"ids of clustering {self.name!r}").copy()
        highest_before = np.concatenate(([-1], np.maximum.accumulate(ids)[:-1]))
        if (bad := np.flatnonzero(ids > highest_before + 1)).size:
            raise InputError(
                f"ids of clustering {self.name!r} must be numbered in order of first appearance, "
                f"got {ids[bad[0]]} at row {bad[0]}; use clusterings.from_column"
            )
        ids.flags.writeable = False
        object.__setattr__(self, "ids", ids)

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def is_partition(self) -> bool:
        """Whether images of one cluster attract alike, and those of different ones not at all."""
        return True

    @property
    def n_clusters(self) -> int:
        """K, the number of clusters."""
        return len(self.sizes)

    @cached_property
    def sizes(self) -> IntArray:
        """Images per cluster, (K,) int64."""
        return np.bincount(self.ids)

    @property
    def n_singletons(self) -> int:
        """Clusters of one image; their only positive is the image's own other view."""
        return int(np.count_nonzero(self.sizes == 1))

    @cached_property
    def clustering_id(self) -> str:
        """12 hex digits of SHA-256 over the ids: equal partitions share it, whatever made them."""
        return hashlib.sha256(self.ids.astype("<i8").data).hexdigest()[:12]

    def report(
        self,
        labels: Ids | None = None,
        *,
        batch_size: int | None = None,
        images_per_cluster: int | None = None,
    ) -> ClusteringReport:
        """Sizes, bits and expected positives, before anything is trained.

        Args:
            labels: (n,) integers >= 0, or -1 where there is none, to measure what the clustering
                says of them.
            batch_size: B, images of a batch.
            images_per_cluster: M, if the sampler deals out clusters in groups.

        Raises:
            InputError: labels of another length, a batch larger than the data, or groups
                larger than the batch.
        """
        return describe(
            self.ids, labels, batch_size=batch_size, images_per_cluster=images_per_cluster
        )

    def check_trainable(self) -> None:
        """Raise InputError if all images share a cluster, or no two do though they could."""
        if self.n_clusters == 1:
            raise InputError(
                f"clustering {self.name!r} puts all {len(self)} images into one cluster, so there "
                "is nothing to tell apart: take more attributes, a deeper level or more clusters"
            )
        if self.n_clusters == len(self) and self.provenance.get("source") != "instances":
            raise InputError(
                f"clustering {self.name!r} puts each of {len(self)} images into a cluster of its "
                "own, so no two are a positive pair: take fewer attributes, a higher level or "
                "fewer clusters, or say source: instances if InfoNCE is meant"
            )


def build(codes: NDArray[Any], *, name: str, provenance: Provenance) -> Clustering:
    """Make a clustering of any codes (n,), equal codes sharing a cluster.

    Raises:
        InputError: codes that are empty or not one-dimensional.
    """
    return Clustering(number_by_appearance(codes, name), name, provenance)


def number_by_appearance(codes: NDArray[Any], name: str) -> IntArray:
    """Number (n,) codes of any sortable type 0, 1, ... in order of first appearance."""
    if codes.ndim != 1 or codes.size == 0:
        raise InputError(f"{name}: one value per image is needed, got shape {codes.shape}")
    if codes.dtype.kind not in "iu" or codes.min() < 0:
        codes = np.unique(codes, return_inverse=True)[1]
    dense, sizes = renumber(as_ids(codes, name))
    n_clusters = len(sizes)
    first = np.empty(n_clusters, dtype=np.int64)
    first[dense[::-1]] = np.arange(len(dense))[::-1]  # the last write to a place stays
    rank = np.empty(n_clusters, dtype=np.int64)
    rank[np.argsort(first)] = np.arange(n_clusters)
    return rank[dense]
