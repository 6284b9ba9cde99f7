"""The typed specification of a trial: frozen values, strictly typed."""

import hashlib
import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from clinfonce.config.base import Count, Dimensions, Few, NonNegative, Positive, Seed, Several, Spec
from clinfonce.config.clustering import ClusteringSpec
from clinfonce.config.objective import ObjectiveSpec

_MOST_NUMBERS = 2**28  # of one part of a network: a GiB


class SamplerSpec(Spec):
    """Which images share a batch."""

    batch_size: Several = 256  # images, each seen in two views
    # Draw every cluster's images in groups of this size; absent = uniformly, whatever the clusters.
    images_per_cluster: Several | None = None
    # Images of a worker that pass the encoder at a time; absent: all. Memory instead of time.
    chunk: Count | None = None


class EncoderSpec(Spec):
    """The network whose features are probed."""

    name: str = "small_cnn"
    stem: Literal["small", "large"] | None = None  # of a ResNet; absent: by the size of the images
    width: Few | None = None  # filters of the first block of a small_cnn; absent: 32

    def description(self, *, channels: int, image_size: int) -> dict[str, Any]:
        """Arguments of `clinfonce.models.build_encoder`."""
        return {**self.model_dump(), "channels": channels, "image_size": image_size}


class HeadSpec(Spec):
    """The projection head: a perceptron between the encoder and the objective."""

    hidden_dim: Dimensions = 256
    out_dim: Annotated[int, Field(ge=2, le=65_536)] = 64
    layers: Few = 2

    @model_validator(mode="after")
    def _can_be_built(self) -> Self:
        weights = self.hidden_dim * (self.hidden_dim * max(0, self.layers - 2) + self.out_dim)
        if weights > _MOST_NUMBERS:
            raise ValueError(
                f"hidden_dim {self.hidden_dim}, out_dim {self.out_dim} and layers {self.layers} "
                f"make {weights:,} weights; at most {_MOST_NUMBERS:,} are built"
            )
        return self


class OptimizerSpec(Spec):
    """How the weights move; the learning rate warms up linearly, then follows a half cosine."""

    name: Literal["adamw", "sgd", "lars"] = "adamw"
    learning_rate: Positive = 3e-3
    weight_decay: NonNegative = 1e-4
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9  # of SGD and LARS
    warmup: Annotated[float, Field(ge=0, lt=1)] = 0.1  # share of all steps
    clip_norm: Positive | None = None  # largest length of the gradient; absent: any


class EvaluationSpec(Spec):
    """How features are probed."""

    every: Count = 5  # epochs between two validation kNN accuracies
    neighbors: Few = 20
    draws: Few = 20  # few-label draws that are averaged


class TrialSpec(Spec):
    """Everything that decides a trial's row, beside the data."""

    clustering: ClusteringSpec = ClusteringSpec(source="instances")
    objective: ObjectiveSpec = ObjectiveSpec()
    sampler: SamplerSpec = SamplerSpec()
    augmentation: str = "simclr"
    encoder: EncoderSpec = EncoderSpec()
    head: HeadSpec = HeadSpec()
    optimizer: OptimizerSpec = OptimizerSpec()
    evaluation: EvaluationSpec = EvaluationSpec()
    epochs: Count = 100
    seed: Seed = 0
    workers: Count = 1  # data-parallel processes; the batch is shared out among them
    threads: Few = 1  # CPU threads a worker; sums are ordered by it, so it is part of the row
    device: Literal["auto", "cpu", "cuda"] = "auto"
    precision: Literal["float32", "bfloat16"] = "float32"  # of the network; losses stay in float32
    compile: bool = False  # by torch.compile: minutes to start, then quicker steps on a GPU

    @model_validator(mode="after")
    def _parts_fit_each_other(self) -> Self:
        objective, source = self.objective.name, self.clustering.source
        if objective == "soft_cl_infonce" and source != "attributes":
            raise ValueError(
                f"objective soft_cl_infonce needs clustering.source attributes, not {source}: "
                "two images attract as they agree in those"
            )
        return self

    @model_validator(mode="after")
    def _embeddings_can_be_kept(self) -> Self:
        kept = self.objective.memory * self.head.out_dim
        if kept > _MOST_NUMBERS:
            raise ValueError(
                f"objective.memory {self.objective.memory} of head.out_dim {self.head.out_dim} "
                f"keeps {kept:,} numbers; at most {_MOST_NUMBERS:,} are kept"
            )
        return self

    @model_validator(mode="after")
    def _clusters_are_made_in_time(self) -> Self:
        if self.clustering.alternates and self.clustering.warmup >= self.epochs:
            raise ValueError(
                f"clustering.warmup ({self.clustering.warmup}) must be below epochs "
                f"({self.epochs}), else nothing is ever clustered"
            )
        return self


def change_trial(trial: TrialSpec, changes: Mapping[str, Any]) -> TrialSpec:
    """Return `trial` with some fields replaced; nested mappings change only what they name.

    A clustering is replaced as a whole, since its fields depend on its source.

    Raises:
        pydantic.ValidationError: a field is unknown or its value is not allowed.
    """
    return TrialSpec.model_validate(changed_values(trial, changes))


def trial_id(experiment: str, trial: TrialSpec, fingerprint: str) -> str:
    """Name a trial by what decides its row: 12 hexadecimal digits."""
    text = json.dumps([experiment, trial.model_dump(mode="json"), fingerprint], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def changed_values(trial: TrialSpec, changes: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that were given in `trial` or in `changes`, as plain values, not yet checked."""
    values = trial.model_dump(exclude_unset=True)
    if "clustering" in changes:
        values.pop("clustering", None)
    return _merge(values, changes)


def _merge(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for field, value in changes.items():
        nested = isinstance(value, Mapping) and isinstance(merged.get(field), Mapping)
        merged[field] = _merge(merged[field], value) if nested else value
    return merged


def set_field(values: dict[str, Any], path: str, value: Any) -> None:
    """Set the field at a dotted path, in copies of the mappings on the way."""
    *parents, field = path.split(".")
    for parent in parents:
        child = values.get(parent)
        values[parent] = dict(child) if isinstance(child, Mapping) else {}
        values = values[parent]
    values[field] = value
