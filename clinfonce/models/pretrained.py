"""Pretrained weights that timm and torchvision offer, through their own downloads and caches."""

import os
import socket
from typing import Any

from torch import Tensor

from clinfonce.errors import InputError, RunError
from clinfonce.models import timm
from clinfonce.models.matching import match
from clinfonce.models.resnet import RESNETS, build_resnet
from clinfonce.torchvision_import import import_torchvision

_IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of torchvision's weights, RGB
_HUB = "huggingface.co"

Statistics = tuple[tuple[float, ...], tuple[float, ...]]


def pretrained_state(
    name: str, *, channels: int, image_size: int
) -> tuple[dict[str, Tensor], Statistics]:
    """The library's weights of an encoder, for images of some channels and size.

    Returns:
        State under the names of `build_encoder`'s network, and mean and std of its images.

    Raises:
        InputError: there are no pretrained weights of it.
        RunError: they are not on this machine and cannot be downloaded.
    """
    if name in RESNETS:
        return _of_torchvision(name, channels), _IMAGENET
    full = timm.SHORT_NAMES.get(name, name)
    if not full.startswith(timm.PREFIX):
        raise InputError(
            f"encoder {name} has no pretrained weights; there are of {', '.join(RESNETS)} and "
            f"{timm.PREFIX}<model>, or name a file"
        )
    return _of_timm(full, channels, image_size)


def statistics_of(name: str) -> Statistics | None:
    """Mean and std of the images that weights of an encoder are usually made for."""
    if name in RESNETS:
        return _IMAGENET
    full = timm.SHORT_NAMES.get(name, name)
    if not full.startswith(timm.PREFIX):
        return None
    timm.check_known(full, pretrained=False)
    library = timm.timm_library()
    config = library.models.get_pretrained_cfg(full.removeprefix(timm.PREFIX))
    return None if config is None else (tuple(config.mean), tuple(config.std))


def _of_torchvision(name: str, channels: int) -> dict[str, Tensor]:
    models = import_torchvision("torchvision.models")
    weights = models.get_model_weights(name).DEFAULT
    try:
        state: dict[str, Tensor] = weights.get_state_dict(progress=False, check_hash=True)
    except OSError as error:
        raise RunError(
            f"the pretrained weights of {name} are not on this machine and cannot be downloaded "
            f"({_line(error)}): fetch {weights.url} and put it into "
            f"{_torch_cache()}, or name the file as encoder.weights"
        ) from None
    network = build_resnet(name, channels=channels, stem="large")
    return match(network, state, name).state


def _of_timm(name: str, channels: int, image_size: int) -> tuple[dict[str, Tensor], Statistics]:
    timm.check_known(name, pretrained=True)
    try:
        _check_hub(name)
        network: Any = timm.build_timm(
            name, channels=channels, image_size=image_size, pretrained=True
        )
    except (OSError, RuntimeError) as error:
        config = timm.timm_library().models.get_pretrained_cfg(name.removeprefix(timm.PREFIX))
        place = f"https://{_HUB}/{config.hf_hub_id}" if config.hf_hub_id else config.url
        raise RunError(
            f"the pretrained weights of {name} are not on this machine and cannot be downloaded "
            f"({_line(error)}): fetch model.safetensors from {place} elsewhere and name the file "
            "as encoder.weights, or copy the cache of a machine that has them (HF_HOME)"
        ) from None
    config = network.pretrained_cfg
    return network.state_dict(), (tuple(config["mean"]), tuple(config["std"]))


def _check_hub(name: str) -> None:
    """Find out in a moment what the hub's own client takes a minute for: there is no network."""
    from huggingface_hub import try_to_load_from_cache

    config = timm.timm_library().models.get_pretrained_cfg(name.removeprefix(timm.PREFIX))
    proxied = any(os.environ.get(v) for v in ("HTTPS_PROXY", "https_proxy", "HF_ENDPOINT"))
    if config is None or not config.hf_hub_id or proxied:
        return
    files = "model.safetensors", "pytorch_model.bin"
    if any(isinstance(try_to_load_from_cache(config.hf_hub_id, f), str) for f in files):
        return
    socket.getaddrinfo(_HUB, 443)  # gaierror is an OSError


def _torch_cache() -> str:
    import torch

    return os.path.join(torch.hub.get_dir(), "checkpoints")  # noqa: PTH118


def _line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
