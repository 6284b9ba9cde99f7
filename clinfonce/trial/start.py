"""What trials start from: pretrained weights, read once, and features of a frozen encoder."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from clinfonce.config import EncoderSpec, TrialSpec
from clinfonce.data import TRAIN, ImageTable
from clinfonce.errors import InputError
from clinfonce.evaluation.usable import Visibility
from clinfonce.features import FeatureCache, FeatureRecipe, make_features
from clinfonce.files import File, Folder
from clinfonce.models import Weights, read_weights
from clinfonce.models.saved import encoder_file, keep_weights
from clinfonce.training.inputs import policy_of

_OF_A_TRIAL = "trial:"


class WeightsByDigest(Protocol):
    """Where a process of a trial finds weights."""

    def __getitem__(self, sha256: str, /) -> Weights: ...


@dataclass(frozen=True)
class Start:
    """What a process needs beside a trial's specification and data.

    Attributes:
        weights: by their digest.
        features: where cached features are; None where there is no place for them.
    """

    weights: WeightsByDigest = field(default_factory=dict[str, Weights])
    features: FeatureCache | None = None


NOTHING = Start()


class WeightsReader:
    """Reads the weights that a store's trials start from, each once.

    Args:
        home: folder of the result store.
        table: the images that the networks are to take.
    """

    def __init__(self, home: Folder, table: ImageTable) -> None:
        self._home, self._table = home, table
        self._found: dict[EncoderSpec, Weights] = {}
        self.by_digest: dict[str, Weights] = {}

    def settle(self, spec: TrialSpec) -> TrialSpec:
        """A trial with the digest of its weights, which makes them a part of what it is.

        Raises:
            InputError: weights that do not fit, or others than the digest that is given.
            RunError: pretrained weights are not here and cannot be downloaded.
        """
        if not needs_weights(spec.encoder):
            return spec
        weights = self._read(spec.encoder)
        given = spec.encoder.weights_sha256
        if given not in (None, weights.sha256):
            raise InputError(
                f"encoder.weights_sha256 is {given}, but {spec.encoder.weights} has "
                f"{weights.sha256}: were the weights exchanged?"
            )
        encoder = spec.encoder.model_copy(update={"weights_sha256": weights.sha256})
        return spec.model_copy(update={"encoder": encoder})

    def keep(self) -> None:
        """Write what was read into the store, so that adapters on it can be loaded without it."""
        for weights in self.by_digest.values():
            keep_weights(self._home, weights)

    def _read(self, encoder: EncoderSpec) -> Weights:
        plain = {"weights_sha256": None, "train": "all", "freeze_epochs": 0, "layer_decay": 1.0}
        key = encoder.model_copy(update=plain | {"cache": "float32"})
        if key not in self._found:
            source: str | File = encoder.weights
            if encoder.weights.startswith(_OF_A_TRIAL):
                source = encoder_file(self._home, encoder.weights.removeprefix(_OF_A_TRIAL))
            weights = read_weights(source, described(encoder, self._table))
            self._found[key] = self.by_digest[weights.sha256] = weights
        return self._found[key]


def needs_weights(encoder: EncoderSpec) -> bool:
    """Whether an encoder starts from weights that have to be read."""
    return encoder.is_pretrained and not encoder.takes_embeddings


def needs_features(spec: TrialSpec) -> bool:
    """Whether a trial looks at the features of the encoder that it starts from, as it is."""
    as_it_is = spec.epochs == 0 and spec.encoder.is_pretrained
    return as_it_is or spec.encoder.is_frozen or needs_pretrained(spec)


def needs_pretrained(spec: TrialSpec) -> bool:
    """Whether a clustering is made of the features of the encoder that a trial starts from."""
    clusterings = [spec.clustering, *(term.clustering for term in spec.terms)]
    return any(clustering.features == "pretrained" for clustering in clusterings)


def described(encoder: EncoderSpec, table: ImageTable) -> dict[str, Any]:
    """Arguments of `build_encoder` for the images of a table.

    Raises:
        InputError: the data set holds embeddings, or the encoder takes those and it has images.
    """
    check_kind(encoder, table)
    _, channels, height, _ = table.images.shape
    return encoder.description(channels=channels, image_size=height)


def check_kind(encoder: EncoderSpec, table: ImageTable) -> None:
    """Refuse an encoder of images for embeddings, and the other way round."""
    has_images = len(table.images.shape) == 4
    if has_images and encoder.takes_embeddings:
        raise InputError(
            f"encoder.name is embeddings, but data set {table.name} has images: name a network"
        )
    if not has_images and not encoder.takes_embeddings:
        raise InputError(
            f"data set {table.name} has embeddings in place of images: set encoder.name to "
            "embeddings"
        )


def weights_of(spec: TrialSpec, start: Start) -> Weights | None:
    """The weights that a trial's encoder starts from; None for random ones and for embeddings."""
    if not needs_weights(spec.encoder):
        return None
    if spec.encoder.weights_sha256 is None:
        raise ValueError("the trial's weights were not settled")
    return start.weights[spec.encoder.weights_sha256]


def frozen_features(
    spec: TrialSpec, table: ImageTable, start: Start, device: torch.device
) -> NDArray[Any]:
    """What the frozen encoder of a trial makes of all images: (1 + copies, n, d), perhaps on disk.

    The images themselves come first, then their augmented copies. Features that are not cached yet
    are made now.

    Raises:
        InputError: the encoder does not fit the data.
        StorageError: they cannot be kept or read.
    """
    check_kind(spec.encoder, table)
    weights = weights_of(spec, start)
    if weights is None:
        return np.asarray(table.images)[None]
    if start.features is None:
        raise ValueError("there is no place for cached features")
    recipe = recipe_of(spec, table, weights)
    if start.features.missing(recipe):
        make_features(start.features, recipe, table, weights.build(), device)
    return start.features.open(recipe)


def recipe_of(spec: TrialSpec, table: ImageTable, weights: Weights) -> FeatureRecipe:
    """What the features are that a trial asks for."""
    adapter = spec.own_adapter
    copies = 0 if adapter is None else adapter.views
    return FeatureRecipe.of(
        table,
        weights,
        copies=copies,
        policy=policy_of(spec) if copies else None,
        dtype=spec.encoder.cache,
        precision=spec.precision,
    )


def visibility_of(
    spec: TrialSpec, table: ImageTable, start: Start, device: torch.device
) -> Visibility | None:
    """How clusters of the training images are seen in the features that a trial starts from.

    None where it does not start from such features.
    """
    if not needs_features(spec):
        return None
    features = frozen_features(spec, table, start, device)[0]
    return Visibility(torch.from_numpy(np.array(features[table.rows(TRAIN)])).to(device))


def input_shape(spec: TrialSpec, table: ImageTable, start: Start) -> tuple[int, ...]:
    """Shape of what the trained network sees of an image: (channels, height, width), or (d,)."""
    if spec.own_adapter is None:
        return tuple(table.images.shape[1:])
    weights = weights_of(spec, start)
    return (table.images.shape[1] if weights is None else weights.feature_dim,)


def saved_description(
    spec: TrialSpec, table: ImageTable, start: Start, adapter: Mapping[str, Any] | None
) -> dict[str, Any]:
    """How a trial's encoder is built, for `models.saved`."""
    weights = weights_of(spec, start)
    of_images = adapter is None and not spec.encoder.takes_embeddings
    if of_images and (weights is None or spec.epochs):
        return described(spec.encoder, table) if weights is None else dict(weights.description)
    return {
        "encoder": None if weights is None else dict(weights.description),
        "adapter": None if adapter is None else dict(adapter),
        "weights_sha256": None if weights is None else weights.sha256,
    }
