"""The typed specification of a trial: frozen values, strictly typed."""

import hashlib
import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from clinfonce.config.augmentation import Augmentation
from clinfonce.config.base import MOST_NUMBERS, Amount, Count, Few, Names, Seed, Several, Spec
from clinfonce.config.clustering import ClusteringSpec
from clinfonce.config.encoder import (
    EMBEDDINGS,
    AdapterSpec,
    EncoderSpec,
    HeadSpec,
    OptimizerSpec,
)
from clinfonce.config.objective import ObjectiveSpec
from clinfonce.config.similarity import SimilaritySpec
from clinfonce.config.terms import TermSpec, check_source, check_term_objective


class SamplerSpec(Spec):
    """Which images share a batch."""

    batch_size: Several = 256  # images, each seen in two views
    # Draw every cluster's images in groups of this size; absent = uniformly, whatever the clusters.
    images_per_cluster: Several | None = None
    # Images of a worker that pass the encoder at a time; absent: all. Memory instead of time.
    chunk: Count | None = None


class EvaluationSpec(Spec):
    """How features are probed."""

    every: Count = 5  # epochs between two validation kNN accuracies
    neighbors: Few = 20
    draws: Few = 20  # few-label draws that are averaged
    factors: bool = True  # whether it is measured what of each column can be read
    # Columns by whose values the test images are grouped: the worst group, and the mean over them.
    groups: Names = ()
    # Columns that no clustering may be made of: what of them can be read from the features is
    # measured, `held_out`.
    held_out: Names = ()
    # Whether the trained network is also fine-tuned on 5 labels a class of the first target.
    finetune: bool = False
    # Whether features are measured without labels; absent: where there is no target.
    label_free: bool | None = None
    balanced: bool = False  # every class weighs the same in the probes with all labels


class TrialSpec(Spec):
    """Everything that decides a trial's row, beside the data."""

    clustering: ClusteringSpec = ClusteringSpec(source="instances")
    similarity: SimilaritySpec | None = None  # weights between images in place of clusters
    # Several of both, whose losses are added; in place of one.
    terms: Annotated[tuple[TermSpec, ...], Field(strict=False, max_length=20)] = ()
    objective: ObjectiveSpec = ObjectiveSpec()
    sampler: SamplerSpec = SamplerSpec()
    augmentation: Augmentation = "simclr"  # a policy's name, or {policy: …} and what is changed
    encoder: EncoderSpec = EncoderSpec()
    adapter: AdapterSpec | None = None  # absent: the default one where train is none
    head: HeadSpec = HeadSpec()
    optimizer: OptimizerSpec = OptimizerSpec()
    evaluation: EvaluationSpec = EvaluationSpec()
    epochs: Amount = 100  # 0 probes the encoder as it is
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
    def _objective_fits_what_attracts(self) -> Self:
        if not self.terms:
            check_source(self.objective, self.clustering, self.similarity)
            return self
        if self.similarity is not None or self.clustering.source != "instances":
            raise ValueError("terms say what attracts: leave clustering and similarity out")
        check_term_objective(self.objective, self.terms)
        return self

    @property
    def source(self) -> str:
        """Where what attracts comes from."""
        if self.terms:
            return "terms"
        return "similarity" if self.similarity is not None else self.clustering.source

    @model_validator(mode="after")
    def _adapter_fits_the_encoder(self) -> Self:
        if self.adapter is not None and not self.encoder.is_frozen:
            raise ValueError(
                "adapter stands on the features of a frozen encoder: set encoder.train to none"
            )
        if self.encoder.name == EMBEDDINGS and self.adapter is not None and self.adapter.views:
            raise ValueError(
                f"adapter.views is {self.adapter.views}, but embeddings have no images to augment"
            )
        if self.encoder.is_frozen and self.sampler.chunk is not None:
            raise ValueError("sampler.chunk saves the memory of an encoder, which is frozen")
        if self.encoder.freeze_epochs >= self.epochs > 0:
            raise ValueError(
                f"encoder.freeze_epochs ({self.encoder.freeze_epochs}) must be below epochs "
                f"({self.epochs}), else no weight of the encoder moves"
            )
        return self

    @property
    def own_adapter(self) -> AdapterSpec | None:
        """The adapter that is trained; None where the encoder itself is."""
        if not self.encoder.is_frozen or self.epochs == 0:
            return None
        return self.adapter or AdapterSpec()

    @property
    def regime(self) -> Literal["scratch", "fine-tuning", "adapter", "frozen"]:
        """What moves: all of a new encoder, some of a pretrained one, an adapter, or nothing."""
        if self.epochs == 0:
            return "frozen"
        if self.encoder.is_frozen:
            return "adapter"
        return "fine-tuning" if self.encoder.is_pretrained else "scratch"

    @model_validator(mode="after")
    def _embeddings_can_be_kept(self) -> Self:
        kept = self.objective.memory * self.head.out_dim
        if kept > MOST_NUMBERS:
            raise ValueError(
                f"objective.memory {self.objective.memory} of head.out_dim {self.head.out_dim} "
                f"keeps {kept:,} numbers; at most {MOST_NUMBERS:,} are kept"
            )
        return self

    @model_validator(mode="after")
    def _clusters_are_made_in_time(self) -> Self:
        if self.clustering.alternates and self.clustering.warmup >= self.epochs > 0:
            raise ValueError(
                f"clustering.warmup ({self.clustering.warmup}) must be below epochs "
                f"({self.epochs}), else nothing is ever clustered"
            )
        return self


_AUGMENTATION = "augmentation"
_ATTRACTION = frozenset({"clustering", "similarity", "terms"})


def change_trial(trial: TrialSpec, changes: Mapping[str, Any]) -> TrialSpec:
    """Return `trial` with some fields replaced; nested mappings change only what they name.

    What attracts (a clustering, a similarity, terms) is replaced as a whole, since its fields
    depend on its source.

    Raises:
        pydantic.ValidationError: a field is unknown or its value is not allowed.
    """
    return TrialSpec.model_validate(changed_values(trial, changes))


def trial_id(experiment: str, trial: TrialSpec, fingerprint: str) -> str:
    """Name a trial by what decides its row: 12 hexadecimal digits."""
    text = json.dumps([experiment, canonical(trial), fingerprint], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


# Fields that came after the first version. At their defaults they change nothing, so they are left
# out of what names a trial: rows of older stores keep their keys.
_LATER: dict[str, frozenset[str]] = {
    "": frozenset({"adapter", "similarity", "terms"}),
    "objective": frozenset({"guide_weight", "guide_dropout", "momentum_encoder"}),
    "encoder": frozenset(
        {
            *("image_size", "weights", "weights_sha256", "train", "freeze_epochs"),
            *("layer_decay", "cache"),
        }
    ),
    "clustering": frozenset({"parts"}),
    "optimizer": frozenset({"head_learning_rate"}),
    "evaluation": frozenset(
        {"factors", "groups", "balanced", "held_out", "label_free", "finetune"}
    ),
}


def canonical(trial: TrialSpec) -> dict[str, Any]:
    """Everything that decides a trial's row, as plain values; equal for equal trials."""
    values = trial.model_dump(mode="json")
    for part, later in _LATER.items():
        spec: Spec = getattr(trial, part) if part else trial
        kept = values[part] if part else values
        for name in later:
            if getattr(spec, name) == type(spec).model_fields[name].default:
                del kept[name]
    return values


def changed_values(trial: TrialSpec, changes: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that were given in `trial` or in `changes`, as plain values, not yet checked."""
    values = trial.model_dump(exclude_unset=True)
    if not _ATTRACTION.isdisjoint(changes):
        values = {name: value for name, value in values.items() if name not in _ATTRACTION}
    return _merge(values, changes)


def _merge(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for field, value in changes.items():
        if field == _AUGMENTATION and isinstance(value, Mapping):
            merged[field] = _with_policy(merged.get(field))
        nested = isinstance(value, Mapping) and isinstance(merged.get(field), Mapping)
        merged[field] = _merge(merged[field], value) if nested else value
    return merged


def _with_policy(augmentation: Any) -> Any:
    """An augmentation in the form that takes changes."""
    return {"policy": augmentation} if isinstance(augmentation, str) else augmentation or {}


def set_field(values: dict[str, Any], path: str, value: Any) -> None:
    """Set the field at a dotted path, in copies of the mappings on the way."""
    *parents, field = path.split(".")
    for parent in parents:
        child = values.get(parent)
        if parent == _AUGMENTATION:
            child = _with_policy(child)
        values[parent] = dict(child) if isinstance(child, Mapping) else {}
        values = values[parent]
    values[field] = value
