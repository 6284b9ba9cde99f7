"""Encoders in files: their weights as safetensors, with how their network is built."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import nn

from clinfonce.errors import InputError, StorageError
from clinfonce.files import File, Folder
from clinfonce.models.build import build_encoder
from clinfonce.seal import blank_seal, check_seal, seal

_KEY = "clinfonce"


def encoder_file(home: Folder, trial_id: str) -> File:
    """Where a result store keeps the encoder of a trial."""
    return home.file(f"encoders/{trial_id}.safetensors")


@dataclass(frozen=True)
class SavedEncoder:
    """An encoder read from a file.

    Attributes:
        network: in evaluation mode, on the CPU.
        channels: of the images that it takes.
        image_size: of the images that it was trained on.
    """

    network: nn.Module
    channels: int
    image_size: int


def save_encoder(
    place: Path | File, weights: dict[str, torch.Tensor], description: dict[str, Any] | None = None
) -> None:
    """Write the weights of an encoder as safetensors; atomic.

    Args:
        place: the file.
        weights: by name.
        description: arguments of `build_encoder`, so that `load_encoder` can read the file.

    Raises:
        StorageError: it cannot be written now.
    """
    metadata = {} if description is None else {_KEY: json.dumps(description, sort_keys=True)}
    metadata["clinfonce.seal"] = blank_seal()
    content = safetensors.torch.save(
        {name: w.contiguous() for name, w in weights.items()}, metadata
    )
    File.at(place).write(seal(content))


def load_encoder(place: str | Path | File) -> SavedEncoder:
    """Read an encoder that `save_encoder` wrote with its description.

    Args:
        place: a path, or a URI such as s3://bucket/folder/file.safetensors.

    Raises:
        InputError: no such file, or none that says how its encoder is built.
        StorageError: it cannot be read now, or is damaged.
    """
    file = File.at(place)
    try:
        content = file.read()
        check_seal(content, str(file))
        described = json.loads(_metadata(content)[_KEY])
        network = build_encoder(**described)
        network.load_state_dict(safetensors.torch.load(content))
    except FileNotFoundError:
        raise InputError(
            f"{place}: no such file; an encoder of a finished trial is wanted"
        ) from None
    except (KeyError, RuntimeError, SafetensorError, TypeError, ValueError) as error:
        if isinstance(error, StorageError):
            raise
        raise InputError(
            f"{place}: not an encoder that clinfonce saved: {str(error).splitlines()[0]}"
        ) from None
    return SavedEncoder(network.eval(), described["channels"], described["image_size"])


def _metadata(content: bytes) -> dict[str, str]:
    """What a safetensors file says of itself: its header is JSON behind its length in 8 bytes."""
    length = int.from_bytes(content[:8], "little")
    metadata: dict[str, str] = json.loads(content[8 : 8 + length]).get("__metadata__") or {}
    return metadata
