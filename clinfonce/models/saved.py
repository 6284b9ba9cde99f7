"""Encoders in files: their weights as safetensors, with how their network is built.

A result store keeps the weights that trials start from once, under their digest, and of an adapter
the adapter alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
from safetensors import SafetensorError
from torch import Tensor, nn

from clinfonce.errors import InputError, StorageError
from clinfonce.files import File, Folder
from clinfonce.models.adapter import AdaptedEncoder, Adapter
from clinfonce.models.build import build_encoder
from clinfonce.models.encoder import Encoder
from clinfonce.models.state_files import description_in, metadata_of
from clinfonce.models.weights import Weights
from clinfonce.seal import blank_seal, check_seal, seal

State = Mapping[str, Tensor]

_SUFFIX = ".safetensors"


def encoder_file(home: Folder, trial_id: str) -> File:
    """Where a result store keeps the encoder of a trial."""
    return home.file(f"encoders/{trial_id}.safetensors")


def weights_file(home: Folder, sha256: str) -> File:
    """Where a result store keeps weights that trials start from."""
    return home.file(f"weights/{sha256}.safetensors")


def find_encoder(home: Folder, trial: str) -> File:
    """The encoder of a trial, named by its id or by how that begins if no other begins alike.

    Raises:
        InputError: there is none, or more than one.
    """
    names = home.names("encoders")
    saved = [name.removesuffix(_SUFFIX) for name in names if name.endswith(_SUFFIX)]
    found = [name for name in saved if name.startswith(trial)]
    exact = [name for name in found if name == trial]
    if len(exact or found) == 1:
        return encoder_file(home, (exact or found)[0])
    if found:
        raise InputError(f"trial {trial!r} is not unique: {', '.join(found[:5])} begin with it")
    raise InputError(
        f"trial {trial!r} has no encoder in {home.file('encoders')} ({len(saved)} are there: of a "
        "search those of the best `keep` trials); clinfonce query 'SELECT trial_id, name FROM "
        "trials' lists the trials"
    )


@dataclass(frozen=True)
class SavedEncoder:
    """An encoder read from a file.

    Attributes:
        network: in evaluation mode, on the CPU.
        channels: of the images that it takes; 0 where it takes embeddings (n, d).
        image_size: of the images that it was trained on.
        description: how it is built, for `save_encoder`.
    """

    network: nn.Module
    channels: int
    image_size: int
    description: Mapping[str, Any]


def save_encoder(
    place: Path | File, weights: State, description: Mapping[str, Any] | None = None
) -> None:
    """Write the weights of an encoder as safetensors; atomic.

    Args:
        place: the file.
        weights: by name.
        description: how it is built, so that `load_encoder` can read the file: arguments of
            `build_encoder`; or of an encoder with an adapter `encoder` (those), `adapter`
            (arguments of `Adapter`) and `weights_sha256` of the encoder.

    Raises:
        StorageError: it cannot be written now.
    """
    metadata = {} if description is None else metadata_of(description)
    metadata["clinfonce.seal"] = blank_seal()
    content = safetensors.torch.save(
        {name: w.contiguous() for name, w in weights.items()}, metadata
    )
    File.at(place).write(seal(content))


def keep_weights(home: Folder, weights: Weights) -> None:
    """Write the weights that trials start from into a result store, unless they are there."""
    file = weights_file(home, weights.sha256)
    if not file.exists():
        save_encoder(file, weights.state, weights.description)


def load_encoder(place: str | Path | File) -> SavedEncoder:
    """Read an encoder that `save_encoder` wrote with its description.

    Args:
        place: a path, or a URI such as s3://bucket/folder/file.safetensors.

    Raises:
        InputError: no such file, none that says how its encoder is built, or the weights that it
            was adapted from are missing.
        StorageError: it cannot be read now, or is damaged.
    """
    file = File.at(place)
    try:
        content = file.read()
        check_seal(content, str(file))
        described = description_in(content)
        state = safetensors.torch.load(content)
        network = _build(file, described, state)
    except FileNotFoundError:
        raise InputError(
            f"{place}: no such file; an encoder of a finished trial is wanted"
        ) from None
    except (KeyError, RuntimeError, SafetensorError, TypeError, ValueError) as error:
        if isinstance(error, StorageError | InputError):
            raise
        raise InputError(
            f"{place}: not an encoder that clinfonce saved: {str(error).splitlines()[0]}"
        ) from None
    images = described if "name" in described else described["encoder"] or {}
    return SavedEncoder(
        network.eval(), images.get("channels", 0), images.get("image_size", 0), described
    )


def _build(file: File, described: Mapping[str, Any], state: State) -> nn.Module:
    if "name" in described:
        network: nn.Module = build_encoder(**described)
        network.load_state_dict(dict(state))
        return network
    frozen, adapter = _frozen(file, described, state), None
    if described["adapter"] is not None:
        adapter = Adapter(**described["adapter"])
        adapter.load_state_dict(below(state, "adapter."))
    if frozen is not None and adapter is not None:
        return AdaptedEncoder(frozen, adapter)
    return frozen or adapter or nn.Identity()  # embeddings as they are


def _frozen(file: File, described: Mapping[str, Any], state: State) -> Encoder | None:
    """The frozen encoder, from the file itself or from the weights that a store keeps beside it."""
    if described["encoder"] is None:
        return None
    network = build_encoder(**described["encoder"])
    if not (own := below(state, "frozen.")):
        home = file.folder if "/" in file.name else file.folder.parent
        kept = weights_file(home, described["weights_sha256"])
        try:
            found = kept.read()
            check_seal(found, str(kept))
            own = safetensors.torch.load(found)
        except FileNotFoundError:
            raise InputError(
                f"{file} is an adapter, and the weights that it stands on are not in {kept}: leave "
                "it in its result store, or write both as one with `clinfonce export`"
            ) from None
    network.load_state_dict(own)
    return network


def below(state: State, prefix: str) -> dict[str, Tensor]:
    """The tensors under a prefix, without it."""
    return {n.removeprefix(prefix): t for n, t in state.items() if n.startswith(prefix)}
