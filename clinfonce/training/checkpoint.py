"""Checkpoints: tensors and plain values alone, written whole or not at all."""

import io
from pathlib import Path
from typing import Any

import torch

from clinfonce.errors import StorageError
from clinfonce.files import File, Folder
from clinfonce.seal import blank_seal, check_seal, seal


def save_checkpoint(place: Path | File, state: dict[str, Any]) -> None:
    """Write a state of tensors, numbers, strings, lists and dictionaries; atomic.

    Raises:
        StorageError: it cannot be written now.
    """
    buffer = io.BytesIO()
    torch.save(state, buffer)
    buffer.write(blank_seal().encode())
    File.at(place).write(seal(buffer.getvalue()))


def load_checkpoint(place: Path | File) -> dict[str, Any] | None:
    """Read a state onto the CPU, without unpickling code; None where there is no file.

    Raises:
        StorageError: it cannot be read now, is damaged, or holds more than tensors and plain
            values.
    """
    file = File.at(place)
    try:
        content = file.read()
    except FileNotFoundError:
        return None
    if check_seal(content, f"the checkpoint {file}", "remove it to train the trial anew"):
        content = content[: -len(blank_seal())]
    try:
        state: dict[str, Any] = torch.load(
            io.BytesIO(content), map_location="cpu", weights_only=True
        )
    except Exception as error:  # a stranger's bytes lead PyTorch into any of them
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise StorageError(
            f"the checkpoint {file} is damaged or no checkpoint of clinfonce; remove it to train "
            f"the trial anew ({reason})"
        ) from None
    return state


def checkpoint_file(home: Folder, experiment: str, trial_id: str) -> File:
    """Where a result store keeps what a running trial of a sweep or an experiment resumes from."""
    return home.file(f"checkpoints/{experiment}.{trial_id}.pt")


def checkpoints_of(home: Folder, experiment: str) -> list[File]:
    """Those that are there of a sweep or an experiment."""
    names = [name.removesuffix(".pt").rpartition(".") for name in home.names("checkpoints")]
    return [checkpoint_file(home, of, trial_id) for of, _, trial_id in names if of == experiment]
