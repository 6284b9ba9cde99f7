"""Images and policies that the tests of augmentation share."""

import torch
from torch import Tensor

from clinfonce.augment import Policy

EVERYTHING = Policy(
    crop_area=(0.2, 1.0),
    flip=0.5,
    rotation=20.0,
    shear=8.0,
    zoom=(0.8, 1.2),
    shift=0.1,
    jitter=0.8,
    brightness=0.4,
    contrast=0.4,
    saturation=0.4,
    hue=0.1,
    grey=0.2,
    blur=0.5,
    blur_sigma=(0.01, 0.1),
    solarise=0.3,
    noise=0.1,
    erase=0.5,
)
UPRIGHT = Policy(crop_area=(0.2, 1.0), flip=0.5, jitter=0.8, contrast=0.4, hue=0.1)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def random_images(*shape: int, seed: int = 0) -> Tensor:
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator(seed))


def smooth_images(n: int, channels: int, height: int, width: int) -> Tensor:
    """Images whose mid-range values stay clear of 0 and 1 under mild changes of colour."""
    coarse = torch.rand(n, channels, 4, 4, generator=generator(3)) * 0.3 + 0.35
    fine = torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic")
    return (fine.clamp(0, 1) * 255).round().to(torch.uint8)


def to_unit(views: Tensor) -> Tensor:
    """Values in [0, 1] of views in [-1, 1]."""
    return (views + 1) / 2
