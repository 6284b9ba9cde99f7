"""Who attracts whom: kernels k_ij ≥ 0 between the embeddings of a batch, never written out.

Each kernel gives the sums Σ_{j≠i} k_ij v_j that the objectives need in O(n·d), from sums over
clusters or over attributes.
"""

from typing import NamedTuple, Protocol

import torch
from torch import Tensor


class Kin(Protocol):
    """A symmetric kernel over n embeddings."""

    @property
    def total(self) -> Tensor:
        """Σ_{j≠i} k_ij, (n,); 0 where nothing attracts i."""

    def gather(self, values: Tensor, rows: slice) -> Tensor:
        """Σ_{j≠i} k_ij v_j of ``values`` (n, d) for the given i, (rows, d)."""


class SameCluster(NamedTuple):
    """k_ij = 1 within a cluster, else 0.

    Attributes:
        ids: int64 (n,), dense, 0..K-1 in ascending order of the original ids.
        sizes: int64 (at least K,), members of each cluster, 0 from K on.
        total: int64 (n,), the number of positives of each embedding.
    """

    ids: Tensor
    sizes: Tensor
    total: Tensor

    @classmethod
    def of(cls, clusters: Tensor) -> "SameCluster":
        """From any cluster ids, int64 (n,)."""
        ids, sizes = _rank(clusters) if clusters.is_cuda else _unique(clusters)
        return cls(ids, sizes, sizes.index_select(0, ids).sub_(1))

    def gather(self, values: Tensor, rows: slice) -> Tensor:
        """The cluster's sum less the own value."""
        sums = sums_by(self.ids, values, len(self.sizes))
        return sums.index_select(0, self.ids[rows]).sub_(values[rows])


class SharedAttributes(NamedTuple):
    """k_ij = a_i·a_j for attribute rows a ≥ 0, by the sums over attributes.

    Attributes:
        attributes: (n, m) in the dtype of the embeddings.
        squares: (n,), a_i·a_i.
        total: (n,).
    """

    attributes: Tensor
    squares: Tensor
    total: Tensor

    @classmethod
    def of(cls, attributes: Tensor) -> "SharedAttributes":
        """From a matrix (n, m), floating."""
        squares = attributes.square().sum(1)
        # With whole-number attributes these are exact, so that "nothing shared" is exactly 0.
        return cls(attributes, squares, (attributes @ attributes.sum(0)).sub_(squares))

    def gather(self, values: Tensor, rows: slice) -> Tensor:
        """A (Aᵀ V), less the own part."""
        own = self.attributes[rows] @ (self.attributes.T @ values)
        return own.sub_(self.squares[rows, None] * values[rows])


def sums_by(ids: Tensor, values: Tensor, count: int) -> Tensor:
    """Sum the rows of ``values`` (n, d) that have the same id; (count, d), reproducibly."""
    sums = values.new_zeros(count, values.shape[1])
    if values.is_cuda:
        # index_add_ is atomic there and its order left to chance; this one sorts.
        return sums.index_put_((ids,), values, accumulate=True)
    return sums.index_add_(0, ids, values)


def _unique(clusters: Tensor) -> tuple[Tensor, Tensor]:
    _, ids, sizes = torch.unique(clusters, return_inverse=True, return_counts=True)
    return ids, sizes


def _rank(clusters: Tensor) -> tuple[Tensor, Tensor]:
    """As `_unique`, but K stays unknown to the host, which then need not wait for a GPU."""
    ordered, order = clusters.sort()
    starts = torch.zeros_like(ordered)
    starts[1:] = ordered[1:] != ordered[:-1]
    ranks = starts.cumsum(0)
    sizes = torch.zeros_like(ranks).scatter_add_(0, ranks, torch.ones_like(ranks))
    return torch.empty_like(ranks).scatter_(0, order, ranks), sizes
