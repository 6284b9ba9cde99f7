"""Multinomial logistic regression: many problems and many strengths of regularisation at once.

For problem p with features x (n, d) and labels y the minimised function is

    f(W, b) = -1/n · Σ_i log softmax(W'x_i + b)[y_i] + strength/2 · ‖W‖²,

with the intercept b free; scikit-learn's C is 1 / (n · strength). Strengths are solved from the
strongest to the weakest, each from the solution before it. Points may be weighted, so that the mean
of the loss is a weighted one.

The method is preconditioned non-linear conjugate gradients (Polak–Ribière+) with a Newton line
search. In the features' principal axes the Hessian's block of class c is nearly
h_c · diag(s) + strength, s = variances and h_c = mean of p_c (1 - p_c): its inverse is the
preconditioner, and a few steps suffice. Each takes two products of all features with as many
columns as there are classes, which is where the time goes; everything else is done without them:
logits are linear in the weights, so a line search needs no product, nor does a new strength, and
each solution ends with a step of the preconditioner alone, after which nothing is looked at. Strong
penalties are solved by such a step from the same gradient, in closed form.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

_LINE_SEARCHES = 6  # softmaxes for one step length; nearly always one or two are needed
_FLAT = 0.1  # share of the slope at the start that may be left where a step ends
_SMALLEST_CURVATURE = 1e-6  # of a class that is fitted perfectly
_TINY = 1e-30
_CENTRED = 1e-5  # a mean of standardised features that the intercept may as well take
_SAMPLE = 16  # points a dimension that the principal axes are of


@dataclass(frozen=True)
class Solution:
    """Classifiers of p problems at one strength.

    Attributes:
        strength: of the L2 penalty.
        weights: (p, d, classes).
        intercepts: (p, classes).
    """

    strength: float
    weights: Tensor
    intercepts: Tensor


@dataclass(frozen=True)
class Points:
    """Points of p problems, with their principal axes, to be found once for several labellings.

    Attributes:
        mean: (p, 1, d).
        centred: (p, n, d), the points less their mean; in the axes where they are fewer than d.
        axes: (p, d, r).
        variances: (p, r), along those.
        spans: whether there are fewer points than dimensions.
    """

    mean: Tensor
    centred: Tensor
    axes: Tensor
    variances: Tensor
    spans: bool

    @classmethod
    def of(cls, x: Tensor) -> "Points":
        """Of points float (p, n, d), best standardised."""
        mean = x.mean(1, keepdim=True)
        centred = x - mean if float(mean.abs().max()) > _CENTRED else x
        spans = x.shape[1] < x.shape[2]
        axes, variances = _span(centred) if spans else _principal_axes(centred)
        return cls(mean, centred @ axes if spans else centred, axes, variances, spans)


def solve(
    x: Tensor | Points,
    y: Tensor,
    *,
    n_classes: int,
    strengths: tuple[float, ...],
    tolerance: float = 5e-3,
    max_steps: int = 200,
    weights: Tensor | None = None,
) -> Iterator[Solution]:
    """Yield the solutions of all problems for each strength, strongest first.

    Args:
        x: float (p, n, d), best standardised, or what `Points` made of it.
        y: int64 (p, n), classes 0..n_classes-1.
        n_classes: how many classes there are.
        strengths: positive.
        tolerance: a problem is solved when f is at most this much above its minimum, in nats, or
            this share of the mean loss where that is below 1; by an estimate, half the squared
            gradient in the metric of the preconditioner.
        max_steps: at most this many steps for each strength.
        weights: (p, n) of the points, 1 in the mean; None: 1 each.
    """
    points = x if isinstance(x, Points) else Points.of(x)
    axes = None if points.spans else points.axes
    descent = _Descent(points.centred, axes, points.variances, y, n_classes, weights)
    for strength in sorted(strengths, reverse=True):
        found = descent.minimize(strength, tolerance, max_steps)
        slopes = found[:, :, :-1].mT
        slopes = points.axes @ slopes if points.spans else slopes
        yield Solution(strength, slopes, found[:, :, -1] - (points.mean @ slopes)[:, 0])


def _principal_axes(x: Tensor) -> tuple[Tensor, Tensor]:
    """Axes (p, d, d) and variances (p, d) of centred x (p, n, d), of a sample of many points."""
    _, n, d = x.shape
    some = x[:, :: max(1, n // (_SAMPLE * d))]
    variances, axes = torch.linalg.eigh(some.mT @ some / some.shape[1])
    return axes, variances.clamp_(min=0)


def _span(x: Tensor) -> tuple[Tensor, Tensor]:
    """The principal axes (p, d, n) of fewer points than dimensions, and variances (p, n).

    Directions in which no point lies get no weight.
    """
    _, n, _ = x.shape
    variances, left = torch.linalg.eigh(x @ x.mT / n)
    used = variances > variances[:, -1:] * n * torch.finfo(x.dtype).eps
    variances = torch.where(used, variances, 0.0)
    deviations = (variances * n).sqrt()[:, None]
    return (x.mT @ left) * torch.where(used[:, None], 1 / deviations, 0.0), variances


class _Descent:
    """The state of the minimisation, kept from one strength to the next.

    The intercept is the last weight of a class. Classes stand before points in memory: a softmax
    over few classes is many times faster that way.

    Args:
        x: (p, n, r), centred.
        axes: (p, r, r), the principal axes; None where x is in them already.
        variances: (p, r), along those.
        y: int64 (p, n).
        n_classes: C.
        of_points: (p, n), their weights; None: 1 each.
    """

    def __init__(
        self,
        x: Tensor,
        axes: Tensor | None,
        variances: Tensor,
        y: Tensor,
        n_classes: int,
        of_points: Tensor | None = None,
    ) -> None:
        p, n, r = x.shape
        self.x, self.axes = x, axes
        self.variances = variances[:, None]  # (p, 1, r)
        self.labels = y[:, None]  # (p, 1, n)
        self.of_points = None if of_points is None else of_points[:, None]  # (p, 1, n)
        self.weights = x.new_zeros(p, n_classes, r + 1)
        self.logits = x.new_zeros(p, n_classes, n)
        self.probabilities = self.logits.softmax(1)
        self.slopes = self._slopes()
        self.steps = 0

    def minimize(self, strength: float, tolerance: float, max_steps: int) -> Tensor:
        """Descend until every problem is solved to the tolerance, or out of steps: the weights."""
        penalty = self._penalty(strength)
        curvature = self._curvature()
        gradient = self.slopes + penalty * self.weights
        steepest = self._preconditioned(gradient, curvature, strength)
        decrement = _dot(gradient, steepest)  # (p, 1, 1), about twice the distance to the minimum
        direction = -steepest
        for _ in range(max_steps):
            active = decrement > 2 * tolerance * self._loss().clamp_(max=1)
            if not active.any():
                break
            self.steps += 1
            self._step(torch.where(active, direction, 0.0), gradient, penalty)
            self.slopes = self._slopes()
            before, gradient = gradient, self.slopes + penalty * self.weights
            steepest = self._preconditioned(gradient, curvature, strength)
            last, decrement = decrement, _dot(gradient, steepest)
            kept = ((decrement - _dot(before, steepest)) / last).clamp_(min=0)
            direction = kept * direction - steepest
            uphill = _dot(direction, gradient) >= 0
            direction = torch.where(uphill, -steepest, direction)
        return self.weights - steepest

    def _penalty(self, strength: float) -> Tensor:
        """Of each weight (r + 1,); the intercept has none."""
        penalty = self.weights.new_full(self.weights.shape[-1:], strength)
        penalty[-1] = 0
        return penalty

    def _curvature(self) -> Tensor:
        """Of the mean loss in the logits of each class, nearly (p, C, 1); exact for even odds."""
        p = self.probabilities
        spread = self._weighted(p * (1 - p)).mean(2, keepdim=True)
        share = 1 - 1 / max(2, p.shape[1])
        return (spread / share).clamp_(min=_SMALLEST_CURVATURE)

    def _preconditioned(self, gradient: Tensor, curvature: Tensor, strength: float) -> Tensor:
        """The gradient (p, C, r + 1) by the inverse of the Hessian, nearly."""
        slopes = gradient[:, :, :-1]
        slopes = slopes if self.axes is None else slopes @ self.axes
        slopes = slopes / (curvature * self.variances + strength).clamp_(min=_SMALLEST_CURVATURE)
        slopes = slopes if self.axes is None else slopes @ self.axes.mT
        return torch.cat((slopes, gradient[:, :, -1:] / curvature), 2)

    def _loss(self) -> Tensor:
        """The mean cross-entropy (p, 1, 1)."""
        right = self.probabilities.gather(1, self.labels)
        return -self._weighted(right.clamp_(min=_TINY).log_()).mean(2, keepdim=True)

    def _weighted(self, values: Tensor) -> Tensor:
        """Values (p, …, n), each by the weight of its point."""
        return values if self.of_points is None else values * self.of_points

    def _slopes(self) -> Tensor:
        """The gradient (p, C, r + 1) of the mean loss, without the penalty."""
        one = self.probabilities.new_ones(()).expand(self.labels.shape)
        error = self._weighted(self.probabilities.scatter_add(1, self.labels, -one))
        return torch.cat((error @ self.x, error.sum(2, keepdim=True)), 2) / self.x.shape[1]

    def _step(self, direction: Tensor, gradient: Tensor, penalty: Tensor) -> None:
        """Go along a direction until the slope is nearly flat."""
        change = torch.baddbmm(direction[:, :, -1:], direction[:, :, :-1], self.x.mT)
        slope = slope_at_start = _dot(direction, gradient)
        bend = _dot(penalty * direction, direction)  # of the penalty, the same everywhere
        expected = _Expected.of(self.probabilities, change, self.of_points)
        fixed = slope_at_start - expected.mean
        length = low = torch.zeros_like(slope)
        high = torch.full_like(slope, torch.inf)
        for _ in range(_LINE_SEARCHES):
            flat = slope.abs() <= _FLAT * slope_at_start.abs()
            curvature = (expected.variance(change) + bend).clamp_(min=_TINY)
            following = length - slope / curvature
            inside = (following > low) & (following < high)
            middle = (low + torch.where(high.isinf(), low, high)) / 2
            length = torch.where(flat, length, torch.where(inside, following, middle))
            logits = torch.addcmul(self.logits, length, change)
            probabilities = logits.softmax(1)
            expected = _Expected.of(probabilities, change, self.of_points)
            slope = fixed + length * bend + expected.mean
            low, high = torch.where(slope < 0, length, low), torch.where(slope < 0, high, length)
            if (slope.abs() <= _FLAT * slope_at_start.abs()).all():
                break
        self.weights = self.weights + length * direction
        self.logits, self.probabilities = logits, probabilities


@dataclass(frozen=True)
class _Expected:
    """Moments of a change of the logits under probabilities, both (p, c, n).

    The mean over points and classes is, up to a constant, the loss's first derivative along the
    change; the mean variance is the second.
    """

    weighted: Tensor  # (p, c, n)
    of_points: Tensor  # (p, n)
    weights: Tensor | None  # (p, 1, n), of the points

    @classmethod
    def of(cls, probabilities: Tensor, change: Tensor, weights: Tensor | None) -> "_Expected":
        weighted = probabilities * change
        return cls(weighted, weighted.sum(1), weights)

    @property
    def mean(self) -> Tensor:
        of_points = self.of_points if self.weights is None else self.of_points * self.weights[:, 0]
        return of_points.mean(1)[:, None, None]

    def variance(self, change: Tensor) -> Tensor:
        weighted, squares = self.weighted, self.of_points.square()
        if self.weights is not None:
            weighted, squares = weighted * self.weights, squares * self.weights[:, 0]
        return (_dot(weighted, change) - squares.sum(1)[:, None, None]) / change.shape[2]


def _dot(a: Tensor, b: Tensor) -> Tensor:
    """Scalar products (p, 1, 1) of a and b, (p, …), without an intermediate product."""
    return a.flatten(1)[:, None] @ b.flatten(1)[:, :, None]
