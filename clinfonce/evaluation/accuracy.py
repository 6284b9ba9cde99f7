"""Scores of classes, and how often the right one is on top."""

import torch
from torch import Tensor

from clinfonce.errors import InputError


def ranks(scores: Tensor, labels: Tensor) -> Tensor:
    """Return how many classes stand before the right one: int64 (…, n).

    Args:
        scores: float (…, classes, n).
        labels: int64 (n,).

    Of equal scores the class of the lower number stands first, and a score that is not a number
    stands before all: scores that say nothing are not taken for right answers.
    """
    right = scores.gather(-2, labels.expand(*scores.shape[:-2], 1, -1))
    not_lower = torch.arange(scores.shape[-2], device=scores.device)[:, None] >= labels
    behind = (scores < right) | ((scores == right) & not_lower)
    return (~behind).sum(-2)


def top(ranked: Tensor, k: int) -> Tensor:
    """Return the share (…,) of the n images of which the right class is among the first k."""
    return (ranked < k).to(torch.float64).mean(-1)


def check_features(**parts: Tensor) -> None:
    """Refuse features that are not floats (n, d) of one d, or not all finite."""
    dims = {x.shape[1] for x in parts.values() if x.ndim == 2}
    for name, x in parts.items():
        if x.ndim != 2 or not x.is_floating_point() or x.numel() == 0 or len(dims) != 1:
            raise InputError(
                f"{name} is {str(x.dtype).removeprefix('torch.')} of shape {tuple(x.shape)}; "
                "features are float (n, d), of the same d in all splits"
            )
        if broken := int((~torch.isfinite(x)).any(1).sum()):
            raise InputError(f"{name}: {broken} of {len(x)} rows hold NaN or infinite features")


def check_labels(x: Tensor, y: Tensor, n_classes: int, name: str) -> Tensor:
    """Return labels on the device of their features; refuse a wrong dtype, length or class."""
    if y.dtype != torch.int64 or y.shape != (len(x),):
        raise InputError(
            f"{name} is {str(y.dtype).removeprefix('torch.')} of shape {tuple(y.shape)}; "
            f"needed is int64 ({len(x)},), one label a row of features"
        )
    if int(y.min()) < 0 or int(y.max()) >= n_classes:
        raise InputError(
            f"{name} holds labels {int(y.min())} to {int(y.max())}; "
            f"allowed are 0 to {n_classes - 1}"
        )
    return y.to(x.device)
