"""The weights that an encoder starts from: read once, fitted to its network, named by a digest."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from clinfonce.errors import InputError
from clinfonce.files import File
from clinfonce.models import imported
from clinfonce.models.build import build_encoder
from clinfonce.models.encoder import Encoder
from clinfonce.models.matching import match
from clinfonce.models.pretrained import pretrained_state, statistics_of
from clinfonce.models.resnet import RESNETS
from clinfonce.models.state_files import read_state

RANDOM, PRETRAINED = "random", "pretrained"


@dataclass(frozen=True, eq=False)
class Weights:
    """Weights for the network that a description builds.

    Attributes:
        description: arguments of `build_encoder`, with the images' mean and std.
        state: of that network, complete, on the CPU.
        sha256: of the file, or of the values where they come from no file: 64 hex digits.
        report: what matched, in a line.
    """

    description: Mapping[str, Any]
    state: Mapping[str, Tensor]
    sha256: str
    report: str

    @cached_property
    def feature_dim(self) -> int:
        """Of the features that the network makes."""
        return self.build().feature_dim

    def build(self) -> Encoder:
        """The network with these weights, on the CPU."""
        with torch.random.fork_rng(devices=[]):  # its random weights are overwritten
            network = build_encoder(**self.description)
        network.load_state_dict(dict(self.state))
        return network


def read_weights(source: str | File, description: Mapping[str, Any]) -> Weights:
    """Read the weights of an encoder.

    Args:
        source: pretrained, or a file; random for a user's own network, whose weights are then
            those that its function gives it.
        description: arguments of `build_encoder`.

    Raises:
        InputError: weights of another network, a file that cannot be trusted or read, an unknown
            network, or one without pretrained weights.
        RunError: pretrained weights are not on this machine and cannot be downloaded.
    """
    wanted = dict(description)
    if source == PRETRAINED:
        return _pretrained(wanted)
    if source == RANDOM:
        return _of_a_function(wanted)
    return _of_a_file(File.at(source), wanted)


def _pretrained(wanted: dict[str, Any]) -> Weights:
    if wanted["name"] in RESNETS:
        if wanted.get("stem") == "small":
            raise InputError(
                f"encoder {wanted['name']}: pretrained weights have the large stem, not the small"
            )
        wanted["stem"] = "large"
    sizes = {"channels": wanted["channels"], "image_size": wanted["image_size"]}
    state, (mean, std) = pretrained_state(wanted["name"], **sizes)
    described = {**wanted, "mean": mean, "std": std}
    return Weights(described, state, _digest(state), f"{len(state)} tensors of the library's")


def _of_a_function(wanted: dict[str, Any]) -> Weights:
    if not wanted["name"].startswith(imported.PREFIX):
        raise InputError(f"encoder {wanted['name']} with random weights has none to read")
    network = build_encoder(**wanted)
    state = {name: w.detach().clone() for name, w in network.state_dict().items()}
    return Weights(
        wanted, state, _digest(state), f"{len(state)} tensors as its function makes them"
    )


def _of_a_file(file: File, wanted: dict[str, Any]) -> Weights:
    given, described, digest = read_state(file)
    name = wanted["name"]
    if (saved := described.get("name", name)) != name:
        raise InputError(f"weights {str(file)!r} are of encoder {saved}, not {name}")
    for field in ("stem", "width", "mean", "std"):
        if wanted.get(field) is None and described.get(field) is not None:
            wanted[field] = described[field]
    if not described and wanted.get("mean") is None and (usual := statistics_of(name)) is not None:
        wanted["mean"], wanted["std"] = usual
    if name in RESNETS and wanted.get("stem") is None:
        wanted["stem"] = _stem_of(given)
    network = build_encoder(**wanted)
    found = match(network, given, str(file))
    return Weights(wanted, found.state, digest, str(found))


def _stem_of(given: Mapping[str, Tensor]) -> str | None:
    """The stem of a ResNet that a file holds, by its first filters."""
    names = [n for n in given if n.endswith("conv1.weight") and "layer" not in n]
    first = next((given[n] for n in names if given[n].ndim == 4), None)
    if first is None:
        return None
    return "large" if first.shape[-1] == 7 else "small"


def _digest(state: Mapping[str, Tensor]) -> str:
    """SHA-256 over names, shapes and values, however these lie in memory."""
    digest = hashlib.sha256()
    for name in sorted(state):
        tensor = state[name].detach().cpu().contiguous()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)} ".encode())
        digest.update(
            tensor.flatten().view(torch.uint8).numpy().data
            if tensor.ndim
            else bytes(str(tensor.item()), "ascii")
        )
    return digest.hexdigest()
