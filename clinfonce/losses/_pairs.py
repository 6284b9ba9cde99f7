"""Attraction by weights between the rows of a batch, a tile at a time and item by item.

Rows of one profile and one condition are one item, so that two views of B images make B items at
most: a tile of weights between items is a quarter of one between rows.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import threshold

from clinfonce.losses._condition import PairWeights
from clinfonce.losses._kin import SameCluster, sums_by
from clinfonce.losses._tiles import Task

_NOTHING = 1e-30


@dataclass(frozen=True)
class Pairs:
    """Weights a_ij = k_ij c_ij between the N rows of a batch: how alike, if contrasted at all.

    Attributes:
        same: the items of the rows, numbered 0…U−1 or beyond (then of size 0).
        similarity: k.
        profiles: int64 (U,), the items' profiles in it.
        condition: c, or None for 1.
        grounds: int64 (U,), the items' profiles in the condition.
    """

    same: SameCluster
    similarity: PairWeights
    profiles: Tensor
    condition: PairWeights | None
    grounds: Tensor

    @classmethod
    def of(cls, images: Tensor, similarity: PairWeights, condition: PairWeights | None) -> "Pairs":
        """The weights between some training images, int64 (N,)."""
        profiles = similarity.profiles[images]
        grounds = torch.zeros_like(profiles) if condition is None else condition.profiles[images]
        both = SameCluster.of(profiles).ids * len(images) + SameCluster.of(grounds).ids
        same = SameCluster.of(both)
        return cls(
            same, similarity, representatives(same, profiles),
            condition, representatives(same, grounds),
        )  # fmt: skip

    def totals(self, tile: Tensor, items: Tensor) -> Tensor:
        """A (t,) of the rows of some items from their `tile`; 0 where it is next to nothing."""
        counts = self.same.sizes.to(tile.dtype)
        total = tile @ counts + (counts[items] - 1)
        # So small a sum has no inverse in single precision.
        return threshold(total, _NOTHING, 0.0)

    def tile(self, items: Tensor, dtype: torch.dtype) -> Tensor:
        """Weights (t, U) of some items, int64 (t,), to all; 0 of each to itself."""
        tile = self.similarity.between(self.profiles[items], self.profiles).to(dtype)
        if self.condition is not None:
            tile *= self.condition.between(self.grounds[items], self.grounds)
        return tile.scatter_(1, items[:, None], 0)


class Attraction(NamedTuple):
    """Σ_i w_i Σ_j a_ij s_ij / A_i over some anchors i, with A_i = Σ_{j≠i} a_ij.

    Attributes:
        value: the sum.
        totals: A of the anchors, (a,).
        gradient: to all rows, (N, d), if it was asked for.
    """

    value: Tensor
    totals: Tensor
    gradient: Tensor | None


def representatives(same: SameCluster, values: Tensor) -> Tensor:
    """One of the ``values`` (N,) of each cluster, which are all alike; 0 of an empty one."""
    return values.new_zeros(len(same.sizes)).scatter_(0, same.ids, values)


def attract(task: Task, pairs: Pairs, weights: Tensor) -> Attraction:
    """Attraction of the task's anchors, of ``weights`` w (a,); nothing for those with A_i = 0.

    As A_i is the same for all anchors of an item, a tile of items knows all it needs for value and
    gradient, and each weight is computed once.
    """
    z, same = task.embeddings, pairs.same
    own, ids = z[task.anchors], same.ids[task.anchors]
    near = SameCluster.of(ids)
    items = representatives(near, ids)
    sums = sums_by(same.ids, z, len(same.sizes))
    pullers = sums_by(near.ids, weights[:, None] * own, len(near.sizes))  # Σ w_i z_i
    totals, scale = z.new_empty(len(items)), z.new_empty(len(items))
    pulled, back = torch.empty_like(pullers), torch.zeros_like(sums)
    for span in _spans(len(items), task.tile_height):
        tile = pairs.tile(items[span], z.dtype)
        totals[span] = pairs.totals(tile, items[span])
        real = (totals[span] > 0) & (near.sizes[span] > 0)
        scale[span] = torch.where(real, 1 / (totals[span] * task.temperature), 0)
        torch.mm(tile, sums, out=pulled[span])
        if task.needs_grad:
            back.addmm_(tile.T, pullers[span] * scale[span, None])
    # What an item's own rows do to each other is apart: beside it, a weak pull would be lost.
    pull = (sums[ids] - own).add_(pulled[near.ids]).mul_((weights * scale[near.ids])[:, None])
    value = torch.dot(own.flatten(), pull.flatten())
    if not task.needs_grad:
        return Attraction(value, totals[near.ids], None)
    within = torch.zeros_like(sums).index_add_(0, items, pullers)[same.ids]
    within[task.anchors] -= weights[:, None] * own
    within *= z.new_zeros(len(sums)).index_add_(0, items, scale)[same.ids, None]
    gradient = back[same.ids].add_(within)
    gradient[task.anchors] += pull
    return Attraction(value, totals[near.ids], gradient)


def _spans(length: int, height: int) -> Iterator[slice]:
    return (slice(start, start + height) for start in range(0, length, height))
