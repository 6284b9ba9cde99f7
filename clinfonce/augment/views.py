"""The one call that draws and applies."""

import torch
from torch import Tensor

from clinfonce.augment.policy import Policy
from clinfonce.augment.scaling import check_images


def two_views(images: Tensor, policy: Policy | str, generator: torch.Generator) -> Tensor:
    """Draw two random views of each image.

    Args:
        images: uint8 (n, c, h, w), on any device; only read.
        policy: a `Policy`, or the name of one of `POLICIES`.
        generator: on the CPU; it decides everything.

    Returns:
        float32 (2n, c, h', w') on the images' device, in [-1, 1]: row i and row n + i are the views
        of image i.

    Raises:
        InputError: images of another dtype or shape, no images, an unknown policy.
    """
    if isinstance(policy, str):
        policy = Policy.named(policy)
    n, *_ = check_images(images)
    return policy.apply(images, policy.sample(n, generator))
