"""What a condition leaves of a batch: batches that suit one, and how many negatives they hold."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from clinfonce.errors import InputError
from clinfonce.similarity.combine import Similarity

Rows = NDArray[np.int64]

_TILE = 1 << 22  # weights at a time: 32 MiB of float64


@dataclass(frozen=True)
class ContrastLeft:
    """What an image meets in its batch, own views aside.

    Attributes:
        others: other images, a mean over images.
        positives: sum of their weights a = k c, a mean over images.
        negatives: sum of their weights (1 − k) c, a mean over images.
        without_positives: share of the images that meet none at all.
        without_negatives: share of the images that meet none at all.
    """

    others: float
    positives: float
    negatives: float
    without_positives: float
    without_negatives: float


def contrast_left(
    batches: Sequence[Rows], similarity: Similarity, condition: Similarity | None = None
) -> ContrastLeft:
    """Measure what images meet in some batches, those of an epoch for instance.

    Args:
        batches: int64 rows of the training images.
        similarity: k of the training images.
        condition: c of them: only what agrees in it is contrasted. None for 1.

    Raises:
        InputError: without batches.
    """
    if not batches or not sum(map(len, batches)):
        raise InputError("contrast: batches are empty: at least one image is needed")
    met = np.concatenate([_met(batch, similarity, condition) for batch in batches], axis=1)
    others, positives, negatives = met.mean(axis=1)
    _, no_positives, no_negatives = (met <= 0).mean(axis=1)
    return ContrastLeft(
        float(others), float(positives), float(negatives), float(no_positives), float(no_negatives)
    )


def check_contrast(left: ContrastLeft, *, least: float = 1.0) -> None:
    """Raise InputError if a condition leaves fewer than ``least`` negatives to an image."""
    if left.negatives < least:
        raise InputError(
            f"the suppressed columns leave an image {left.negatives:.3g} negatives of the "
            f"{left.others:.3g} other images in its batch, and none to "
            f"{left.without_negatives:.0%} of the images: at least {least:g} are needed; "
            "suppress fewer columns, or put more images of each of their values into a batch"
        )


def batches_within(
    conditions: Rows,
    clusters: Rows | None = None,
    *,
    batch_size: int,
    images_per_condition: int,
    images_per_cluster: int | None = None,
    seed: int = 0,
    epoch: int = 0,
) -> list[Rows]:
    """Batches in which a condition leaves negatives, and positives too.

    The images of a condition are dealt out in random runs of ``images_per_condition``, and a batch
    is made of whole runs; the first and the last run of a batch may be cut, and the last of a
    condition is what is left. Within a condition, images of one cluster stay together in groups of
    ``images_per_cluster``, of which the end of a run may cut one. Every image is in one batch, and
    batches are equally large to within one image.

    Args:
        conditions: int64 (n,), what the images must agree in to be contrasted.
        clusters: int64 (n,), what attracts them; needed for ``images_per_cluster`` alone.
        batch_size: images in a batch, at most.
        images_per_condition: at least 2, at most ``batch_size``.
        images_per_cluster: None, or 1 to ``images_per_condition``.
        seed: of the shuffling, with the epoch.
        epoch: another one, other batches.

    Raises:
        InputError: on sizes out of these bounds, or clusters of another length.
    """
    n, size = len(conditions), images_per_cluster or 1
    if not 1 <= batch_size <= n:
        raise InputError(f"batch_size is {batch_size}: must be 1 to the {n} images")
    if not 2 <= images_per_condition <= batch_size:
        raise InputError(
            f"images_per_condition is {images_per_condition}: must be 2 to the batch's {batch_size}"
        )
    if not 1 <= size <= images_per_condition:
        raise InputError(
            f"images_per_cluster is {size}: must be 1 to images_per_condition, "
            f"{images_per_condition}"
        )
    rng = np.random.default_rng([seed, epoch])
    order = rng.permutation(n)
    if clusters is not None and len(clusters) != n:
        raise InputError(f"clusters are of {len(clusters)} images, conditions of {n}")
    if clusters is not None and size > 1:
        both = np.unique(np.stack([conditions, clusters]), axis=1, return_inverse=True)[1]
        order = order[in_runs(both.reshape(-1)[order], size, rng)]
    order = order[in_runs(conditions[order], images_per_condition, rng)]
    return np.array_split(order, math.ceil(n / batch_size))


def in_runs(ids: Rows, size: int, rng: np.random.Generator) -> Rows:
    """Return an order (n,) that puts runs of ``size`` equal ids side by side.

    Equal ids keep their order, and are cut into runs of ``size``, the last one being what is left;
    the runs are shuffled.
    """
    _, codes, counts = np.unique(ids, return_inverse=True, return_counts=True)
    by_id = np.argsort(codes, kind="stable")
    place = np.arange(len(ids)) - np.repeat(np.cumsum(counts) - counts, counts)
    begins = place % size == 0
    run = np.cumsum(begins) - 1
    shuffled = rng.permutation(int(begins.sum()))
    return by_id[np.argsort(shuffled[run], kind="stable")]


def _met(batch: Rows, similarity: Similarity, condition: Similarity | None) -> NDArray[np.float64]:
    """Others, positives and negatives of each image of a batch, (3, b)."""
    images = torch.from_numpy(np.ascontiguousarray(batch))
    height = max(1, _TILE // len(images))
    parts = []
    for start in range(0, len(images), height):
        some = images[start : start + height]
        alike = similarity.weights(some, images).double()
        contrasted = torch.ones_like(alike)
        if condition is not None:
            contrasted = condition.weights(some, images).double()
        contrasted.diagonal(start).fill_(0)
        positives = (alike * contrasted).sum(1)
        others = torch.full_like(positives, len(images) - 1)
        parts.append(torch.stack([others, positives, ((1 - alike) * contrasted).sum(1)]))
    return torch.cat(parts, dim=1).numpy()
