"""A picture of what a policy does."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from clinfonce.augment.policy import Policy
from clinfonce.augment.scaling import MEAN, STD, check_images

_GAP, _WIDE_GAP = 2, 10  # pixels between pictures, and between pairs of them
_PAPER = 255
_SMALLEST = 64  # pixels; pictures below this side are magnified


def contact_sheet(
    images: Tensor, policy: Policy | str, generator: torch.Generator, *, pairs: int = 4
) -> NDArray[np.uint8]:
    """Return one row for each image: the image itself, then pairs of views of it.

    Pictures below 64 pixels are magnified by a whole number, so that each pixel shows as a square.

    Args:
        images: uint8 (n, c, h, w) with one or three channels; of others the first is shown.
        policy: a `Policy`, or the name of one of `POLICIES`.
        generator: on the CPU.
        pairs: how many times two views are drawn.

    Returns:
        uint8 (height, width, 3), white between the pictures. Views of another size than the images
        leave some of their place white.

    Raises:
        InputError: images of another dtype or shape, no images, an unknown policy.
    """
    n, *_ = check_images(images)
    policy = Policy.named(policy) if isinstance(policy, str) else policy
    columns = [_pictures(images)]
    for _ in range(pairs):
        views = policy.apply(images, policy.sample(n, generator))
        pictures = _pictures(((views * STD + MEAN) * 255).round_().to(torch.uint8))
        columns += [pictures[:n], pictures[n:]]
    height, width = (max(column.shape[axis] for column in columns) for axis in (1, 2))
    scale = -(-_SMALLEST // max(height, width))
    lefts, tops = _places(len(columns), width * scale), range(_GAP, 10**9, height * scale + _GAP)
    shape = (tops[n], lefts[-1] + width * scale + _GAP, 3)
    sheet = np.full(shape, _PAPER, np.uint8)
    for left, column in zip(lefts, columns, strict=True):
        for top, picture in zip(tops, column, strict=False):
            large = picture.repeat(scale, 0).repeat(scale, 1)
            sheet[top : top + large.shape[0], left : left + large.shape[1]] = large
    return sheet


def _pictures(images: Tensor) -> NDArray[np.uint8]:
    """Pixels (n, h, w, 3) of uint8 images (n, c, h, w)."""
    shown = images if images.shape[1] == 3 else images[:, :1].expand(-1, 3, -1, -1)
    pixels: NDArray[np.uint8] = shown.permute(0, 2, 3, 1).cpu().numpy()
    return pixels


def _places(count: int, width: int) -> list[int]:
    """Where the columns begin: the images, then two and two together."""
    return [
        _GAP + place * (width + _GAP) + (place + 1) // 2 * (_WIDE_GAP - _GAP)
        for place in range(count)
    ]
