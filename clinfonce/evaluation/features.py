"""Features of a frozen encoder."""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from clinfonce.augment import normalize


@torch.no_grad()
def encode(
    encoder: nn.Module,
    images: Any,
    *,
    batch_size: int = 256,
    device: torch.device | str | None = None,
) -> Tensor:
    """Return the features float32 (n, d) of images uint8 (n, c, h, w), on the device.

    The images are scaled as views are, but not augmented; embeddings (n, e), floats, are handed on
    as they are. The encoder works in evaluation mode,
    without gradients, and is left in the mode it was in.

    Args:
        encoder: a network on `device`.
        images: a tensor on any device, an array, or the images of a data set, perhaps on disk; or
            embeddings.
        batch_size: images that pass at a time.
        device: None = where the encoder's parameters are.

    Raises:
        InputError: images of another dtype or shape, or no images.
    """
    device = next(encoder.parameters()).device if device is None else torch.device(device)
    was_training = encoder.training
    encoder.eval()
    try:
        starts = range(0, max(1, len(images)), batch_size)
        batches = (_tensor(images[start : start + batch_size]).to(device) for start in starts)
        parts = [encoder(_scaled(batch)).float() for batch in batches]
    finally:
        encoder.train(was_training)
    return torch.cat(parts)


def _tensor(batch: Any) -> Tensor:
    """A batch as a tensor; what is read-only, as a memory map is, is copied."""
    if isinstance(batch, Tensor):
        return batch
    return torch.from_numpy(np.require(batch, requirements=["W", "C"]))


def _scaled(batch: Tensor) -> Tensor:
    return batch.float() if batch.ndim == 2 and batch.is_floating_point() else normalize(batch)
