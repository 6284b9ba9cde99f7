"""Layer-wise adaptive rates, for large batches."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor


class LARS(torch.optim.Optimizer):
    """SGD whose step of each matrix is in proportion to the matrix (You et al., arXiv 1708.03888).

    Algorithm 1 there: with gradient g, weights w and decay β of a layer,
    v ← m·v + rate · trust · ‖w‖ / (‖g‖ + β‖w‖) · (g + β·w), then w ← w − v.
    Groups without decay (biases and norms) take steps of plain SGD with momentum.

    Args:
        params: parameters, or groups of them.
        lr: the rate.
        momentum: m, 0 or above and below 1.
        weight_decay: β.
        trust: share of a matrix's length that a step of rate 1 may have.
    """

    def __init__(
        self,
        params: Iterable[Any],
        *,
        lr: float,
        momentum: float = 0.9,
        weight_decay: float = 0.0,
        trust: float = 1e-3,
    ) -> None:
        defaults = {"lr": lr, "momentum": momentum, "weight_decay": weight_decay, "trust": trust}
        super().__init__(params, defaults)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Take a step along the gradients."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for weights in group["params"]:
                if weights.grad is not None:
                    self._move(weights, group)
        return loss

    def _move(self, weights: Tensor, group: dict[str, Any]) -> None:
        state = self.state[weights]
        if not state:
            state["velocity"] = torch.zeros_like(weights)
        change = weights.grad
        assert change is not None
        if (decay := group["weight_decay"]) > 0:
            change = change.add(weights, alpha=decay) * _local_rate(weights, change, group)
        state["velocity"].mul_(group["momentum"]).add_(change, alpha=group["lr"])
        weights.sub_(state["velocity"])


def _local_rate(weights: Tensor, gradient: Tensor, group: dict[str, Any]) -> Tensor:
    """The trust ratio, 0-d; 1 where weights or gradient are zero."""
    length, slope = weights.norm(), gradient.norm()
    ratio = group["trust"] * length / (slope + group["weight_decay"] * length)
    return torch.where((length > 0) & (slope > 0), ratio, torch.ones_like(ratio))
