"""What every encoder has in common, and how images become what it was pretrained on."""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from clinfonce.augment import MEAN, STD
from clinfonce.errors import InputError


class Encoder(nn.Module):
    """A network from images float32 (n, c, h, w) in [-1, 1] to features (n, feature_dim).

    Attributes:
        feature_dim: d of the features.
        mean: per channel, of pixels from 0 to 1, that the network itself works with; None: it
            takes images in [-1, 1] as they are.
        std: likewise.
    """

    feature_dim: int
    mean: tuple[float, ...] | None
    std: tuple[float, ...] | None


def use_statistics(
    network: Any,
    mean: Sequence[float] | None,
    std: Sequence[float] | None,
    *,
    channels: int,
    image_size: int | None = None,
) -> None:
    """Let a network see images as it was pretrained, whatever everybody hands it.

    Views and normalised images are in [-1, 1] for every encoder. Before the network's first layer
    they are brought to its own mean and deviation and, where `image_size` is given, to its size. No
    name in the network's state changes.

    Args:
        network: any module.
        mean: of each channel of pixels from 0 to 1; one value for all, or None: as it is.
        std: likewise.
        channels: of the images.
        image_size: pixels a side that the network sees; None: those that it is given.

    Raises:
        InputError: statistics of another number of channels, or a deviation that is not positive.
    """
    network.mean, network.std = _of_channels(mean, channels), _of_channels(std, channels)
    if network.mean is not None and network.std is not None:
        means, deviations = torch.tensor(network.mean), torch.tensor(network.std)
        if not bool((deviations > 0).all()):
            raise InputError(f"an encoder's std is {network.std}; positive numbers are needed")
        shape = (1, channels, 1, 1)
        scale, shift = STD / deviations, (MEAN - means) / deviations
        network.register_buffer("input_scale", scale.view(shape), persistent=False)
        network.register_buffer("input_shift", shift.view(shape), persistent=False)
    elif image_size is None:
        return
    network.input_size = image_size
    network.register_forward_pre_hook(_bring)


def _bring(network: Any, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    (images,) = inputs
    size = network.input_size
    if size is not None and images.shape[-2:] != (size, size):
        images = F.interpolate(images, (size, size), mode="bilinear", antialias=True)
    if network.mean is not None:
        images = torch.addcmul(network.input_shift, images, network.input_scale)
    return (images,)


def _of_channels(values: Sequence[float] | None, channels: int) -> tuple[float, ...] | None:
    """Statistics of each channel; for another number than three, the mean of the three for all."""
    if values is None:
        return None
    given = [float(v) for v in values]
    if len(given) == channels:
        return tuple(given)
    if len(given) not in (1, 3):
        raise InputError(f"an encoder's mean and std are of {len(given)} channels, not {channels}")
    return (sum(given) / len(given),) * channels
