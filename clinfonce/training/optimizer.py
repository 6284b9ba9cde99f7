"""Optimisers and the course of their learning rate."""

import math
from typing import Literal

import torch
from torch import nn

from clinfonce.training.lars import LARS


def learning_rate(step: int, *, steps: int, peak: float, warmup: float) -> float:
    """The learning rate of a step: linear warm-up to `peak`, then half a cosine down to 0.

    Args:
        step: 0 … steps - 1.
        steps: of the whole training.
        peak: the highest rate.
        warmup: share of the steps that the rate takes to reach the peak, 0 … 1.

    >>> [round(learning_rate(s, steps=5, peak=1.0, warmup=0.4), 2) for s in range(5)]
    [0.5, 1.0, 1.0, 0.75, 0.25]
    """
    warm = math.ceil(warmup * steps)
    if step < warm:
        return peak * (step + 1) / warm
    progress = (step - warm) / max(1, steps - warm)
    return peak * 0.5 * (1 + math.cos(math.pi * progress))


def build_optimizer(
    model: nn.Module,
    name: Literal["adamw", "sgd", "lars"],
    *,
    learning_rate: float,
    weight_decay: float,
    momentum: float,
) -> torch.optim.Optimizer:
    """Build an optimiser that decays matrices and filters, not biases and norms."""
    trained = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]
    if name == "adamw":
        return torch.optim.AdamW(groups, lr=learning_rate, fused=True)
    if name == "lars":
        return LARS(groups, lr=learning_rate, momentum=momentum)
    on_gpu = all(p.is_cuda for p in trained)  # on CPUs the fused form only adds other rounding
    return torch.optim.SGD(
        groups,
        lr=learning_rate,
        momentum=momentum,
        nesterov=momentum > 0,
        fused=True if on_gpu else None,
    )
