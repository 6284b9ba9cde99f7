"""Suppression by an adversary: it predicts columns from the features, which learn to mislead it."""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from clinfonce.errors import InputError
from clinfonce.losses.attributes import Attribute, AttributePrediction
from clinfonce.losses.collectives import Workers


class Adversary(nn.Module):
    """Predicts suppressed columns; the features get its gradient reversed (DANN, arXiv 1505.07818).

    Args:
        feature_dim: of the features, d.
        attributes: the suppressed columns, by name.
        hidden_dim: of the layer between.
        weight: λ, 0 or above: how strongly the features are pushed in the end.
        steepness: γ of `reversal_strength`.
        workers: who share a batch; None for one.

    Raises:
        InputError: on a bad weight or steepness, or as `AttributePrediction`.
    """

    def __init__(
        self,
        feature_dim: int,
        attributes: Mapping[str, Attribute],
        *,
        hidden_dim: int = 512,
        weight: float = 0.1,
        steepness: float = 10.0,
        workers: Workers | None = None,
    ) -> None:
        super().__init__()
        reversal_strength(0.0, weight=weight, steepness=steepness)
        self.hidden = nn.Sequential(nn.Linear(feature_dim, hidden_dim), nn.ReLU())
        self.prediction = AttributePrediction(hidden_dim, attributes, workers=workers)
        self._weight, self._steepness = weight, steepness

    def forward(
        self,
        features: Tensor,
        values: Mapping[str, Tensor],
        *,
        progress: float,
        check: bool = True,
    ) -> Tensor:
        """Return the adversary's own loss, to be added to the objective as it is.

        Its parameters learn to predict; the features get −λ(progress) times the gradient.

        Args:
            features: floating (n, d).
            values: of each column, as in `attribute_loss`.
            progress: share of the training that is done, 0…1.
            check: whether to check values; a GPU has to wait for that.
        """
        strength = reversal_strength(progress, weight=self._weight, steepness=self._steepness)
        hidden = self.hidden(reverse_gradient(features, strength))
        loss: Tensor = self.prediction(hidden, values, check=check)
        return loss


def reversal_strength(progress: float, *, weight: float = 1.0, steepness: float = 10.0) -> float:
    """λ (2 / (1 + exp(−γ p)) − 1): nothing at first, λ in the end (arXiv 1505.07818).

    Args:
        progress: p, 0…1.
        weight: λ, 0 or above.
        steepness: γ, above 0.

    Raises:
        InputError: on values out of these bounds.

    >>> [round(reversal_strength(p, weight=0.5), 3) for p in (0, 0.1, 0.5, 1)]
    [0.0, 0.231, 0.493, 0.5]
    """
    if not 0 <= progress <= 1:
        raise InputError(f"progress is {progress}: must be 0 to 1")
    if not 0 <= weight < math.inf:
        raise InputError(f"adversary weight is {weight}: must be finite and 0 or above")
    if not 0 < steepness < math.inf:
        raise InputError(f"adversary steepness is {steepness}: must be finite and above 0")
    return weight * (2 / (1 + math.exp(-steepness * progress)) - 1)


def reverse_gradient(features: Tensor, strength: float) -> Tensor:
    """The features, whose gradient is multiplied by −``strength``."""
    reversed_: Tensor = _Reversed.apply(features, strength)  # type: ignore[no-untyped-call]
    return reversed_


class _Reversed(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, features: Tensor, strength: float) -> Tensor:
        ctx.strength = strength
        return features.view_as(features)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return gradient * -ctx.strength, None
