"""A picture of what a policy does."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from clinfonce.augment.policy import Policy
from clinfonce.augment.scaling import MEAN, STD, check_images

_GAP = 2  # pixels between pictures
_PAPER = 255


def contact_sheet(
    images: Tensor, policy: Policy | str, generator: torch.Generator, *, pairs: int = 4
) -> NDArray[np.uint8]:
    """Return one row for each image: the image itself, then pairs of views of it.

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
    n, c, _, _ = check_images(images)
    policy = Policy.named(policy) if isinstance(policy, str) else policy
    columns = [images.cpu()]
    for _ in range(pairs):
        views = policy.apply(images, policy.sample(n, generator)).cpu()
        pixels = ((views * STD + MEAN) * 255).round_().to(torch.uint8)
        columns += [pixels[:n], pixels[n:]]
    height, width = (max(column.shape[axis] for column in columns) for axis in (2, 3))
    shape = (n * (height + _GAP) + _GAP, len(columns) * (width + _GAP) + _GAP, 3)
    sheet = np.full(shape, _PAPER, np.uint8)
    for place, column in enumerate(columns):
        left = _GAP + place * (width + _GAP)
        shown = column if c == 3 else column[:, :1].expand(-1, 3, -1, -1)
        for row, picture in enumerate(shown.permute(0, 2, 3, 1).numpy()):
            top = _GAP + row * (height + _GAP)
            sheet[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
    return sheet
