"""The linear probe: a linear classifier on frozen features."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from clinfonce.errors import InputError
from clinfonce.evaluation.accuracy import check_features, check_labels, ranks, top
from clinfonce.evaluation.logistic import Solution, solve

# Of the penalty on standardised features and the mean loss (`logistic`): from a classifier that is
# almost the nearest class mean to one that is almost without a penalty.
STRENGTHS = tuple(10.0**exponent for exponent in range(-5, 3))
_CHUNK_VALUES = 2**23  # logits that are held at a time


@dataclass(frozen=True)
class LinearProbe:
    """What a linear probe reached.

    Attributes:
        strength: of the L2 penalty, chosen on the validation split.
        val: top-1 and top-5 accuracy on the validation split, {1: (p,), 5: (p,)} float64, one
            of each of p draws.
        test: the same on the test split; None without one.
        val_by_strength: mean top-1 validation accuracy at every strength that was tried.
    """

    strength: float
    val: dict[int, Tensor]
    test: dict[int, Tensor] | None
    val_by_strength: dict[float, float]


def linear_probe(
    train_x: Tensor,
    train_y: Tensor,
    val_x: Tensor,
    val_y: Tensor,
    test_x: Tensor | None = None,
    test_y: Tensor | None = None,
    *,
    n_classes: int,
    draws: Tensor | None = None,
    strengths: tuple[float, ...] = STRENGTHS,
    tolerance: float = 5e-3,
) -> LinearProbe:
    """Fit logistic regressions on the training features; choose the strength on validation.

    Features are standardised by mean and deviation of the training split, labelled or not. The
    strength of largest mean validation accuracy is taken, of equal ones the strongest, and the same
    for all draws; weaker ones are not tried any more once the accuracy is two standard errors below
    the best. The test split is looked at once, after that.

    Args:
        train_x: features float (n, d).
        train_y: int64 (n,), 0..n_classes-1.
        val_x: features (m, d).
        val_y: int64 (m,).
        test_x: features (t, d), or None.
        test_y: int64 (t,), or None.
        n_classes: how many classes there are.
        draws: int64 (p, k), the rows of the training split that have a label in each of p
            problems; None = one problem with all rows.
        strengths: of the L2 penalty that are tried, see `clinfonce.evaluation.logistic`.
        tolerance: of the minimisation, a share of the mean loss (see `logistic.solve`).

    Raises:
        InputError: features that are not finite, labels out of range, no strength, or a strength
            that is not positive.
    """
    check_features(train_x=train_x, val_x=val_x, **({} if test_x is None else {"test_x": test_x}))
    train_y = check_labels(train_x, train_y, n_classes, "train_y")
    val_y = check_labels(val_x, val_y, n_classes, "val_y")
    if not strengths or min(strengths) <= 0:
        raise InputError(f"linear probe: strengths are {strengths}; needed are positive numbers")
    mean, scale = _standardization(train_x)
    x = (train_x - mean).mul_(scale)
    points, labels = (x[None], train_y[None]) if draws is None else (x[draws], train_y[draws])
    standard_val = (val_x - mean) * scale
    best: Solution | None = None
    val: dict[int, Tensor] = {}
    by_strength: dict[float, float] = {}
    for solution in solve(
        points, labels, n_classes=n_classes, strengths=strengths, tolerance=tolerance
    ):
        accuracies = _accuracies(solution, standard_val, val_y)
        by_strength[solution.strength] = float(accuracies[1].mean())
        if best is None or by_strength[solution.strength] > by_strength[best.strength]:
            best, val = solution, accuracies
        if by_strength[solution.strength] < _clearly_below(by_strength[best.strength], len(val_y)):
            break
    assert best is not None
    test = None
    if test_x is not None and test_y is not None:
        test_y = check_labels(test_x, test_y, n_classes, "test_y")
        test = _accuracies(best, (test_x - mean) * scale, test_y)
    return LinearProbe(best.strength, val, test, by_strength)


def _clearly_below(accuracy: float, n: int) -> float:
    """Two standard errors of a share of n below it."""
    return accuracy - 2 * math.sqrt(accuracy * (1 - accuracy) / n)


def _standardization(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean (d,) and inverse deviation (d,); 0 for a feature that is constant up to rounding."""
    mean = x.mean(0)
    deviation = (x - mean).square_().mean(0).sqrt_()  # many times as fast as torch.std over rows
    rounding = 10 * torch.finfo(x.dtype).eps * mean.abs()
    return mean, torch.where(deviation > rounding, 1 / deviation, 0.0)


def _accuracies(solution: Solution, x: Tensor, y: Tensor) -> dict[int, Tensor]:
    """Top-1 and top-5 accuracy (p,) of each problem's classifier on x (m, d)."""
    p, _, classes = solution.weights.shape
    chunk = max(1, _CHUNK_VALUES // (classes * len(x)))
    ranked = []
    for part in (slice(i, i + chunk) for i in range(0, p, chunk)):
        logits = solution.weights[part].mT @ x.T + solution.intercepts[part, :, None]  # (·, c, m)
        ranked.append(ranks(logits, y))
    together = torch.cat(ranked)
    return {best: top(together, best) for best in (1, 5)}
