"""Multinomial logistic regression: many problems and many strengths of regularisation at once.

For problem p with features x (n, d) and labels y the minimised function is

    f(W, b) = -1/n · Σ_i log softmax(W'x_i + b)[y_i] + strength/2 · ‖W‖²,

with the intercept b free; scikit-learn's C is 1 / (n · strength). Strengths are solved from the
strongest to the weakest, each from the solution before it.

The method is preconditioned non-linear conjugate gradients (Polak–Ribière+) with a Newton line
search. Features are first turned to their principal axes, where the Hessian's block of class c is
nearly h_c · diag(s) + strength, s = variances and h_c = mean of p_c (1 - p_c): its inverse is the
preconditioner, and a few tens of steps suffice. Logits are linear in the weights, so a line search
needs no product with the features.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

_LINE_SEARCHES = 6  # softmaxes for one step length; nearly always one or two are needed
_FLAT = 0.1  # share of the slope at the start that may be left where a step ends
_SMALLEST_CURVATURE = 1e-6  # of a class that is fitted perfectly
_TINY = 1e-30


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


def solve(
    x: Tensor,
    y: Tensor,
    *,
    n_classes: int,
    strengths: tuple[float, ...],
    tolerance: float = 1e-3,
    max_steps: int = 200,
) -> Iterator[Solution]:
    """Yield the solutions of all problems for each strength, strongest first.

    Args:
        x: float (p, n, d), best standardised.
        y: int64 (p, n), classes 0..n_classes-1.
        n_classes: how many classes there are.
        strengths: positive.
        tolerance: a problem is solved when f is at most this much above its minimum, in nats, or
            this share of the mean loss where that is below 1; by an estimate, half the squared
            gradient in the metric of the preconditioner.
        max_steps: at most this many steps for each strength.
    """
    mean = x.mean(1, keepdim=True)
    axes, coordinates, variances = _principal_axes(x - mean)
    descent = _Descent(coordinates, variances, y, n_classes)
    for strength in sorted(strengths, reverse=True):
        descent.minimize(strength, tolerance, max_steps)
        weights = axes @ descent.weights[:, :, :-1].mT
        intercepts = descent.weights[:, :, -1] - (mean @ weights)[:, 0]
        yield Solution(strength, weights, intercepts)


def _principal_axes(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Axes (p, d, r), coordinates (p, n, r) and variances (p, r) of centred x (p, n, d).

    With fewer points than dimensions r = n: directions in which no point lies get no weight.
    """
    _, n, d = x.shape
    if d <= n:
        variances, axes = torch.linalg.eigh(x.mT @ x / n)
        return axes, x @ axes, variances.clamp_(min=0)
    variances, left = torch.linalg.eigh(x @ x.mT / n)
    used = variances > variances[:, -1:] * n * torch.finfo(x.dtype).eps
    variances = torch.where(used, variances, 0.0)
    deviations = (variances * n).sqrt()[:, None]
    axes = (x.mT @ left) * torch.where(used[:, None], 1 / deviations, 0.0)
    return axes, left * deviations, variances


class _Descent:
    """The state of the minimisation, kept from one strength to the next.

    The intercept is the weight of a last coordinate that is 1 everywhere. Classes stand before
    points in memory: a softmax over few classes is many times faster that way.
    """

    def __init__(self, x: Tensor, variances: Tensor, y: Tensor, n_classes: int) -> None:
        p, n, r = x.shape
        one = x.new_ones(p, 1, 1)
        self.x = torch.cat((x.mT, one.expand(p, 1, n)), 1)  # (p, r + 1, n)
        self.variances = torch.cat((variances[:, None], one), 2)  # (p, 1, r + 1)
        self.penalized = torch.cat((x.new_ones(p, 1, r), 0 * one), 2)
        self.labels = y[:, None]  # (p, 1, n)
        self.targets = x.new_zeros(p, n_classes, n).scatter_(1, self.labels, 1.0)
        self.weights = x.new_zeros(p, n_classes, r + 1)
        self.logits = x.new_zeros(p, n_classes, n)
        self.probabilities = self.logits.softmax(1)
        self.steps = 0

    def minimize(self, strength: float, tolerance: float, max_steps: int) -> None:
        """Descend until every problem is solved to the tolerance, or out of steps."""
        penalty = strength * self.penalized
        metric = self._metric(penalty)
        gradient = self._gradient(penalty)
        steepest = metric * gradient
        decrement = _dot(gradient, steepest)  # (p, 1, 1), about twice the distance to the minimum
        direction = -steepest
        for number in range(max_steps):
            # One step in any case: of a strong penalty f says little, but its direction much.
            enough = 2 * tolerance * self._loss().clamp_(max=1) * min(number, 1)
            active = decrement > enough
            if not active.any():
                return
            self.steps += 1
            self._step(torch.where(active, direction, 0.0), gradient, penalty)
            before, gradient = gradient, self._gradient(penalty)
            steepest = metric * gradient
            last, decrement = decrement, _dot(gradient, steepest)
            kept = ((decrement - _dot(before, steepest)) / last).clamp_(min=0)
            direction = kept * direction - steepest
            uphill = _dot(direction, gradient) >= 0
            direction = torch.where(uphill, -steepest, direction)

    def _metric(self, penalty: Tensor) -> Tensor:
        """The inverse of the Hessian's diagonal in the principal axes, nearly (p, c, r + 1)."""
        p = self.probabilities
        curvature = (p * (1 - p)).mean(2, keepdim=True).clamp_(min=_SMALLEST_CURVATURE)
        return 1 / (curvature * self.variances + penalty).clamp_(min=_SMALLEST_CURVATURE)

    def _loss(self) -> Tensor:
        """The mean cross-entropy (p, 1, 1)."""
        right = self.probabilities.gather(1, self.labels)
        return -right.clamp_(min=_TINY).log_().mean(2, keepdim=True)

    def _gradient(self, penalty: Tensor) -> Tensor:
        error = self.probabilities - self.targets
        return torch.baddbmm(penalty * self.weights, error, self.x.mT, alpha=1 / self.x.shape[2])

    def _step(self, direction: Tensor, gradient: Tensor, penalty: Tensor) -> None:
        """Go along a direction until the slope is nearly flat."""
        change = direction @ self.x
        slope = slope_at_start = _dot(direction, gradient)
        bend = _dot(penalty * direction, direction)  # of the penalty, the same everywhere
        expected = _Expected.of(self.probabilities, change)
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
            expected = _Expected.of(probabilities, change)
            slope = fixed + length * bend + expected.mean
            low, high = torch.where(slope < 0, length, low), torch.where(slope < 0, high, length)
            if (slope.abs() <= _FLAT * slope_at_start.abs()).all():
                break
        self.weights += length * direction
        self.logits, self.probabilities = logits, probabilities


@dataclass(frozen=True)
class _Expected:
    """Moments of a change of the logits under probabilities, both (p, c, n).

    The mean over points and classes is, up to a constant, the loss's first derivative along the
    change; the mean variance is the second.
    """

    weighted: Tensor  # (p, c, n)
    of_points: Tensor  # (p, n)

    @classmethod
    def of(cls, probabilities: Tensor, change: Tensor) -> "_Expected":
        weighted = probabilities * change
        return cls(weighted, weighted.sum(1))

    @property
    def mean(self) -> Tensor:
        return self.of_points.mean(1)[:, None, None]

    def variance(self, change: Tensor) -> Tensor:
        squares = _dot(self.weighted, change) - self.of_points.square().sum(1)[:, None, None]
        return squares / change.shape[2]


def _dot(a: Tensor, b: Tensor) -> Tensor:
    """Scalar products (p, 1, 1) of a and b, (p, …), without an intermediate product."""
    return a.flatten(1)[:, None] @ b.flatten(1)[:, :, None]
