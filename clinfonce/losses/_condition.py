"""Conditional contrast: only embeddings that agree in some columns are contrasted at all.

Negatives of an anchor are then drawn from P(y | c), not P(y), so that what the columns c say does
not help to tell a positive from a negative, and need not be learned (Tsai et al., arXiv
2202.05458).
"""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor


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

    def reordered(self, order: Tensor) -> "Condition":
        """The same for embeddings in another order, int64 (n,)."""


@dataclass(frozen=True)
class SameGroup:
    """c_ij = 1 within a group, else 0.

    Attributes:
        groups: int64 (n,).
    """

    groups: Tensor

    def limit(self, s: Tensor, anchors: slice | Tensor) -> None:
        """Leave out other groups."""
        s.masked_fill_(self.groups[anchors][:, None] != self.groups, -torch.inf)

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
        s.add_(self.weights.between(self.profiles[anchors], self.profiles).log_())

    def reordered(self, order: Tensor) -> "Weighed":
        """For embeddings in another order."""
        return Weighed(self.weights, self.profiles.index_select(0, order))


def condition_of(weights: PairWeights, images: Tensor) -> SameGroup | Weighed:
    """How a condition on training images holds for a batch's ``images``, int64 (n,)."""
    profiles = weights.profiles[images]
    return SameGroup(profiles) if weights.partition else Weighed(weights, profiles)
