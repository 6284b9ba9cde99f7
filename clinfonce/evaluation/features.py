"""Features of a frozen encoder."""

import torch
from torch import Tensor, nn

from clinfonce.augment import normalize


@torch.no_grad()
def encode(
    encoder: nn.Module,
    images: Tensor,
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
        images: on any device, perhaps memory-mapped; or embeddings.
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
        batches = (images[start : start + batch_size].to(device) for start in starts)
        parts = [encoder(_scaled(batch)).float() for batch in batches]
    finally:
        encoder.train(was_training)
    return torch.cat(parts)


def _scaled(batch: Tensor) -> Tensor:
    return batch.float() if batch.ndim == 2 and batch.is_floating_point() else normalize(batch)
