"""Measures of predictions, each as scikit-learn and torchmetrics define it.

Each takes weights (…, n) of the images, such as how often a resample drew them; None weighs each 1.
"""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Counts:
    """How many images of each class were taken for what, float64 (…, C) each.

    Attributes:
        right: images of the class that were taken for it.
        actual: images of the class.
        given: images that were taken for it.
    """

    right: Tensor
    actual: Tensor
    given: Tensor

    @classmethod
    def of(
        cls, predicted: Tensor, labels: Tensor, n_classes: int, weights: Tensor | None = None
    ) -> "Counts":
        """Count predictions int64 (n,) of labels int64 (n,)."""
        weights = _ones(labels) if weights is None else weights.double()
        right = torch.where(predicted == labels, weights, 0.0)
        return cls(
            _added(right, labels, n_classes),
            _added(weights, labels, n_classes),
            _added(weights, predicted, n_classes),
        )

    @property
    def recalls(self) -> Tensor:
        """The share of each class that was found (…, C); NaN of one without images."""
        return self.right / self.actual

    @property
    def balanced_accuracy(self) -> Tensor:
        """The mean recall (…,) of the classes that have images: each weighs the same."""
        return self.recalls.nanmean(-1)

    @property
    def macro_f1(self) -> Tensor:
        """The mean F1 (…,) of the classes that have images or are given.

        F1 is the harmonic mean of precision and recall, 2 TP / (2 TP + FP + FN).
        """
        return (2 * self.right / (self.actual + self.given)).nanmean(-1)


def average_precision(scores: Tensor, relevant: Tensor, weights: Tensor | None = None) -> Tensor:
    """Return the average precision (…,) of one label; NaN where no image has it.

    AP = Σ_k (R_k − R_{k−1}) P_k, with precision and recall at each distinct score, highest first.

    Args:
        scores: float (n,).
        relevant: bool (n,).
        weights: (…, n).
    """
    order = scores.argsort(descending=True, stable=True)
    ranked = scores[order]
    weights = _ones(scores) if weights is None else weights.double()
    weighted = weights[..., order]
    # Of equal scores all count as seen: only the last of them is looked at.
    last = torch.ones_like(ranked, dtype=torch.bool)
    last[:-1] = ranked[:-1] != ranked[1:]
    found = (weighted * relevant[order]).cumsum(-1)[..., last]
    seen = weighted.cumsum(-1)[..., last]
    gained = torch.diff(found, dim=-1, prepend=torch.zeros_like(found[..., :1]))
    precision = torch.where(seen > 0, found / seen.clamp(min=1e-300), 0.0)
    total = found[..., -1]
    return torch.where(total > 0, (gained * precision).sum(-1) / total, torch.nan)


def mean_average_precision(
    scores: Tensor, relevant: Tensor, weights: Tensor | None = None
) -> Tensor:
    """Return the mean average precision (…,) over the labels that an image has.

    Args:
        scores: float (n, m).
        relevant: bool (n, m).
        weights: (…, n).
    """
    pairs = zip(scores.unbind(1), relevant.unbind(1), strict=True)
    return torch.stack([average_precision(s, r, weights) for s, r in pairs], -1).nanmean(-1)


def multilabel_f1(predicted: Tensor, relevant: Tensor, weights: Tensor | None = None) -> Tensor:
    """Return the mean F1 (…,) over labels; 0 of one that no image has and none is given.

    Args:
        predicted: bool (n, m).
        relevant: bool (n, m).
        weights: (…, n).
    """
    weights = _ones(predicted) if weights is None else weights.double()
    both = weights @ (predicted & relevant).double()
    either = weights @ (predicted.double() + relevant.double())
    return torch.where(either > 0, 2 * both / either.clamp(min=1e-300), 0.0).mean(-1)


def r2(predicted: Tensor, values: Tensor, weights: Tensor | None = None) -> Tensor:
    """Return the coefficient of determination (…,): 1 − Σ(y − ŷ)² / Σ(y − ȳ)²; may be negative.

    Args:
        predicted: float (n,).
        values: float (n,).
        weights: (…, n).
    """
    weights = _ones(values) if weights is None else weights.double()
    centred = values.double() - values.double().mean()
    mean = weights @ centred / weights.sum(-1)
    spread = weights @ centred.square() - mean.square() * weights.sum(-1)
    errors = weights @ (values.double() - predicted.double()).square()
    return torch.where(spread > 0, 1 - errors / spread.clamp(min=1e-300), torch.nan)


def _added(weights: Tensor, classes: Tensor, n_classes: int) -> Tensor:
    """Weights (…, n) added up by class: (…, C)."""
    sums = weights.new_zeros(n_classes, *weights.shape[:-1])
    return sums.index_add_(0, classes, weights.movedim(-1, 0)).movedim(0, -1)


def _ones(like: Tensor) -> Tensor:
    return torch.ones(len(like), dtype=torch.float64, device=like.device)
