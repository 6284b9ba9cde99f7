"""Measures of predictions, each as scikit-learn and torchmetrics define it.

Each takes weights (…, n) of the images, such as how often a resample drew them; None weighs each 1.
Weights are added up in their own precision, in which such counts are exact, and divided in float64.
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
        right = torch.where(predicted == labels, labels, n_classes)  # wrong: a class of its own
        return cls(
            _added(weights, right, n_classes + 1)[..., :n_classes],
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


def average_precisions(scores: Tensor, relevant: Tensor, weights: Tensor | None = None) -> Tensor:
    """Return the average precision of each label, float64 (…, m); NaN of one that no image has.

    AP = Σ_k (R_k − R_{k−1}) P_k, with precision and recall at each distinct score, highest first.

    Args:
        scores: float (n, m).
        relevant: bool (n, m).
        weights: (…, n).
    """
    order = scores.argsort(dim=0, descending=True, stable=True)
    ends = _ends_of_ties(scores.gather(0, order))
    hits = relevant.gather(0, order)  # (n, m), the best first
    if weights is None:
        found = hits.double().cumsum(0)
        precision = found.gather(0, ends) / (ends + 1)
        return torch.where(hits, precision, 0.0).sum(0) / found[-1]
    images = weights.reshape(-1, weights.shape[-1]).mT.contiguous()  # (n, b): rows are picked
    labels = zip(order.unbind(1), ends.unbind(1), hits.unbind(1), strict=True)
    found = torch.stack([_weighted_precision(images, *label) for label in labels], -1)
    return found.reshape(*weights.shape[:-1], scores.shape[1])


def mean_average_precision(
    scores: Tensor, relevant: Tensor, weights: Tensor | None = None
) -> Tensor:
    """Return the mean average precision (…,) over the labels that an image has.

    Args:
        scores: float (n, m).
        relevant: bool (n, m).
        weights: (…, n).
    """
    return average_precisions(scores, relevant, weights).nanmean(-1)


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


def _weighted_precision(images: Tensor, order: Tensor, ends: Tensor, hits: Tensor) -> Tensor:
    """The average precision (b,) of one label.

    Args:
        images: (n, b), the weights of images.
        order: int64 (n,), images by score, highest first.
        ends: int64 (n,), the last place of an equal score.
        hits: bool (n,), whether the image at a place has the label.
    """
    places = hits.nonzero()[:, 0]
    if not len(places):
        return images.new_full(images.shape[1:], torch.nan, dtype=torch.float64)
    weights = images[order[places]]  # (r, b)
    found = weights.cumsum(0)[hits.cumsum(0)[ends[places]] - 1].double()
    seen = images[order].cumsum(0)[ends[places]].double()
    precision = torch.where(seen > 0, found / seen.clamp(min=1e-300), 0.0)
    return (weights * precision).sum(0) / weights.sum(0, dtype=torch.float64)


def _ends_of_ties(ranked: Tensor) -> Tensor:
    """For each of scores (n, m), which fall along n, the last row int64 (n, m) of an equal one."""
    n = len(ranked)
    last = torch.ones_like(ranked, dtype=torch.bool)
    last[:-1] = ranked[:-1] != ranked[1:]
    rows = torch.arange(n, device=ranked.device)[:, None]
    return torch.where(last, rows, n).flip(0).cummin(0).values.flip(0)


def _added(weights: Tensor | None, classes: Tensor, n_classes: int) -> Tensor:
    """Weights (…, n), or 1 each, added up by class: float64 (…, C)."""
    if weights is None:
        return classes.bincount(minlength=n_classes).double()
    members = torch.nn.functional.one_hot(classes, n_classes).to(weights.dtype)
    # Classes first in memory, as sums over them round by the order in which they lie.
    sums: Tensor = torch.tensordot(members, weights, dims=([0], [-1]))
    return sums.double().movedim(0, -1)


def _ones(like: Tensor) -> Tensor:
    return torch.ones(len(like), dtype=torch.float64, device=like.device)
