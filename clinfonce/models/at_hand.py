"""Pretrained weights that are on this machine already: nothing is downloaded to find out."""

import os
from pathlib import Path

from clinfonce.models.resnet import RESNETS
from clinfonce.models.timm import PREFIX, timm_library
from clinfonce.torchvision_import import import_torchvision

# Families of networks, those first whose features serve new images best.
_ORDER = ("dinov3", "dinov2", "siglip2", "siglip", "clip", "vit_", "convnext", "resnet")
_HUB_FOLDER = "models--timm--"


def encoders_at_hand() -> list[str]:
    """Encoders whose pretrained weights are in the caches of timm and torchvision, best first."""
    found = [*_of_timm(), *_of_torchvision()]
    return sorted(found, key=lambda name: (_rank(name), name))


def usual_image_size(name: str) -> int:
    """Pixels a side of the images that pretrained weights are made for, 224 where unknown."""
    if not name.startswith(PREFIX):
        return 224
    config = timm_library().models.get_pretrained_cfg(name.removeprefix(PREFIX))
    return 224 if config is None else int(config.input_size[-1])


def _rank(name: str) -> int:
    return next((place for place, word in enumerate(_ORDER) if word in name), len(_ORDER))


def _of_timm() -> list[str]:
    folders = sorted(_hub_cache().glob(f"{_HUB_FOLDER}*"))
    names = [folder.name.removeprefix(_HUB_FOLDER) for folder in folders if _has_weights(folder)]
    if not names:
        return []
    known = set(timm_library().list_pretrained())
    return [f"{PREFIX}{name}" for name in names if name in known]


def _has_weights(folder: Path) -> bool:
    names = ("model.safetensors", "pytorch_model.bin")
    return any(file.name in names for file in folder.glob("snapshots/*/*"))


def _hub_cache() -> Path:
    from huggingface_hub.constants import HF_HUB_CACHE

    return Path(HF_HUB_CACHE)


def _of_torchvision() -> list[str]:
    import torch

    checkpoints = Path(torch.hub.get_dir()) / "checkpoints"
    if not checkpoints.is_dir():
        return []
    models = import_torchvision("torchvision.models")
    files = {
        name: os.path.basename(models.get_model_weights(name).DEFAULT.url)  # noqa: PTH119, of a URL
        for name in RESNETS
    }
    return [name for name, file in files.items() if (checkpoints / file).is_file()]
