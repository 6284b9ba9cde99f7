"""Intervals by bootstrap over images."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

N_RESAMPLES = 500
_LEVELS = (0.025, 0.975)


def resamples(n: int, device: torch.device, seed: int = 0) -> Tensor:
    """Return how often each of n images is in each resample: float32 (N_RESAMPLES, n)."""
    bits = np.random.PCG64(seed).random_raw(N_RESAMPLES * n)  # a stream that NumPy never changes
    drawn = torch.from_numpy((bits % np.uint64(n)).astype(np.int64)).reshape(N_RESAMPLES, n)
    counts = torch.zeros(N_RESAMPLES, n)
    return counts.scatter_add_(1, drawn, torch.ones_like(counts)).to(device)


def interval(weights: Tensor, measure: Callable[[Tensor], Tensor]) -> tuple[float, float]:
    """The 95 % interval of a measure by the percentiles over resamples.

    Args:
        weights: (b, n), of `resamples`.
        measure: of weights (b, n) the values (b,); NaN where it is undefined.
    """
    values = measure(weights).double()
    values = values[~values.isnan()]
    if not len(values):
        return float("nan"), float("nan")
    low, high = torch.quantile(values, values.new_tensor(_LEVELS)).tolist()
    return low, high


def mean_interval(weights: Tensor, values: Tensor) -> tuple[float, float]:
    """The interval of the mean of values (n,)."""
    of_images = values.to(weights.dtype)
    return interval(weights, lambda drawn: drawn @ of_images / drawn.sum(-1))
