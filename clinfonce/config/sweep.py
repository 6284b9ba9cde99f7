"""The typed specifications of sweeps and single experiments: data, trials, seeds, search."""

import itertools
import math
import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Annotated, Any, Self, TypeAlias

from pydantic import Field, ValidationError, field_validator, model_validator

from clinfonce.config.base import Amount, Count, Line, PlacedError, Seed, Spec
from clinfonce.config.encoder import EMBEDDINGS, RANDOM
from clinfonce.config.search import SchedulerSpec, SearchSpec
from clinfonce.config.similarity import with_roles
from clinfonce.config.space import ROLES, Clusterings, Roles, Subset, grid, points_to_try
from clinfonce.config.specification import TrialSpec, changed_values, set_field

# Of grids that fixed trials choose from, of a space that are tried for faults.
_MOST_POINTS = 10_000
_MOST_OF_A_GRID = 1000  # points, that are looked at before it begins

Seeds: TypeAlias = Annotated[tuple[Seed, ...], Field(strict=False, min_length=1, max_length=1000)]

MEAN_RANK = "mean_rank"  # a metric: how a trial ranks among the others, the mean over targets
HELD_OUT = "held_out"  # a metric: what can be read of columns that no clustering is made of

FROZEN = "frozen"  # name of the trial that probes a pretrained encoder as it is


class DataSpec(Spec):
    """Which data set."""

    name: Line
    root: str | None = None


class NamedTrial(Spec):
    """A trial that a sweep always runs: its name and what it changes in `trial`."""

    name: Line
    trial: dict[str, Any]
    # Dotted field → values: the grid of them runs first with the seed of the sweep's `trial`, and
    # the point that is best by the sweep's metric then runs with the sweep's seeds.
    choose: dict[str, Annotated[list[Any], Field(min_length=1)]] = Field(default_factory=dict)

    @property
    def points(self) -> list[dict[str, Any]]:
        """Every point of the grid in order, the last field changing first; [{}] without a grid."""
        grid = itertools.product(*self.choose.values())
        return [dict(zip(self.choose, values, strict=True)) for values in grid]

    @property
    def n_points(self) -> int:
        """How many points the grid has."""
        return math.prod(map(len, self.choose.values()))


class ResourceSpec(Spec):
    """What one worker of a trial takes of a machine."""

    cpus: Annotated[float, Field(ge=0.001, le=1e6)] = 1.0
    # Absent: one GPU where the Ray cluster has any, else none.
    gpus: Annotated[float, Field(ge=0, le=1e6)] | None = None
    # Fewest workers that a data-parallel trial goes on with after machines were lost, each with a
    # larger share of the batch; absent: it waits until all its workers have room again.
    min_workers: Count | None = None
    # How far trials step back behind other work of this machine, 0 (not at all) to 19; of a Ray
    # that the sweep starts itself.
    niceness: Annotated[int, Field(ge=0, le=19)] = 15

    @field_validator("gpus")
    @classmethod
    def _gpus_are_shared_or_whole(cls, gpus: float | None) -> float | None:
        if gpus and (gpus < 0.001 or (gpus > 1 and gpus % 1)):
            raise ValueError(f"{gpus} is neither 0, a share of a GPU (0.001 to 1) nor whole GPUs")
        return gpus


class ExperimentSpec(Spec):
    """One trial and its data."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=100)]
    data: DataSpec
    trial: TrialSpec = TrialSpec()


class SweepSpec(ExperimentSpec):
    """Many trials on one data set."""

    seeds: Seeds = (1, 2, 3)
    # What is maximised: a measure of the validation split (kids:val_linear_top1_all of the target
    # kids, val_linear_top1_worst_all_by_place of the worst place in evaluation.groups); mean_rank:
    # how a trial ranks among the others, the mean over all targets; or held_out: what can be read
    # of the columns that evaluation.held_out keeps out of all clusterings.
    metric: str = "val_knn"
    fixed: list[NamedTrial] = Field(default_factory=list)
    search: SearchSpec | None = None
    scheduler: SchedulerSpec = SchedulerSpec()
    resources: ResourceSpec = ResourceSpec()
    # Whether a sweep that starts from pretrained weights probes the encoder as it is, as a fixed
    # trial of its own.
    frozen: bool = True
    # Whether trials that are fixed or confirmed are fine-tuned too (evaluation.finetune).
    finetune: bool = False
    # Encoders of searched trials and of grids that are kept, those of the best by `metric`.
    keep: Amount = 10

    @classmethod
    def of_one_trial(cls, experiment: ExperimentSpec) -> Self:
        """The sweep that runs one trial."""
        fixed = [NamedTrial(name=experiment.name, trial={})]
        seeds = (experiment.trial.seed,)
        return cls(**dict(experiment), seeds=seeds, fixed=fixed)

    @model_validator(mode="before")
    @classmethod
    def _frozen_is_a_fixed_trial(cls, values: Any) -> Any:
        """Everything that is adapted is compared with what it was adapted from."""
        if not isinstance(values, dict) or values.get("frozen", True) is not True:
            return values
        trial, fixed = values.get("trial"), values.get("fixed", [])
        if not _starts_from_weights(trial) or not isinstance(fixed, list | tuple):
            return values
        if any(_epochs_of(named) == 0 for named in fixed):
            return values
        return {**values, "fixed": [{"name": FROZEN, "trial": {"epochs": 0}}, *fixed]}

    @field_validator("metric")
    @classmethod
    def _metric_is_on_validation(cls, metric: str) -> str:
        if metric not in (MEAN_RANK, HELD_OUT) and not re.match("(.+?:)?val_", metric):
            raise ValueError(
                f"{metric!r} would select on other data than the validation split; "
                f"allowed are measures whose names start with val_, {MEAN_RANK} and {HELD_OUT}"
            )
        return f"val_features_{metric}" if metric == HELD_OUT else metric

    @model_validator(mode="after")
    def _grids_are_small(self) -> Self:
        """All their points are looked at before anything runs."""
        count = 0
        for number, named in enumerate(self.fixed):
            count += named.n_points
            if count > _MOST_POINTS:
                problem = (
                    f"makes {count:,} trials to choose from; a sweep takes up to {_MOST_POINTS:,}"
                )
                raise PlacedError(("fixed", number, "choose"), problem)
        return self

    @model_validator(mode="after")
    def _no_trial_names_its_seed(self) -> Self:
        """It would be passed over: the sweep gives every trial its seed."""
        for number, named in enumerate(self.fixed):
            for part, given in (("trial", named.trial), ("choose", named.choose)):
                if "seed" in given:
                    problem = "fixed trials run with the seeds of the sweep: use `seeds`"
                    raise PlacedError(("fixed", number, part, "seed"), problem)
        if self.search is not None:
            for part, given in (("trial", self.search.trial), ("space", self.search.space)):
                if "seed" in given:
                    problem = (
                        "searched trials run with the seeds of the search: use `search.seed` for "
                        "the first and `search.seeds` for how many each configuration has"
                    )
                    raise PlacedError(("search", part, "seed"), problem)
        return self

    @model_validator(mode="after")
    def _every_part_makes_a_trial(self) -> Self:
        if not self.fixed and self.search is None:
            raise ValueError("a sweep needs fixed trials, a search, or both")
        if len(names := [named.name for named in self.fixed]) != len(set(names)):
            raise ValueError(f"fixed trials need different names, got {', '.join(names)}")
        for number, named in enumerate(self.fixed):
            self._check_fixed(number, named)
        if self.search is not None:
            self._check_search(self.search)
        return self

    @model_validator(mode="after")
    def _selection_has_a_seed_of_its_own(self) -> Self:
        """Else what was best by luck would be reported with that luck, and rows would meet."""
        if any(named.choose for named in self.fixed) and self.trial.seed in self.seeds:
            raise PlacedError(
                ("trial", "seed"),
                f"{self.trial.seed} is among seeds, but the grids of choose run with it",
            )
        if self.search is not None:
            for seed in sorted(set(self.search.all_seeds) & set(self.seeds)):
                problem = f"{seed} is among seeds, but searched trials run with it"
                raise PlacedError(("search", "seed"), problem)
        return self

    @model_validator(mode="after")
    def _no_trial_runs_twice(self) -> Self:
        if len(self.seeds) != len(set(self.seeds)):
            raise PlacedError(("seeds",), f"must differ, got {list(self.seeds)}")
        seen: dict[str, str] = {}
        for number, named in enumerate(self.fixed):
            for point in named.points:
                spec = self.fixed_trial(named, self.seeds[0], point).model_dump_json()
                if spec in seen:
                    problem = f"is the same trial twice, here and in {seen[spec]!r}"
                    raise PlacedError(("fixed", number), problem)
                seen[spec] = named.name
        return self

    def _check_fixed(self, number: int, named: NamedTrial) -> None:
        """Try every point of its grid."""
        for point in named.points:
            try:
                self.fixed_trial(named, self.seeds[0], point)
            except ValidationError as error:
                if (path := _path_of(error, point)) is None:
                    raise PlacedError(("fixed", number, "trial"), error, within=True) from None
                raise PlacedError(("fixed", number, "choose", path), error) from None

    def _check_search(self, search: SearchSpec) -> None:
        """Try the ends of every dimension, so that a bad one shows before anything runs."""
        for path, dimension in search.space.items():
            if isinstance(dimension, Subset) and path != "clustering.attributes":
                raise PlacedError(
                    ("search", "space", path), "a subset is for clustering.attributes alone"
                )
            if isinstance(dimension, Clusterings):
                _check_clusterings(search, path)
        points = points_to_try(search.space)
        if search.sampler == "grid":  # no point of which is passed over
            points = itertools.chain(points, grid(search.space)[:_MOST_OF_A_GRID])
        for number, point in enumerate(points):
            if number >= _MOST_POINTS:
                problem = f"more than {_MOST_POINTS:,} choices to look at, with their conditions"
                raise PlacedError(("search", "space"), problem)
            if (error := self._fault_of(search, point)) is not None:
                if (wrong := _path_of(error, point)) is None:
                    raise PlacedError(("search", "trial"), error, within=True) from None
                raise PlacedError(("search", "space", wrong), error) from None
        if search.sampler == "nsga2" and self.scheduler.name != "none":
            raise PlacedError(
                ("scheduler", "name"),
                f"{self.scheduler.name} stops trials by accuracy alone, which sampler nsga2 weighs "
                "against cost: use none",
            )

    def _fault_of(self, search: SearchSpec, point: Mapping[str, Any]) -> ValidationError | None:
        """Why a point makes no trial.

        That no column attracts, which some objectives ask for, is no fault of a space in which one
        may: a search passes such points over.
        """
        fault, points = None, [point]
        roles, dimension = point.get(ROLES), search.space.get(ROLES)
        may_attract = isinstance(dimension, Roles) and "attract" in dimension.choices
        if roles and may_attract and search.sampler != "grid":
            points.append({**point, ROLES: {**roles, next(iter(roles)): "attract"}})
        for each in points:
            try:
                self.searched_trial(each, search.seed)
            except ValidationError as error:
                fault = error
            else:
                return None
        return fault

    def fixed_trial(
        self, named: NamedTrial, seed: int, point: Mapping[str, Any] = MappingProxyType({})
    ) -> TrialSpec:
        """The specification of a fixed trial at a point of its grid, with a seed.

        Raises:
            pydantic.ValidationError: the point does not make a trial.
        """
        return self._trial_at(named.trial, point, seed)

    def seeds_of(self, named: NamedTrial) -> tuple[int, ...]:
        """The seeds that a fixed trial runs with; one where nothing is random."""
        trains = self.fixed_trial(named, self.seeds[0]).epochs > 0
        return self.seeds if trains else self.seeds[:1]

    def searched_trial(self, point: Mapping[str, Any], seed: int) -> TrialSpec:
        """The specification of a searched trial: dotted fields of the space set to a point.

        Raises:
            pydantic.ValidationError: the point does not make a trial.
        """
        if self.search is None:
            raise ValueError(f"sweep {self.name} has no search")
        return self._trial_at(self.search.trial, point, seed)

    @property
    def selects(self) -> bool:
        """Whether the metric decides anything beside which encoders are kept."""
        return self.search is not None or any(named.choose for named in self.fixed)

    @property
    def learns(self) -> bool:
        """Whether results of earlier searched trials decide what is proposed or stopped."""
        if self.search is None:
            return False
        blind = self.search.sampler in ("random", "grid") and self.search.minutes is None
        return not blind or self.scheduler.name != "none"

    def canonical(self) -> dict[str, Any]:
        """Everything that decides the sweep's rows, as plain values."""
        return self.model_dump(mode="json", exclude={"resources", "keep"})

    def _trial_at(
        self, changes: Mapping[str, Any], point: Mapping[str, Any], seed: int
    ) -> TrialSpec:
        values = changed_values(self.trial, changes)
        for path, value in point.items():
            if path == ROLES:
                values["similarity"] = with_roles(values.get("similarity"), value)
            else:
                set_field(values, path, value)
        return TrialSpec.model_validate({**values, "seed": seed})


def _check_clusterings(search: SearchSpec, path: str) -> None:
    """Refuse `choices: all` where it has no meaning."""
    place = ("search", "space", path)
    if path != "clustering":
        raise PlacedError(place, "choices: all is for clustering alone; else give a list")
    if parts := [other for other in search.space if other.startswith("clustering.")]:
        raise PlacedError(place, f"choices: all settles the whole clustering: leave out {parts[0]}")
    if search.sampler not in ("tpe", "random"):
        problem = f"choices: all goes with sampler tpe or random, not {search.sampler}"
        raise PlacedError(place, problem)


def _starts_from_weights(trial: Any) -> bool:
    """Whether the common part of the trials names an encoder that is not new."""
    if isinstance(trial, TrialSpec):
        return trial.encoder.is_pretrained
    encoder = trial.get("encoder") if isinstance(trial, Mapping) else None
    if not isinstance(encoder, Mapping):
        return False
    given = encoder.get("weights", RANDOM) != RANDOM or encoder.get("train") == "none"
    return given or encoder.get("name") == EMBEDDINGS


def _epochs_of(named: Any) -> Any:
    trial = named.trial if isinstance(named, NamedTrial) else None
    if trial is None and isinstance(named, Mapping):
        trial = named.get("trial")
    return trial.get("epochs") if isinstance(trial, Mapping) else None


def _path_of(error: ValidationError, paths: Iterable[str]) -> str | None:
    """The dotted field, of those that were set, which the error is about; None: another one."""
    wrong = ".".join(str(part) for part in error.errors()[0]["loc"])
    related = (
        path
        for path in paths
        if f"{path}.".startswith(f"{wrong}.") or f"{wrong}.".startswith(f"{path}.")
    )
    return next(related, None)
