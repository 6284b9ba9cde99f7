"""Which images share a batch."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clinfonce.errors import InputError

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class BatchSampler:
    """Batches that hold every image once an epoch, drawn anew from (seed, epoch).

    Uniform batches use fine clusterings hardly at all: two images of one cluster seldom meet. With
    `images_per_cluster` = M every cluster is dealt out in random groups of M (its last group may be
    smaller), and a batch is made of whole groups, about batch_size / M of them, so that an anchor
    meets at least M - 1 other images of its cluster; the first and last group of a batch may be
    cut. All batches of an epoch are equally large to within one image.

    Attributes:
        clusters: int64 (n,), one id per image.
        batch_size: images in a batch, at most.
        images_per_cluster: M, or None for uniform batches.
        seed: of the shuffling.

    Raises:
        InputError: the batch is larger than the data, or M is larger than the batch.
    """

    clusters: Rows
    batch_size: int
    images_per_cluster: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        n = len(self.clusters)
        if self.batch_size > n:
            raise InputError(
                f"sampler.batch_size is {self.batch_size}, but there are {n} training images: "
                f"choose at most {n}"
            )
        group = self.images_per_cluster
        if group is not None and group > self.batch_size:
            raise InputError(
                f"sampler.images_per_cluster is {group}, more than the batch of {self.batch_size}"
            )

    @property
    def batches_per_epoch(self) -> int:
        """How many batches make an epoch."""
        return math.ceil(len(self.clusters) / self.batch_size)

    def check_workers(self, workers: int) -> None:
        """Raise InputError unless each of some workers has an image of every batch."""
        smallest = len(self.clusters) // self.batches_per_epoch
        if workers > smallest:
            raise InputError(
                f"workers is {workers}, but of {len(self.clusters)} training images in batches of "
                f"at most {self.batch_size} some have only {smallest}: choose fewer workers or a "
                "larger sampler.batch_size"
            )

    def batches(self, epoch: int) -> list[Rows]:
        """The batches of an epoch: int64 rows of the training images, each row in one batch."""
        rng = np.random.default_rng([self.seed, epoch])
        order = rng.permutation(len(self.clusters))
        if self.images_per_cluster is not None:
            order = order[self._by_group(self.clusters[order], self.images_per_cluster, rng)]
        return np.array_split(order, self.batches_per_epoch)

    @staticmethod
    def _by_group(clusters: Rows, size: int, rng: np.random.Generator) -> Rows:
        """An order that puts groups of `size` images of one cluster side by side."""
        _, ids, counts = np.unique(clusters, return_inverse=True, return_counts=True)
        by_cluster = np.argsort(ids, kind="stable")
        starts = np.cumsum(counts) - counts
        place = np.arange(len(ids)) - np.repeat(starts, counts)  # 0, 1, … within the cluster
        begins = place % size == 0
        group = np.cumsum(begins) - 1
        shuffled = rng.permutation(int(begins.sum()))
        return by_cluster[np.argsort(shuffled[group], kind="stable")]
