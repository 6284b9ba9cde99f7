"""Checkpoints: tensors and plain values alone, written whole or not at all."""

import os
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file


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


def save_encoder(path: Path, weights: dict[str, torch.Tensor]) -> None:
    """Write the weights of an encoder as safetensors; atomic."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".tmp-{os.getpid()}-{path.name}")
    try:
        save_file({name: w.contiguous() for name, w in weights.items()}, partial)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
