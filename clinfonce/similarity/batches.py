"""Batches in which images meet others that are like them, where no partition says which."""

import math

import numpy as np
import torch
from numpy.typing import NDArray

from clinfonce.errors import InputError
from clinfonce.similarity.combine import Similarity

Rows = NDArray[np.int64]

_BLOCK = 4096  # images among which a group is looked for


def batches_alike(
    similarity: Similarity, *, batch_size: int, group: int, seed: int = 0, epoch: int = 0
) -> list[Rows]:
    """Batches of groups of images that attract each other.

    The images are dealt out in a random order: each that has no group yet draws ``group`` − 1
    others, among those without one, by their weights to it. A batch is made of whole groups; its
    first and last may be cut. Every image is in one batch, and batches are equally large to within
    one image. What few images are like is met more often than in uniform batches.

    Args:
        similarity: of the training images.
        batch_size: images in a batch, at most.
        group: images of a group, 2 to ``batch_size``.
        seed: of the shuffling, with the epoch.
        epoch: another one, other batches.

    Raises:
        InputError: on sizes out of these bounds.
    """
    n = len(similarity.profiles)
    if not 1 <= batch_size <= n:
        raise InputError(f"batch_size is {batch_size}: must be 1 to the {n} images")
    if not 2 <= group <= batch_size:
        raise InputError(f"a group is of {group} images: must be 2 to the batch's {batch_size}")
    rng = np.random.default_rng([seed, epoch])
    profiles = similarity.profiles.cpu()
    on_cpu, order = similarity.to("cpu"), rng.permutation(n)
    groups: list[Rows] = []
    for start in range(0, n, _BLOCK):
        block = order[start : start + _BLOCK]
        groups += _groups(on_cpu, profiles[torch.from_numpy(block)], block, group, rng)
    shuffled = [groups[i] for i in rng.permutation(len(groups))]
    return np.array_split(np.concatenate(shuffled), math.ceil(n / batch_size))


def _groups(
    similarity: Similarity,
    profiles: torch.Tensor,
    block: Rows,
    size: int,
    rng: np.random.Generator,
) -> list[Rows]:
    """The groups of a block of images (b,) with profiles (b,)."""
    free = np.ones(len(block), dtype=np.bool_)
    found = []
    for place in range(len(block)):
        if not free[place]:
            continue
        free[place] = False
        weights = similarity.between(profiles[place : place + 1], profiles)[0].double().numpy()
        drawn = _draw(np.where(free, weights, 0.0), size - 1, rng)
        free[drawn] = False
        found.append(block[np.concatenate(([place], drawn))])
    return found


def _draw(weights: NDArray[np.float64], count: int, rng: np.random.Generator) -> Rows:
    """Up to so many places of weights (b,) above 0, one after the other, by their weights."""
    places = np.flatnonzero(weights)
    first = rng.exponential(size=len(places)) / weights[places]  # the first to ring, and so on
    return places[np.argsort(first, kind="stable")[:count]]
