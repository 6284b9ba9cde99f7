"""The linear probe: a linear classifier on frozen features."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from clinfonce.errors import InputError
from clinfonce.evaluation.accuracy import check_features, check_labels, ranks, top
from clinfonce.evaluation.logistic import Points, Solution, solve
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
        predicted: int64 (p, n), the classes that stand first; (0, n) of many problems, whose
            ranks alone are looked at.
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
    splits = {"val": (val_x, val_y)}
    if test_x is not None and test_y is not None:
        splits["test"] = (test_x, test_y)
    standard = Standard(train_x, {name: x for name, (x, _) in splits.items()})
    labels = {"train": train_y} | {name: y for name, (_, y) in splits.items()}
    return probe_standard(
        standard,
        labels,
        n_classes=n_classes,
        draws=draws,
        strengths=strengths,
        tolerance=tolerance,
        balanced=balanced,
    )


class Standard:
    """Features standardised by mean and deviation of the training split, for several probes.

    Args:
        train: float (n, d).
        splits: the others, val among them.

    Raises:
        InputError: features that are not finite, or not of one dimension.
    """

    def __init__(self, train: Tensor, splits: Mapping[str, Tensor]) -> None:
        check_features(train_x=train, **{f"{name}_x": x for name, x in splits.items()})
        self._mean, self._scale = standardization(train)
        self.train = (train - self._mean).mul_(self._scale)
        self._raw, self._made = dict(splits), dict[str, Tensor]()

    def __getitem__(self, split: str) -> Tensor:
        if split not in self._made:
            self._made[split] = (self._raw[split] - self._mean) * self._scale
        return self._made[split]

    @property
    def splits(self) -> tuple[str, ...]:
        """The names of the other splits."""
        return tuple(self._raw)

    @cached_property
    def points(self) -> Points:
        """All training features as one problem."""
        return Points.of(self.train[None])


def probe_standard(
    standard: Standard,
    labels: Mapping[str, Tensor],
    *,
    n_classes: int,
    draws: Tensor | None = None,
    strengths: tuple[float, ...] = STRENGTHS,
    tolerance: float = 5e-3,
    balanced: bool = False,
) -> LinearProbe:
    """As `linear_probe`, of features that are standardised already.

    Args:
        standard: features.
        labels: int64 (n,) of the split train and the others of the features.
        n_classes: how many classes there are.
        draws: as there, like the rest.
        strengths: that are tried.
        tolerance: of the minimisation.
        balanced: whether every class weighs the same.
    """
    y = {
        name: check_labels(standard.train if name == "train" else standard[name], each, n_classes,
                           f"{name}_y")
        for name, each in labels.items()
    }  # fmt: skip
    if not strengths or min(strengths) <= 0:
        raise InputError(f"linear probe: strengths are {strengths}; needed are positive numbers")
    points: Tensor | Points = standard.points if draws is None else standard.train[draws]
    train_y = y["train"][None] if draws is None else y["train"][draws]
    predict = balanced or draws is None
    best: Solution | None = None
    answers: dict[str, Answers] = {}
    by_strength: dict[float, float] = {}
    for solution in solve(
        points,
        train_y,
        n_classes=n_classes,
        strengths=strengths,
        tolerance=tolerance,
        weights=_even_classes(train_y, n_classes) if balanced else None,
    ):
        found = _answers(solution, standard["val"], y["val"], predict=predict)
        reached = _balanced(found, y["val"], n_classes) if balanced else found.top(1)
        by_strength[solution.strength] = now = float(reached.mean())
        if best is None or now > by_strength[best.strength]:
            best, answers["val"] = solution, found
        if now < _clearly_below(by_strength[best.strength], len(y["val"])):
            break
    assert best is not None
    if "test" in standard.splits:
        answers["test"] = _answers(best, standard["test"], y["test"], predict=predict)
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


def _answers(solution: Solution, x: Tensor, y: Tensor, *, predict: bool) -> Answers:
    """What each problem's classifier says of x (m, d), whose classes are y (m,)."""
    p, _, classes = solution.weights.shape
    chunk = max(1, _CHUNK_VALUES // (classes * len(x)))
    ranked, predicted = [], [y.new_empty(0, len(y))]
    for part in (slice(i, i + chunk) for i in range(0, p, chunk)):
        logits = solution.weights[part].mT @ x.T + solution.intercepts[part, :, None]  # (·, c, m)
        ranked.append(ranks(logits, y))
        if predict:
            predicted.append(first_classes(logits, ranked[-1], y))
    return Answers(torch.cat(ranked), torch.cat(predicted))


def first_classes(scores: Tensor, ranked: Tensor, y: Tensor) -> Tensor:
    """Return the classes (…, n) of the largest scores (…, C, n); of equal ones the right one.

    So an image of rank 0 is answered rightly, whichever of equal scores a device finds first.
    """
    return torch.where(ranked == 0, y, scores.argmax(-2))
