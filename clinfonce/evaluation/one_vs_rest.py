"""Logistic regression of many labels, each against the rest, at several strengths.

For label c with y in {0, 1} the minimised function is

    f_c(w, b) = 1/n · Σ_i log(1 + exp(−(2 y_i − 1)(w'x_i + b))) + strength/2 · ‖w‖²,

with the intercept free; scikit-learn's C is 1 / (n · strength). The method is that of `logistic`:
conjugate gradients whose preconditioner is the inverse of h_c · s + strength in the features'
principal axes (variances s, h_c = mean of p (1 − p)), from the strongest penalty to the weakest.
All labels share the features, and each has a step length of its own.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

_LINE_SEARCHES = 4
_SMALLEST_CURVATURE = 1e-6
_TINY = 1e-30


def solve_each(
    x: Tensor,
    y: Tensor,
    *,
    strengths: tuple[float, ...],
    tolerance: float = 1e-4,
    max_steps: int = 200,
) -> Iterator[tuple[float, Tensor, Tensor]]:
    """Yield (strength, weights (d, m), intercepts (m,)), the strongest first.

    Args:
        x: float (n, d), centred.
        y: bool (n, m).
        strengths: positive.
        tolerance: a label is solved when f is at most about this much above its minimum, in nats.
        max_steps: at most this many steps for each strength.
    """
    variances, axes = torch.linalg.eigh(x.mT @ x / len(x))
    problem = _Problem(x @ axes, variances.clamp(min=0), y.mT.to(x.dtype))
    for strength in sorted(strengths, reverse=True):
        found = problem.minimize(strength, tolerance, max_steps)
        yield strength, axes @ found[:, :-1].mT, found[:, -1]


class _Problem:
    """The state of the minimisation; the intercept is the last weight of a label."""

    def __init__(self, x: Tensor, variances: Tensor, y: Tensor) -> None:
        self.x, self.variances, self.y = x, variances, y  # (n, d), (d,), (m, n)
        self.weights = x.new_zeros(len(y), x.shape[1] + 1)
        self.logits = torch.zeros_like(y)

    def minimize(self, strength: float, tolerance: float, max_steps: int) -> Tensor:
        penalty = torch.full_like(self.weights[0], strength)
        penalty[-1] = 0
        p = self.logits.sigmoid()
        curvature = (p * (1 - p)).mean(1, keepdim=True).clamp(min=_SMALLEST_CURVATURE)
        inverse = torch.cat((1 / (curvature * self.variances + strength), 1 / curvature), 1)
        gradient = self._gradient(penalty)
        steepest = inverse * gradient
        decrement = (gradient * steepest).sum(1, keepdim=True)  # twice the distance, nearly
        direction = -steepest
        for _ in range(max_steps):
            active = decrement > 2 * tolerance
            if not active.any():
                break
            self._step(torch.where(active, direction, 0.0), penalty)
            before, gradient = gradient, self._gradient(penalty)
            steepest = inverse * gradient
            last, decrement = decrement, (gradient * steepest).sum(1, keepdim=True)
            turned = decrement - (before * steepest).sum(1, keepdim=True)
            direction = (turned / last.clamp(min=_TINY)).clamp(min=0) * direction - steepest
            uphill = (direction * gradient).sum(1, keepdim=True) >= 0
            direction = torch.where(uphill, -steepest, direction)
        return self.weights

    def _gradient(self, penalty: Tensor) -> Tensor:
        error = (self.logits.sigmoid() - self.y) / self.x.shape[0]
        slopes = torch.cat((error @ self.x, error.sum(1, keepdim=True)), 1)
        return slopes + penalty * self.weights

    def _step(self, direction: Tensor, penalty: Tensor) -> None:
        """Go along a direction (m, d + 1) to where the slope is nearly 0, by Newton's method."""
        change = direction[:, :-1] @ self.x.mT + direction[:, -1:]  # (m, n)
        bend = (penalty * direction.square()).sum(1, keepdim=True)
        pull = (penalty * direction * self.weights).sum(1, keepdim=True)
        length = low = torch.zeros_like(bend)
        high = torch.full_like(bend, torch.inf)
        for _ in range(_LINE_SEARCHES):
            p = (self.logits + length * change).sigmoid()
            slope = ((p - self.y) * change).mean(1, keepdim=True) + pull + length * bend
            low, high = torch.where(slope < 0, length, low), torch.where(slope < 0, high, length)
            curvature = (p * (1 - p) * change.square()).mean(1, keepdim=True) + bend
            following = length - slope / curvature.clamp(min=_TINY)
            middle = (low + torch.where(high.isinf(), low, high)) / 2
            inside = (following > low) & (following < high)
            length = torch.where(inside, following, middle)
        self.weights = self.weights + length * direction
        self.logits = self.logits + length * change
