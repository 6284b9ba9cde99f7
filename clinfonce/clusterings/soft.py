"""What attracts by weights and is no partition, where a trial has a clustering otherwise."""

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from clinfonce.clusterings.base import Clustering, IntArray
from clinfonce.errors import InputError
from clinfonce.information import PairWeights


@dataclass(frozen=True, eq=False)
class SoftClustering(Clustering):
    """Images by all that is known of them: those of one id are alike in everything.

    How much others attract is said by the weights, so the bits of the partition by ids are not
    those of what attracts: it is measured by its pairs (`information.pair_information`).

    Attributes:
        weights: a (r, c) between ids int64 (r,) and (c,), at what a pair attracts and is
            contrasted; None where several sources are added, which have no one weight.
        conditions: (n,) int64, groups within which images are contrasted; None where all are.
        clusters: (n,) int64, the clusters that attract, where they are a partition; else None.
    """

    weights: PairWeights | None = None
    conditions: IntArray | None = None
    clusters: IntArray | None = None

    @property
    def is_partition(self) -> bool:
        """False."""
        return False

    @cached_property
    def clustering_id(self) -> str:
        """12 hex digits of SHA-256 over ids and provenance: kernels differ on equal ids."""
        digest = hashlib.sha256(np.asarray(self.ids).astype("<i8").tobytes())
        digest.update(json.dumps(dict(self.provenance), sort_keys=True).encode())
        return digest.hexdigest()[:12]

    def check_trainable(self) -> None:
        """Raise InputError if all images are alike in everything."""
        if self.n_clusters == 1:
            raise InputError(
                f"{self.name} finds all {len(self)} training images alike, so there is nothing to "
                "tell apart: take other columns"
            )
