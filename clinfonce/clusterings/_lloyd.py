"""Lloyd's algorithm with k-means++ seeding on tensors."""

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor

from clinfonce.errors import InputError

_BLOCK = 1 << 22  # elements of one block of distances: 16 MiB of float32
_SEEDING_ROWS_PER_CLUSTER = 64  # a sample of this size seeds as well as all rows do


class Result(NamedTuple):
    """Cluster ids (n,) int64 and the sum of squared distances to their centres."""

    ids: Tensor
    inertia: float


@dataclass(frozen=True)
class Share:
    """Which part of the work this process does: all of it, or that of one worker."""

    rank: int = 0
    size: int = 1

    @classmethod
    def of_workers(cls) -> "Share":
        """The part of this worker of `torch.distributed`."""
        if not (dist.is_available() and dist.is_initialized()):
            return cls()
        return cls(dist.get_rank(), dist.get_world_size())

    def mine(self, n: int) -> range:
        """Which of n pieces of work are this worker's."""
        return range(n * self.rank // self.size, n * (self.rank + 1) // self.size)

    def gather(self, values: Tensor) -> None:
        """Fill in what the others did, where `values` is 0 so far."""
        if self.size > 1:
            dist.all_reduce(values)


ALONE = Share()


def as_points(features: Any) -> Tensor:
    """Features as (n, d) float32 with the mean taken off (distances lose fewer digits so).

    Raises:
        InputError: another shape, no rows, or values that are not finite.
    """
    points = torch.as_tensor(np.asarray(features) if not torch.is_tensor(features) else features)
    if points.ndim != 2 or 0 in points.shape:
        raise InputError(f"k-means: features must be (n, d), got shape {tuple(points.shape)}")
    points = points.detach().float()
    bad = torch.nonzero(~torch.isfinite(points).all(dim=1))
    if len(bad):
        raise InputError(f"k-means: features are not finite in row {int(bad[0])}")
    return points - points.mean(dim=0)


def best_of(
    points: Tensor,
    n_clusters: int,
    *,
    seed: int,
    n_init: int,
    max_iter: int,
    tolerance: float,
    share: Share,
) -> Result:
    """The run of lowest inertia among `n_init`, the earliest of equals."""
    generator = torch.Generator().manual_seed(seed)
    shift = tolerance * float(points.var(dim=0, unbiased=False).mean())
    runs = (
        _run(points, seed_centres(points, n_clusters, generator), max_iter, shift, share)
        for _ in range(n_init)
    )
    return min(runs, key=lambda run: run.inertia)


def seed_centres(points: Tensor, n_clusters: int, generator: torch.Generator) -> Tensor:
    """Centres (K, d) by greedy k-means++ (Arthur & Vassilvitskii 2007) on a sample of the rows.

    Each centre is the best of 2 + log K candidates drawn with probability proportional to their
    squared distance to the nearest centre so far.
    """
    n = len(points)
    sample = torch.randperm(n, generator=generator)[: n_clusters * _SEEDING_ROWS_PER_CLUSTER]
    pool = points[sample.to(points.device)]
    squares = pool.square().sum(dim=1)
    n_candidates = 2 + int(math.log(n_clusters))
    chosen = torch.empty(n_clusters, dtype=torch.int64)
    chosen[0] = 0  # the sample is in random order already
    nearest = _distances(pool, squares, chosen[:1].to(pool.device))[0]
    for k in range(1, n_clusters):
        candidates = _draw(nearest, n_candidates, generator)
        distances = torch.minimum(nearest, _distances(pool, squares, candidates))  # (L, m)
        best = int(distances.sum(dim=1).argmin())
        chosen[k], nearest = candidates[best].cpu(), distances[best]
    return pool[chosen.to(pool.device)]


def _draw(weights: Tensor, n: int, generator: torch.Generator) -> Tensor:
    """Row numbers (n,) drawn in proportion to weights (m,); all rows alike if all weights are 0."""
    uniform = torch.rand(n, generator=generator, dtype=torch.float64).to(weights.device)
    if not bool(weights.any()):
        return (uniform * len(weights)).long()
    cumulative = weights.double().cumsum(dim=0)
    return torch.searchsorted(cumulative, uniform * cumulative[-1], right=True).clamp_(
        max=len(weights) - 1
    )


def _distances(pool: Tensor, squares: Tensor, rows: Tensor) -> Tensor:
    """Squared distances (L, m) of the given rows to all rows of the pool (m, d)."""
    products = pool[rows] @ pool.T
    distances = (squares[rows, None] - 2 * products + squares).clamp_(min=0)
    distances.scatter_(1, rows[:, None], 0)  # exactly, so that a centre is not drawn again
    return distances


def _run(points: Tensor, centres: Tensor, max_iter: int, shift: float, share: Share) -> Result:
    """Lloyd iterations until the centres move by at most `shift`."""
    for _ in range(max_iter):
        ids = fill_empty(*assign(points, centres, share), len(centres))
        moved = means(points, ids, centres)
        done = float((moved - centres).square().sum()) <= shift
        centres = moved
        if done:
            break
    ids, distances = assign(points, centres, share)
    return Result(fill_empty(ids, distances, len(centres)), float(distances.double().sum()))


def assign(points: Tensor, centres: Tensor, share: Share = ALONE) -> tuple[Tensor, Tensor]:
    """Nearest centre (n,) int64 of each point and the squared distance (n,) to it.

    Workers share the blocks, not the rows, so that each block's bits are those of one worker.
    """
    half_squares = centres.square().sum(dim=1) / 2  # (K,)
    ids = torch.zeros(len(points), dtype=torch.int64, device=points.device)
    distances = torch.zeros(len(points), device=points.device)
    step = max(_BLOCK // len(centres), 1)
    for block in share.mine(-(-len(points) // step)):
        rows = slice(block * step, (block + 1) * step)
        # max of x.c - |c|^2 / 2 is min of |x - c|^2
        score, nearest = torch.addmm(-half_squares, points[rows], centres.T).max(dim=1)
        ids[rows] = nearest
        distances[rows] = points[rows].square().sum(dim=1) - 2 * score
    share.gather(ids)
    share.gather(distances)
    return ids, distances.clamp_(min=0)


def fill_empty(ids: Tensor, distances: Tensor, n_clusters: int) -> Tensor:
    """Give every empty cluster the farthest point left, unless that lies on its centre.

    A point that is alone in its cluster stays there.
    """
    counts = torch.bincount(ids, minlength=n_clusters)
    empty = torch.nonzero(counts == 0)[:, 0].tolist()
    if not empty:
        return ids
    ids = ids.clone()
    far = torch.argsort(distances, descending=True, stable=True)
    candidates = iter(far[distances[far] > 0].tolist())
    for cluster in empty:
        row = next((row for row in candidates if counts[ids[row]] > 1), None)
        if row is None:
            break
        counts[ids[row]] -= 1
        ids[row], counts[cluster] = cluster, 1
    return ids


def means(points: Tensor, ids: Tensor, centres: Tensor) -> Tensor:
    """Mean (K, d) of each cluster's points; a cluster without any keeps its centre."""
    counts = torch.bincount(ids, minlength=len(centres))[:, None]
    if points.is_cuda:  # whose index_add_ adds in another order each time
        order = ids.argsort(stable=True)
        sums = torch.segment_reduce(points[order], "sum", lengths=counts[:, 0], unsafe=True)
    else:
        sums = torch.zeros_like(centres).index_add_(0, ids, points)
    return torch.where(counts > 0, sums / counts.clamp(min=1), centres)
