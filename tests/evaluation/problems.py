"""Made-up features for the tests of evaluation."""

import torch
from torch import Tensor


def blobs(
    n: int, d: int, classes: int, *, seed: int = 0, distance: float = 1.0
) -> tuple[Tensor, Tensor]:
    """Features float32 (n, d) around one centre a class, and labels; every class is there."""
    generator = torch.Generator().manual_seed(seed)
    centres = torch.randn(classes, d, generator=generator) * distance
    mixing = torch.randn(d, d, generator=generator) * torch.logspace(0, -1.5, d)
    labels = torch.arange(n) % classes
    labels = labels[torch.randperm(n, generator=generator)]
    return (torch.randn(n, d, generator=generator) + centres[labels]) @ mixing + 3, labels


def three_splits(n: int = 120, d: int = 12, classes: int = 4, distance: float = 0.4):
    """Keyword arguments of `evaluate`."""
    x, y = blobs(3 * n, d, classes, distance=distance)
    x, y = x.split(n), y.split(n)
    return {
        f"{name}_{kind}": part[i]
        for i, name in enumerate(("train", "val", "test"))
        for kind, part in (("x", x), ("y", y))
    }
