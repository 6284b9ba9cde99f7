"""Conditional contrast: only embeddings that agree in some columns are contrasted at all.

Negatives of an anchor are then drawn from P(y | c), not P(y), so that what the columns c say does
not help to tell a positive from a negative, and need not be learned (Tsai et al., arXiv
2202.05458).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from clinfonce.losses._kin import SameCluster

_SHEET = 1 << 17  # similarities


class PairWeights(Protocol):
    """Weights in 0…1 between training images, 1 between an image and itself; symmetric.

    `clinfonce.similarity.Similarity` is one.
    """

    @property
    def profiles(self) -> Tensor:
        """int64 (N,), 0…P−1: what each training image is compared by; equal ones weigh 1."""

    @property
    def partition(self) -> bool:
        """Whether different profiles are known to have weight 0."""

    def between(self, rows: Tensor, columns: Tensor) -> Tensor:
        """Weights (a, b) between profiles, int64 (a,) and (b,), for the caller to change."""


class Condition(Protocol):
    """Which of the embeddings (n,) an anchor is contrasted with."""

    def limit(self, s: Tensor, anchors: slice | Tensor) -> None:
        """Add log c_ij to the similarities s (t, n) of some anchors, in place."""

    def shares(self, anchors: slice | Tensor, dtype: torch.dtype) -> Tensor:
        """C (t, n) of some anchors."""

    def reordered(self, order: Tensor) -> "Condition":
        """The same for embeddings in another order, int64 (n,)."""


@dataclass(frozen=True)
class SameGroup:
    """c_ij = 1 within a group, else 0.

    Attributes:
        groups: (n,) whole numbers in the dtype of the similarities: comparing them into a tile of
            that dtype takes a fraction of the time that integers and a mask take.
    """

    groups: Tensor

    @classmethod
    def of(cls, groups: Tensor, dtype: torch.dtype) -> "SameGroup":
        """From any ids, int64 (n,); ranks of up to 2²⁴ embeddings are exact in float32."""
        return cls(SameCluster.of(groups).ids.to(dtype))

    def limit(self, s: Tensor, anchors: slice | Tensor) -> None:
        """Leave out other groups."""
        some = self.groups[anchors]
        for rows in sheets(s):
            s[rows].sub_(self._shares(some[rows]).reciprocal_().sub_(1))  # 0, or ∞

    def shares(self, anchors: slice | Tensor, dtype: torch.dtype) -> Tensor:  # noqa: ARG002
        """1 within the group."""
        return self._shares(self.groups[anchors])

    def _shares(self, some: Tensor) -> Tensor:
        out = some.new_empty(len(some), len(self.groups))
        return torch.eq(some[:, None], self.groups, out=out)

    def reordered(self, order: Tensor) -> "SameGroup":
        """For embeddings in another order."""
        return SameGroup(self.groups.index_select(0, order))


@dataclass(frozen=True)
class Weighed:
    """c_ij from a kernel: Σ_j c_ij exp s_ij weighs negatives by how far they agree.

    Attributes:
        weights: of pairs of profiles.
        profiles: int64 (n,).
    """

    weights: PairWeights
    profiles: Tensor

    def limit(self, s: Tensor, anchors: slice | Tensor) -> None:
        """Weigh the others down."""
        s.add_(self.shares(anchors, s.dtype).log_())

    def shares(self, anchors: slice | Tensor, dtype: torch.dtype) -> Tensor:
        """The kernel's weights."""
        return self.weights.between(self.profiles[anchors], self.profiles).to(dtype)

    def reordered(self, order: Tensor) -> "Weighed":
        """For embeddings in another order."""
        return Weighed(self.weights, self.profiles.index_select(0, order))


def sheets(tile: Tensor) -> Iterator[slice]:
    """Spans of the rows of a tile (t, n) that a CPU's cache holds with a few more of their size."""
    height = len(tile) if tile.is_cuda else max(1, _SHEET // tile.shape[1])
    return (slice(top, min(top + height, len(tile))) for top in range(0, len(tile), height))


def condition_of(weights: PairWeights, images: Tensor, dtype: torch.dtype) -> SameGroup | Weighed:
    """How a condition on training images holds for a batch's ``images``, int64 (n,)."""
    profiles = weights.profiles[images]
    return SameGroup.of(profiles, dtype) if weights.partition else Weighed(weights, profiles)
