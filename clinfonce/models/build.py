"""Encoders by name."""

from collections.abc import Sequence

import torch
from torch import nn

from clinfonce.errors import InputError
from clinfonce.memory import keep_freed_memory
from clinfonce.models import imported, timm
from clinfonce.models.encoder import Encoder, use_statistics
from clinfonce.models.resnet import RESNETS, Stem, build_resnet
from clinfonce.models.small_cnn import SmallCNN

_SMALL_IMAGE = 64  # pixels; up to here a ResNet keeps the resolution at its stem
_NAMES = ("small_cnn", *RESNETS, *timm.SHORT_NAMES)


def build_encoder(
    name: str,
    *,
    channels: int,
    image_size: int,
    stem: Stem | None = None,
    width: int | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
) -> Encoder:
    """Build an encoder with random weights; `torch.manual_seed` decides them.

    The filters of convolutional networks, but those of one's own, lie in memory with the channels
    last, which makes a training step up to twice as fast; shapes and names of the weights are the
    same. From here on the process keeps memory that it frees (see `clinfonce.memory`).

    Args:
        name: small_cnn, resnet18, resnet34, resnet50, vit_s16, vit_s8, timm:<model>[.<tag>], or
            python:package.module:function for one's own (see `models.imported`).
        channels: of the images.
        image_size: the smaller side of the images, in pixels.
        stem: of a ResNet: "small" keeps the resolution, "large" quarters it. None = small for
            images up to 64 pixels.
        width: of a small_cnn: filters of its first block; None = 32.
        mean: of the channels, pixels from 0 to 1, that the weights are made for; None = what the
            network itself says, else images in [-1, 1].
        std: likewise.

    Returns:
        A module from float (n, channels, h, w) in [-1, 1] to (n, feature_dim).

    Raises:
        InputError: an unknown name or stem, a stem or width for a network that has none, no
            channels, or images that the network cannot take.
    """
    _check_choice(name, channels, stem, width)
    keep_freed_memory()
    network = _build(name, channels=channels, image_size=image_size, stem=stem, width=width)
    if mean is None and name.startswith(imported.PREFIX):
        mean, std = getattr(network, "mean", None), getattr(network, "std", None)
    use_statistics(network, mean, std, channels=channels)
    return network


def _build(
    name: str, *, channels: int, image_size: int, stem: Stem | None, width: int | None
) -> Encoder:
    if name == "small_cnn":
        _check_size(name, image_size, 4)
        small = SmallCNN(channels=channels, image_size=image_size, width=width or 32)
        return _channels_last(small)
    if name.startswith(imported.PREFIX):
        return imported.build_imported(name, channels=channels, image_size=image_size)
    if name in RESNETS:
        stem = stem or ("small" if image_size <= _SMALL_IMAGE else "large")
        _check_size(f"{name} with the {stem} stem", image_size, 8 if stem == "small" else 32)
        return _channels_last(build_resnet(name, channels=channels, stem=stem))
    full = timm.SHORT_NAMES.get(name, name)
    return _channels_last(timm.build_timm(full, channels=channels, image_size=image_size))


def _channels_last(network: Encoder) -> Encoder:
    """Lay the filters so; not those of a user's own network, which may take `view`s of features."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network


def _check_choice(name: str, channels: int, stem: str | None, width: int | None) -> None:
    if name not in _NAMES and not name.startswith((timm.PREFIX, imported.PREFIX)):
        raise InputError(
            f"unknown encoder {name!r}; known are {', '.join(_NAMES)}, {timm.PREFIX}<model> and "
            f"{imported.PREFIX}package.module:function"
        )
    if channels < 1:
        raise InputError(f"encoder {name}: images of {channels} channels; at least 1 is needed")
    if stem not in (None, "small", "large"):
        raise InputError(f"encoder {name}: unknown stem {stem!r}; known are small, large")
    if stem is not None and name not in RESNETS:
        raise InputError(f"encoder {name} has no stem to choose, got {stem!r}")
    if width is not None and name != "small_cnn":
        raise InputError(f"encoder {name} has no width to choose, got {width}")
    if width is not None and width < 1:
        raise InputError(f"encoder {name}: width is {width}; at least 1 is needed")


def _check_size(name: str, image_size: int, smallest: int) -> None:
    if image_size < smallest:
        raise InputError(
            f"encoder {name}: images of {image_size} pixels are too small; "
            f"at least {smallest} are needed"
        )
