"""The linear probe: a linear classifier on frozen features."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from clinfonce.errors import InputError
from clinfonce.evaluation.accuracy import check_features, check_labels, ranks, top
from clinfonce.evaluation.logistic import Solution, solve
from clinfonce.evaluation.measures import Counts

# Of the penalty on standardised features and the mean loss (`logistic`): from a classifier that is
# almost the nearest class mean to one that is almost without a penalty.
STRENGTHS = tuple(10.0**exponent for exponent in range(-5, 3))
_CHUNK_VALUES = 2**23  # logits that are held at a time


@dataclass(frozen=True)
class Answers:
    """What the classifiers of p problems say of n images.

    Attributes:
        ranks: int64 (p, n), how many classes stand before the right one.
        predicted: int64 (p, n), the classes that stand first.
    """

    ranks: Tensor
    predicted: Tensor

    def top(self, k: int) -> Tensor:
        """The share (p,) of the images of which the right class is among the first k."""
        return top(self.ranks, k)


@dataclass(frozen=True)
class LinearProbe:
    """What a linear probe reached.

    Attributes:
        strength: of the L2 penalty, chosen on the validation split.
        val: top-1 and top-5 accuracy on the validation split, {1: (p,), 5: (p,)} float64, one
            of each of p draws.
        test: the same on the test split; None without one.
        val_by_strength: mean top-1 validation accuracy at every strength that was tried, balanced
            where the probe is.
        answers: on each split.
    """

    strength: float
    val: dict[int, Tensor]
    test: dict[int, Tensor] | None
    val_by_strength: dict[float, float]
    answers: dict[str, Answers]


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
    balanced: bool = False,
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
        balanced: every class weighs the same in the loss, and in the accuracy that chooses.

    Raises:
        InputError: features that are not finite, labels out of range, no strength, or a strength
            that is not positive.
    """
    check_features(train_x=train_x, val_x=val_x, **({} if test_x is None else {"test_x": test_x}))
    train_y = check_labels(train_x, train_y, n_classes, "train_y")
    val_y = check_labels(val_x, val_y, n_classes, "val_y")
    if not strengths or min(strengths) <= 0:
        raise InputError(f"linear probe: strengths are {strengths}; needed are positive numbers")
    mean, scale = standardization(train_x)
    x = (train_x - mean).mul_(scale)
    points, labels = (x[None], train_y[None]) if draws is None else (x[draws], train_y[draws])
    standard_val = (val_x - mean) * scale
    best: Solution | None = None
    answers: dict[str, Answers] = {}
    by_strength: dict[float, float] = {}
    for solution in solve(
        points,
        labels,
        n_classes=n_classes,
        strengths=strengths,
        tolerance=tolerance,
        weights=_even_classes(labels, n_classes) if balanced else None,
    ):
        found = _answers(solution, standard_val, val_y)
        reached = _balanced(found, val_y, n_classes) if balanced else found.top(1)
        by_strength[solution.strength] = float(reached.mean())
        if best is None or by_strength[solution.strength] > by_strength[best.strength]:
            best, answers["val"] = solution, found
        if by_strength[solution.strength] < _clearly_below(by_strength[best.strength], len(val_y)):
            break
    assert best is not None
    if test_x is not None and test_y is not None:
        test_y = check_labels(test_x, test_y, n_classes, "test_y")
        answers["test"] = _answers(best, (test_x - mean) * scale, test_y)
    tops = {name: {k: found.top(k) for k in (1, 5)} for name, found in answers.items()}
    return LinearProbe(best.strength, tops["val"], tops.get("test"), by_strength, answers)


def _even_classes(labels: Tensor, n_classes: int) -> Tensor:
    """Weights (p, n) of points with labels (p, n), the same in sum for each class there is."""
    counts = torch.stack([torch.bincount(each, minlength=n_classes) for each in labels])
    shares = labels.shape[1] / counts.gather(1, labels).float()
    return shares / (counts > 0).sum(1, keepdim=True)


def _balanced(answers: Answers, y: Tensor, n_classes: int) -> Tensor:
    counts = [Counts.of(each, y, n_classes) for each in answers.predicted]
    return torch.stack([each.balanced_accuracy for each in counts])


def _clearly_below(accuracy: float, n: int) -> float:
    """Two standard errors of a share of n below it."""
    return accuracy - 2 * math.sqrt(accuracy * (1 - accuracy) / n)


def standardization(x: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean (d,) and inverse deviation (d,); 0 of features that hardly vary."""
    mean = x.mean(0)
    deviation = (x - mean).square_().mean(0).sqrt_()  # many times as fast as torch.std over rows
    rounding = 10 * torch.finfo(x.dtype).eps * mean.abs()
    return mean, torch.where(deviation > rounding, 1 / deviation, 0.0)


def _answers(solution: Solution, x: Tensor, y: Tensor) -> Answers:
    """What each problem's classifier says of x (m, d), whose classes are y (m,)."""
    p, _, classes = solution.weights.shape
    chunk = max(1, _CHUNK_VALUES // (classes * len(x)))
    ranked, predicted = [], []
    for part in (slice(i, i + chunk) for i in range(0, p, chunk)):
        logits = solution.weights[part].mT @ x.T + solution.intercepts[part, :, None]  # (·, c, m)
        ranked.append(ranks(logits, y))
        predicted.append(logits.argmax(1))
    together = torch.cat(ranked)
    # Where the right class is first it is the answer, also of equal ones.
    return Answers(together, torch.where(together == 0, y, torch.cat(predicted)))
