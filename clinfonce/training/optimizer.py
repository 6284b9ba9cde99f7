"""Optimisers, the course of their learning rate, and which parameters follow it how closely."""

import inspect
import math
from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from clinfonce.models.blocks import blocks
from clinfonce.models.timm import timm_library

if TYPE_CHECKING:
    from clinfonce.config import OptimizerSpec


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


def rate_factors(
    encoder: nn.Module, head: nn.Module, *, layer_decay: float, head_factor: float
) -> dict[nn.Parameter, float]:
    """The share of the learning rate that each parameter moves by.

    Of a network of N blocks, block i (1 … N) has layer_decay^(N - i), what stands before the first
    one layer_decay^N (Clark et al. 2020, ELECTRA; BEiT, arXiv 2106.08254).
    """
    factors = dict.fromkeys(encoder.parameters(), 1.0) | dict.fromkeys(
        head.parameters(), head_factor
    )
    if layer_decay < 1:
        parameters = dict(encoder.named_parameters())
        stem, found = blocks(encoder)
        for depth, names in enumerate([stem, *found]):
            factor = layer_decay ** (len(found) - depth)
            factors |= {parameters[name]: factor for name in names}
    return factors


def build_optimizer(
    model: nn.Module, spec: "OptimizerSpec", factors: Mapping[nn.Parameter, float] | None = None
) -> torch.optim.Optimizer:
    """Build an optimiser that decays matrices and filters, not biases and norms.

    Each of its groups has a `factor`, the share of the learning rate that it follows.

    Args:
        model: whose parameters move, those that need a gradient.
        spec: of the trial.
        factors: by parameter; None: 1 for all.
    """
    groups: dict[tuple[float, bool], dict[str, Any]] = {}
    for parameter in model.parameters():
        if parameter.requires_grad:
            factor = 1.0 if factors is None else factors[parameter]
            decays = parameter.ndim > 1
            decay = spec.weight_decay if decays else 0.0
            group = groups.setdefault(
                (factor, decays), {"params": [], "weight_decay": decay, "factor": factor}
            )
            group["params"].append(parameter)
    # Matrices first, as the order of the groups decides nothing but that of their states.
    ordered = [groups[key] for key in sorted(groups, key=lambda k: (-k[0], not k[1]))]
    if spec.name == "adamw":
        return eager(torch.optim.AdamW)(ordered, lr=spec.learning_rate, fused=True)
    if spec.name == "lars":
        return _lars(ordered, spec)
    trained = [p for group in ordered for p in group["params"]]
    on_gpu = all(p.is_cuda for p in trained)  # on CPUs the fused form only adds other rounding
    return eager(torch.optim.SGD)(
        ordered,
        lr=spec.learning_rate,
        momentum=spec.momentum,
        nesterov=spec.momentum > 0,
        fused=True if on_gpu else None,
    )


def _lars(groups: list[dict[str, Any]], spec: "OptimizerSpec") -> torch.optim.Optimizer:
    """Timm's LARS (You et al., arXiv 1708.03888); biases and norms take plain steps."""
    timm_library()
    from timm.optim.lars import Lars

    lars: torch.optim.Optimizer = Lars(groups, lr=spec.learning_rate, momentum=spec.momentum)
    return lars


@cache
def eager(optimizer: type[torch.optim.Optimizer]) -> Callable[..., torch.optim.Optimizer]:
    """The same optimiser, without what PyTorch wraps around its methods for `torch.compile`.

    That loads the compiler, which takes a process longer than PyTorch itself. Networks are
    compiled without their optimiser here.
    """
    names = ("add_param_group", "load_state_dict", "state_dict", "step", "zero_grad")
    methods = {name: inspect.unwrap(getattr(optimizer, name)) for name in names}
    methods["step"] = torch.no_grad()(methods["step"])
    return type(optimizer.__name__, (optimizer,), methods)
