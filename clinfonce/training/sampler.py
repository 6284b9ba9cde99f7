"""Which images share a batch."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from clinfonce.errors import InputError
from clinfonce.losses import Workers
from clinfonce.similarity import Similarity, batches_alike, batches_within
from clinfonce.training.sources import Source

if TYPE_CHECKING:
    from clinfonce.config import TrialSpec

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


@dataclass(frozen=True)
class WithinSampler(BatchSampler):
    """Batches in which images meet others of their group, as contrast within groups needs.

    Attributes:
        groups: int64 (n,), the images that are contrasted with each other.
        images_per_group: of a batch.
    """

    groups: Rows = field(default_factory=lambda: np.zeros(0, np.int64))
    images_per_group: int = 2

    def batches(self, epoch: int) -> list[Rows]:
        """See `BatchSampler` and `similarity.batches_within`."""
        return batches_within(
            self.groups,
            self.clusters,
            batch_size=self.batch_size,
            images_per_condition=self.images_per_group,
            images_per_cluster=self.images_per_cluster,
            seed=self.seed,
            epoch=epoch,
        )


@dataclass(frozen=True)
class AlikeSampler(BatchSampler):
    """Batches of groups of `images_per_cluster` images that are like each other.

    Attributes:
        similarity: which are.
    """

    similarity: Similarity | None = None

    def batches(self, epoch: int) -> list[Rows]:
        """See `BatchSampler` and `similarity.batches_alike`; alike on all workers."""
        assert self.similarity is not None
        assert self.images_per_cluster is not None
        found = batches_alike(
            self.similarity,
            batch_size=self.batch_size,
            group=self.images_per_cluster,
            seed=self.seed,
            epoch=epoch,
        )
        return _of_the_first_worker(found, self.similarity.profiles.device)


def build_sampler(spec: "TrialSpec", clusters: Rows, sources: Sequence[Source]) -> BatchSampler:
    """The sampler of a trial, for its clusters int64 (n,) or its first source.

    Raises:
        InputError: groups or batches that are larger than what they are made of.
    """
    sampler = spec.sampler
    plain = BatchSampler(clusters, sampler.batch_size, sampler.images_per_cluster, spec.seed)
    source = next(iter(sources), None)
    if source is None:
        return plain
    if source.groups is not None and source.suppress is not None:
        within = source.suppress.images_per_condition
        if within > sampler.batch_size:
            raise InputError(
                f"similarity.suppress.images_per_condition is {within}, more than the batch of "
                f"{sampler.batch_size}"
            )
        if (sampler.images_per_cluster or 0) > within:
            raise InputError(
                f"sampler.images_per_cluster is {sampler.images_per_cluster}, more than "
                f"similarity.suppress.images_per_condition, {within}"
            )
        return WithinSampler(*_fields(plain), groups=source.groups, images_per_group=within)
    alike = source.similarity
    if alike is None or alike.partition or sampler.images_per_cluster in (None, 1):
        return plain
    return AlikeSampler(*_fields(plain), similarity=alike)


def _fields(plain: BatchSampler) -> tuple[Rows, int, int | None, int]:
    return plain.clusters, plain.batch_size, plain.images_per_cluster, plain.seed


def _of_the_first_worker(batches: list[Rows], device: torch.device) -> list[Rows]:
    """The first worker's batches: weights on two machines might round differently."""
    workers = Workers.of()
    if workers.size == 1:
        return batches
    order = torch.from_numpy(np.concatenate(batches)).to(device)
    order = workers.sum(order if workers.rank == 0 else torch.zeros_like(order))
    return np.split(order.cpu().numpy(), np.cumsum([len(batch) for batch in batches])[:-1])
