"""Checkpoints: tensors and plain values alone, written whole or not at all."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import nn

from clinfonce.errors import InputError
from clinfonce.models import build_encoder

_KEY = "clinfonce"


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write a state of tensors, numbers, strings, lists and dictionaries; atomic."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".tmp-{os.getpid()}-{path.name}")
    try:
        torch.save(state, partial)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def load_checkpoint(path: Path) -> dict[str, Any] | None:
    """Read a state onto the CPU, without unpickling code; None where there is no file."""
    if not path.exists():
        return None
    state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return state


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
    path: Path, weights: dict[str, torch.Tensor], description: dict[str, Any] | None = None
) -> None:
    """Write the weights of an encoder as safetensors; atomic.

    Args:
        path: of the file.
        weights: by name.
        description: arguments of `build_encoder`, so that `load_encoder` can read the file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".tmp-{os.getpid()}-{path.name}")
    metadata = None if description is None else {_KEY: json.dumps(description, sort_keys=True)}
    try:
        save_file({name: w.contiguous() for name, w in weights.items()}, partial, metadata)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def load_encoder(path: Path) -> SavedEncoder:
    """Read an encoder that `save_encoder` wrote with its description.

    Raises:
        InputError: no such file, or none that says how its encoder is built.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file; an encoder of a finished trial is wanted")
    try:
        with safe_open(path, framework="pt") as file:
            described = json.loads((file.metadata() or {})[_KEY])
        network = build_encoder(**described)
        network.load_state_dict(load_file(path))
    except (KeyError, OSError, RuntimeError, SafetensorError, TypeError, ValueError) as error:
        raise InputError(
            f"{path}: not an encoder that clinfonce saved: {str(error).splitlines()[0]}"
        ) from None
    return SavedEncoder(network.eval(), described["channels"], described["image_size"])
