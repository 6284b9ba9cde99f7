"""Files of weights, read without running what a stranger may have put into them."""

import hashlib
import io
import json
from collections.abc import Iterator, Mapping
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from clinfonce.errors import InputError, StorageError
from clinfonce.files import File

_KEY = "clinfonce"  # of the metadata of encoders that we saved
ENDINGS = (".safetensors", ".pth", ".pt", ".bin", ".ckpt", ".tar")


def read_state(file: File) -> tuple[dict[str, Tensor], dict[str, Any], str]:
    """Read the tensors of a file, on the CPU.

    Args:
        file: .safetensors, or what torch.save wrote (.pth, .pt, .bin, .ckpt, .tar).

    Returns:
        Tensors by name, those inside of dictionaries under the names joined by dots; how its
        encoder is built, where we saved it ({} otherwise); SHA-256 of the file, 64 hex digits.

    Raises:
        InputError: no such file, another ending, a truncated file, or one that holds more than
            tensors and plain values: it is never unpickled.
        StorageError: it cannot be read now.
    """
    if not file.name.endswith(ENDINGS):
        raise InputError(f"weights {str(file)!r}: must end on {', '.join(ENDINGS)}")
    try:
        content = file.read()
    except FileNotFoundError:
        raise InputError(f"weights {str(file)!r}: no such file") from None
    digest = hashlib.sha256(content).hexdigest()
    if file.name.endswith(".safetensors"):
        state, described = _safetensors(file, content), description_in(content)
    else:
        state, described = _torch(file, content), {}
    if not state:
        raise InputError(
            f"weights {str(file)!r}: holds no tensors by name, so no state of a network"
        )
    return state, described, digest


def description_in(content: bytes) -> dict[str, Any]:
    """How the encoder of a safetensors file is built, where `save_encoder` wrote it; else {}."""
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    described: dict[str, Any] = json.loads((header.get("__metadata__") or {}).get(_KEY, "{}"))
    return described


def metadata_of(description: Mapping[str, Any]) -> dict[str, str]:
    """What `description_in` finds."""
    return {_KEY: json.dumps(description, sort_keys=True)}


def _safetensors(file: File, content: bytes) -> dict[str, Tensor]:
    try:
        state: dict[str, Tensor] = safetensors.torch.load(content)
    except (SafetensorError, ValueError, KeyError) as error:
        raise InputError(
            f"weights {str(file)!r}: damaged or no safetensors file: {_line(error)}"
        ) from None
    return state


def _torch(file: File, content: bytes) -> dict[str, Tensor]:
    try:
        held = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except StorageError:
        raise
    except Exception as error:  # a stranger's bytes lead PyTorch into any of them
        text = str(error)
        if "weights_only" in text or "Unsupported" in text:
            raise InputError(
                f"weights {str(file)!r}: holds more than tensors and plain values, and code in it "
                "would run if it were read: save the state_dict alone, best as .safetensors"
            ) from None
        raise InputError(
            f"weights {str(file)!r}: damaged or not written by torch.save: {_line(error)}"
        ) from None
    return dict(_tensors(held))


def _tensors(held: Any, prefix: str = "") -> Iterator[tuple[str, Tensor]]:
    """All tensors in dictionaries of dictionaries."""
    if isinstance(held, Tensor) and prefix:
        yield prefix, held
    elif isinstance(held, Mapping):
        for name, value in held.items():
            if isinstance(name, str):
                yield from _tensors(value, f"{prefix}.{name}" if prefix else name)


def _line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
