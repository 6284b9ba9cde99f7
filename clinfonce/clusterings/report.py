"""What a clustering offers to training, before anything is trained."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clinfonce.errors import InputError
from clinfonce.information import Ids, Information, entropy, measure

_QUANTILES = (0.0, 0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True)
class ClusteringReport:
    """Sizes, bits and positives of a clustering of n images.

    Attributes:
        n_images: n.
        n_clusters: K.
        n_singletons: clusters of one image.
        size_quantiles: images per cluster: smallest, quartiles, largest.
        h_z: H(Z) in bits: what training asks the representation to hold.
        bits_ceiling: log2 of the contrasts of a batch (2B - 1 other views): the most that one
            batch can teach; None without a batch size.
        positives_uniform: images of its own cluster that an image meets in a batch drawn
            uniformly, in expectation; None without a batch size.
        positives_grouped: the same if clusters are dealt out in groups of M; None without M.
        information: what the clustering says of the labels, where there are any; else None.
    """

    n_images: int
    n_clusters: int
    n_singletons: int
    size_quantiles: tuple[float, ...]
    h_z: float
    bits_ceiling: float | None
    positives_uniform: float | None
    positives_grouped: float | None
    information: Information | None

    @property
    def positives(self) -> float | None:
        """Images of its own cluster that an image is expected to meet in a batch."""
        return self.positives_uniform if self.positives_grouped is None else self.positives_grouped

    @property
    def line(self) -> str:
        """What matters of it, in a line."""
        smallest, *_, largest = (f"{size:,.0f}" for size in self.size_quantiles)
        sizes = smallest if smallest == largest else f"{smallest} to {largest}"
        text = (
            f"{self.n_images:,} images in {self.n_clusters:,} clusters of {sizes}, "
            f"{self.n_singletons:,} of them single; H(Z) {self.h_z:.2f} bits"
        )
        if self.bits_ceiling is None:
            return text
        return (
            f"{text}; a batch teaches at most {self.bits_ceiling:.2f} bits, "
            f"with {self.positives:.3g} positives an image besides its other view"
        )


def describe(
    ids: NDArray[np.int64],
    labels: Ids | None = None,
    *,
    batch_size: int | None = None,
    images_per_cluster: int | None = None,
) -> ClusteringReport:
    """Report on cluster ids (n,); see `Clustering.report`.

    Raises:
        InputError: a batch larger than the data, groups without a batch or larger than it.
    """
    sizes = np.bincount(ids)
    n = len(ids)
    if batch_size is not None and not 1 <= batch_size <= n:
        raise InputError(f"batch_size must be in 1..{n}, got {batch_size}")
    if images_per_cluster is not None and not 1 <= images_per_cluster <= (batch_size or 0):
        raise InputError(
            f"images_per_cluster is {images_per_cluster}, but the batch has {batch_size} images"
        )
    uniform = grouped = ceiling = None
    if batch_size is not None:
        uniform = positives_uniform(sizes, batch_size)
        ceiling = math.log2(2 * batch_size - 1)
        if images_per_cluster is not None:
            grouped = positives_grouped(sizes, batch_size, images_per_cluster)
    return ClusteringReport(
        n_images=n,
        n_clusters=len(sizes),
        n_singletons=int(np.count_nonzero(sizes == 1)),
        size_quantiles=tuple(np.quantile(sizes, _QUANTILES).tolist()),
        h_z=entropy(ids),
        bits_ceiling=ceiling,
        positives_uniform=uniform,
        positives_grouped=grouped,
        information=None if labels is None else _measured(ids, labels),
    )


def _measured(ids: NDArray[np.int64], labels: Ids) -> Information:
    known = np.asarray(labels) != -1
    if len(known) != len(ids) or known.all():
        return measure(ids, labels)
    return measure(ids[known], np.asarray(labels)[known])


def positives_uniform(sizes: NDArray[np.int64], batch_size: int) -> float:
    """Mean over images of (B - 1)(s - 1) / (n - 1), s the size (K,) of the image's cluster."""
    n = int(sizes.sum())
    return (batch_size - 1) * float(sizes @ (sizes - 1)) / (n * max(n - 1, 1))


def positives_grouped(sizes: NDArray[np.int64], batch_size: int, images_per_cluster: int) -> float:
    """Mean positives of an image if clusters (K,) are dealt out in groups of M, in random order.

    The last group of a cluster holds the rest. Unless all groups fit the batches exactly, a group
    may be cut by the edge of a batch: images d places apart stay together with 1 - d / B, which
    takes (g^2 - 1) / (3 B) off the g - 1 of a group of g. Images of the cluster in other groups
    are met as in a uniform batch.
    """
    n, size = int(sizes.sum()), images_per_cluster
    rest = sizes % size
    fits = not rest.any() and batch_size % size == 0
    total = 0.0
    for group, n_images in ((np.full_like(sizes, size), sizes - rest), (rest, rest)):
        own = group - 1 - (0 if fits else (group**2 - 1) / (3 * batch_size))
        by_chance = (sizes - group) * (batch_size - 1 - own) / np.maximum(n - group, 1)
        total += float(n_images @ (own + by_chance))
    return total / n
