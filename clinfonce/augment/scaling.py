"""From bytes to the values an encoder sees."""

import torch
from torch import Tensor

from clinfonce.errors import InputError

MEAN = 0.5  # of pixel values in [0, 1]; views and `normalize` both are (value - MEAN) / STD,
STD = 0.5  # which is [-1, 1] for every data set
SCALE, OFFSET = 1 / (255 * STD), MEAN / STD


def normalize(images: Tensor) -> Tensor:
    """Scale images as views are scaled: uint8 (n, c, h, w) to float32 in [-1, 1].

    Raises:
        InputError: images of another dtype or shape, or no images.
    """
    check_images(images)
    return images.to(torch.float32).mul_(SCALE).sub_(OFFSET)


def check_images(images: Tensor) -> torch.Size:
    """Return the shape of uint8 images (n, c, h, w); else raise `InputError`."""
    if images.dtype != torch.uint8 or images.ndim != 4 or images.numel() == 0:
        raise InputError(
            f"images are {str(images.dtype).removeprefix('torch.')} of shape "
            f"{tuple(images.shape)}; needed is uint8 (n, c, h, w), nothing of it 0"
        )
    return images.shape
