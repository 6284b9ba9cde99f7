"""The typed specifications of trials and sweeps: frozen values, strictly typed."""

import hashlib
import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import (
    Discriminator,
    Field,
    Tag,
    ValidationError,
    model_validator,
)

from clinfonce.config.base import Count, Names, NonNegative, Positive, Spec
from clinfonce.config.clustering import ClusteringSpec
from clinfonce.config.objective import ObjectiveSpec


class DataSpec(Spec):
    """Which data set."""

    name: str
    root: str | None = None


class SamplerSpec(Spec):
    """Which images share a batch."""

    batch_size: Annotated[int, Field(ge=2)] = 256  # images, each seen in two views
    # Draw every cluster's images in groups of this size; absent = uniformly, whatever the clusters.
    images_per_cluster: Annotated[int, Field(ge=2)] | None = None
    # Images of a worker that pass the encoder at a time; absent: all. Memory instead of time.
    chunk: Count | None = None


class EncoderSpec(Spec):
    """The network whose features are probed."""

    name: str = "small_cnn"
    stem: Literal["small", "large"] | None = None  # of a ResNet; absent: by the size of the images
    width: Count | None = None  # filters of the first block of a small_cnn; absent: 32

    def description(self, *, channels: int, image_size: int) -> dict[str, Any]:
        """Arguments of `clinfonce.models.build_encoder`."""
        return {**self.model_dump(), "channels": channels, "image_size": image_size}


class HeadSpec(Spec):
    """The projection head: a perceptron between the encoder and the objective."""

    hidden_dim: Count = 256
    out_dim: Annotated[int, Field(ge=2)] = 64
    layers: Count = 2


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
    neighbors: Count = 20
    draws: Count = 20  # few-label draws that are averaged


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
    seed: Annotated[int, Field(ge=0)] = 0
    workers: Count = 1  # data-parallel processes; the batch is shared out among them
    threads: Count = 1  # CPU threads a worker; sums are ordered by it, so it is part of the row
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
    def _clusters_are_made_in_time(self) -> Self:
        if self.clustering.alternates and self.clustering.warmup >= self.epochs:
            raise ValueError(
                f"clustering.warmup ({self.clustering.warmup}) must be below epochs "
                f"({self.epochs}), else nothing is ever clustered"
            )
        return self


class NamedTrial(Spec):
    """A trial that a sweep always runs: its name and what it changes in `trial`."""

    name: str
    trial: dict[str, Any]


class Choices(Spec):
    """One of a list."""

    choices: Annotated[list[Any], Field(min_length=1)]


class Range(Spec):
    """A number between two bounds, both included: whole where both are whole."""

    low: int | float
    high: int | float
    log: bool = False
    step: int | float | None = None

    @model_validator(mode="after")
    def _bounds_in_order(self) -> Self:
        if self.high < self.low:
            raise ValueError(f"high ({self.high}) is below low ({self.low})")
        if self.log and self.low <= 0:
            raise ValueError(f"a logarithmic range starts above 0, not at {self.low}")
        if self.log and self.step is not None:
            raise ValueError("a logarithmic range has no step")
        return self

    @property
    def is_whole(self) -> bool:
        """Whether the values are integers."""
        return isinstance(self.low, int) and isinstance(self.high, int)


class Subset(Spec):
    """Each of a list in or out; "all" = every attribute of the data set."""

    subset: Literal["all"] | Annotated[Names, Field(min_length=1)]


def _kind_of_dimension(value: Any) -> str | None:
    if isinstance(value, Choices | Range | Subset):
        return type(value).__name__.lower()
    kinds = {"choices": "choices", "subset": "subset", "low": "range", "high": "range"}
    keys = value if isinstance(value, Mapping) else ()
    return next((kinds[key] for key in keys if key in kinds), None)


Dimension = Annotated[
    Annotated[Choices, Tag("choices")]
    | Annotated[Range, Tag("range")]
    | Annotated[Subset, Tag("subset")],
    Discriminator(_kind_of_dimension),
]


class PlacedError(ValueError):
    """A mistake in a field of the specification, at a place other than where it showed."""

    def __init__(self, place: tuple[str | int, ...], error: ValidationError | str) -> None:
        self.place = place
        self.finding = None
        if isinstance(error, ValidationError):
            self.finding = error.errors()[0]
            self.place = (*place, *self.finding["loc"])
        super().__init__(self.finding["msg"] if self.finding else error)


class SearchSpec(Spec):
    """Which configurations are tried."""

    trials: Count
    space: Annotated[dict[str, Dimension], Field(min_length=1)]
    trial: dict[str, Any] = Field(
        default_factory=dict
    )  # what searched trials change in the sweep's `trial`
    sampler: Literal["tpe", "random"] = "tpe"
    seed: Annotated[int, Field(ge=0)] = 0
    # What is maximised, a column of the table `trials` that ends on the validation split.
    metric: str = "val_knn"
    # A proposal sees the results of all earlier trials but the last `window`: a fixed lag makes the
    # same sweep propose the same trials however fast each of them ends. At most this many run at
    # a time, so raise it on a large Ray cluster.
    window: Count = 4
    confirm: Annotated[int, Field(ge=0)] = 1  # best configurations that run again with `seeds`

    @model_validator(mode="after")
    def _metric_is_on_validation(self) -> Self:
        if not self.metric.startswith("val_"):
            raise ValueError(
                f"metric {self.metric!r} would select on other data than the validation split; "
                "allowed are the columns of the table trials that start with val_"
            )
        return self


class SchedulerSpec(Spec):
    """Which trials are stopped early, judged by their validation kNN accuracy."""

    name: Literal["asha", "none"] = "none"
    grace_epochs: Count = 1  # no trial stops before
    reduction_factor: Annotated[float, Field(gt=1)] = 2.0  # one in so many goes on at each rung


class ResourceSpec(Spec):
    """What one worker of a trial takes of a machine."""

    cpus: Positive = 1.0
    gpus: NonNegative | None = None  # absent: one GPU where the Ray cluster has any, else none


class ExperimentSpec(Spec):
    """One trial and its data."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    data: DataSpec
    trial: TrialSpec = TrialSpec()


class SweepSpec(ExperimentSpec):
    """Many trials on one data set."""

    seeds: Annotated[tuple[int, ...], Field(strict=False, min_length=1)] = (1, 2, 3)
    fixed: list[NamedTrial] = Field(default_factory=list)
    search: SearchSpec | None = None
    scheduler: SchedulerSpec = SchedulerSpec()
    resources: ResourceSpec = ResourceSpec()

    @classmethod
    def of_one_trial(cls, experiment: ExperimentSpec) -> Self:
        """The sweep that runs one trial."""
        fixed = [NamedTrial(name=experiment.name, trial={})]
        seeds = (experiment.trial.seed,)
        return cls(**dict(experiment), seeds=seeds, fixed=fixed)

    @model_validator(mode="after")
    def _every_part_makes_a_trial(self) -> Self:
        if not self.fixed and self.search is None:
            raise ValueError("a sweep needs fixed trials, a search, or both")
        if len(names := [named.name for named in self.fixed]) != len(set(names)):
            raise ValueError(f"fixed trials need different names, got {', '.join(names)}")
        for number, named in enumerate(self.fixed):
            try:
                self.fixed_trial(named, self.seeds[0])
            except ValidationError as error:
                raise PlacedError(("fixed", number, "trial"), error) from None
        if self.search is not None:
            self._check_search(self.search)
        return self

    def _check_search(self, search: SearchSpec) -> None:
        """Try both ends of every dimension, so that a bad one shows before anything runs."""
        for path, dimension in search.space.items():
            if isinstance(dimension, Subset) and path != "clustering.attributes":
                raise PlacedError(
                    ("search", "space", path), "a subset is for clustering.attributes alone"
                )
        for last in (False, True):
            point = {path: _an_end(dimension, last) for path, dimension in search.space.items()}
            try:
                self.searched_trial(point, search.seed)
            except ValidationError as error:
                path = ".".join(str(part) for part in error.errors()[0]["loc"])
                place = next((p for p in point if p == path or p.startswith(f"{path}.")), None)
                if place is None:
                    raise PlacedError(("search", "trial"), error) from None
                raise PlacedError(("search", "space", place), error) from None

    def fixed_trial(self, named: NamedTrial, seed: int) -> TrialSpec:
        """The specification of a fixed trial with one of the seeds."""
        return change_trial(self.trial, {**named.trial, "seed": seed})

    def searched_trial(self, point: Mapping[str, Any], seed: int) -> TrialSpec:
        """The specification of a searched trial: dotted fields of the space set to a point.

        Raises:
            pydantic.ValidationError: the point does not make a trial.
        """
        if self.search is None:
            raise ValueError(f"sweep {self.name} has no search")
        values = _changed(self.trial, self.search.trial)
        for path, value in point.items():
            _set(values, path, value)
        return TrialSpec.model_validate({**values, "seed": seed})

    def canonical(self) -> dict[str, Any]:
        """Everything that decides the sweep's rows, as plain values."""
        return self.model_dump(mode="json", exclude={"resources"})


def change_trial(trial: TrialSpec, changes: Mapping[str, Any]) -> TrialSpec:
    """Return `trial` with some fields replaced; nested mappings change only what they name.

    A clustering is replaced as a whole, since its fields depend on its source.

    Raises:
        pydantic.ValidationError: a field is unknown or its value is not allowed.
    """
    return TrialSpec.model_validate(_changed(trial, changes))


def trial_id(experiment: str, trial: TrialSpec, fingerprint: str) -> str:
    """Name a trial by what decides its row: 12 hexadecimal digits."""
    text = json.dumps([experiment, trial.model_dump(mode="json"), fingerprint], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _changed(trial: TrialSpec, changes: Mapping[str, Any]) -> dict[str, Any]:
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


def _an_end(dimension: Dimension, last: bool) -> Any:
    match dimension:
        case Choices(choices=choices):
            return choices[-1 if last else 0]
        case Range(low=low, high=high):
            return high if last else low
        case Subset(subset="all"):
            return ("any",)
        case Subset(subset=names):
            return names


def _set(values: dict[str, Any], path: str, value: Any) -> None:
    """Set the field at a dotted path, in copies of the mappings on the way."""
    *parents, field = path.split(".")
    for parent in parents:
        child = values.get(parent)
        values[parent] = dict(child) if isinstance(child, Mapping) else {}
        values = values[parent]
    values[field] = value
