"""Points of the search space from Ray Tune's OptunaSearch."""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import optuna
import torch
from ray.tune.search.optuna import OptunaSearch

from clinfonce.config import (
    Choices,
    Dimension,
    Range,
    Roles,
    SearchSpec,
    Subset,
    SweepSpec,
    grid,
    walk,
)
from clinfonce.config.space import as_category

_IN_OR_OUT = ":"  # parts the name of a field from the element that is in or out, or has a role


class OptunaSearcher:
    """OptunaSearch told in order, and told what was stopped early as pruned.

    Args:
        sweep: with a search: its space, sampler and seed.
        attributes: what `subset: all` stands for.
        storage: where the study is kept; None: in memory.
        first: points to begin with; fields that they leave out are drawn.
        columns: what `columns: all` of roles stands for.
    """

    def __init__(
        self,
        sweep: SweepSpec,
        attributes: tuple[str, ...],
        storage: optuna.storages.BaseStorage | None = None,
        first: Sequence[Mapping[str, Any]] = (),
        columns: tuple[str, ...] = (),
    ) -> None:
        assert sweep.search is not None
        self._space, self._attributes = sweep.search.space, attributes
        self._columns = columns
        self._point: dict[str, Any] = {}
        two = sweep.search.sampler == "nsga2"
        self._metrics = [sweep.metric, "cost"] if two else [sweep.metric]
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._search = OptunaSearch(
            space=self._suggest_point,
            metric=self._metrics if two else sweep.metric,
            mode=["max", "min"] if two else "max",
            points_to_evaluate=self._listed(sweep.search, first),
            sampler=_sampler(sweep.search),
            study_name=sweep.name,
            storage=storage,
        )

    def ask(self, number: int) -> dict[str, Any]:
        """The point of a configuration: values by dotted field; subsets as tuples of names."""
        threads = torch.get_num_threads()
        torch.set_num_threads(1)  # of GPSampler, whose sums would follow the machine's cores
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # that a Gaussian process takes its time
                self._search.suggest(str(number))
        finally:
            torch.set_num_threads(threads)
        return self._point

    def tell(
        self, number: int, values: Sequence[float] | None, reached: Mapping[int, float]
    ) -> None:
        """A configuration ended: with its values, or pruned (None) with what it reached."""
        for epoch, accuracy in sorted(reached.items()):
            self._search.on_trial_result(
                str(number), {self._metrics[0]: accuracy, "training_iteration": epoch}
            )
        ended = None if values is None else dict(zip(self._metrics, values, strict=True))
        self._search.on_trial_complete(str(number), ended)

    def fail(self, number: int) -> None:
        """A trial of the configuration failed."""
        self._search.on_trial_complete(str(number), None, error=True)

    def _suggest_point(self, trial: Any) -> None:
        """Keep the point here: what OptunaSearch returns takes a / in a name for a level."""
        self._point = walk(self._space, lambda path, d: self._suggest(trial, path, d))

    def _suggest(self, trial: Any, path: str, dimension: Dimension) -> Any:
        match dimension:
            case Choices():
                named = {as_category(choice): choice for choice in dimension.choices}
                return named[trial.suggest_categorical(path, list(named))]
            case Subset():
                return self._suggest_subset(trial, path, self._elements(dimension))
            case Roles():
                roles = list(dimension.choices)
                return {
                    name: trial.suggest_categorical(path + _IN_OR_OUT + name, roles)
                    for name in self._columns_of(dimension)
                }
            case Range() if dimension.is_whole:
                return trial.suggest_int(
                    path,
                    int(dimension.low),
                    int(dimension.high),
                    step=int(dimension.step or 1),
                    log=dimension.log,
                )
            case Range():
                return trial.suggest_float(
                    path, dimension.low, dimension.high, step=dimension.step, log=dimension.log
                )

    def _suggest_subset(self, trial: Any, path: str, elements: Sequence[str]) -> tuple[str, ...]:
        """Each in or out; where all were out one is in, in the study too, by turns."""
        names = {element: path + _IN_OR_OUT + element for element in elements}
        chosen = tuple(e for e in elements if trial.suggest_categorical(names[e], [False, True]))
        if chosen or not elements:  # of data without attributes, which its trials say
            return chosen
        element = elements[trial.number % len(elements)]
        distribution = trial.distributions[names[element]]
        inside = distribution.to_internal_repr(True)
        trial.storage.set_trial_param(trial._trial_id, names[element], inside, distribution)
        return (element,)

    def _elements(self, subset: Subset) -> tuple[str, ...]:
        return self._attributes if subset.subset == "all" else subset.subset

    def _columns_of(self, roles: Roles) -> tuple[str, ...]:
        return self._columns if roles.columns == "all" else roles.columns

    def _listed(
        self, search: SearchSpec, first: Sequence[Mapping[str, Any]]
    ) -> list[dict[str, Any]]:
        """The points of a grid, or those to begin with, as Optuna's parameters."""
        points = grid(search.space) if search.sampler == "grid" else first
        return [self._as_parameters(point) for point in points]

    def _as_parameters(self, point: Mapping[str, Any]) -> dict[str, Any]:
        parameters: dict[str, Any] = {}
        for path, value in point.items():
            dimension = self._space[path]
            match dimension:
                case Subset():
                    for element in self._elements(dimension):
                        parameters[path + _IN_OR_OUT + element] = element in value
                case Choices():
                    parameters[path] = as_category(value)
                case Roles():
                    parameters |= {path + _IN_OR_OUT + name: role for name, role in value.items()}
                case _:
                    parameters[path] = value
        return parameters


def _sampler(search: SearchSpec) -> optuna.samplers.BaseSampler:
    startup = min(10, search.n_trials // 3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        match search.sampler:
            case "tpe":
                return optuna.samplers.TPESampler(seed=search.seed, n_startup_trials=startup)
            case "gp":
                return optuna.samplers.GPSampler(
                    seed=search.seed,
                    n_startup_trials=max(1, startup),
                    warn_independent_sampling=False,  # as dimensions with a condition are
                )
            case "nsga2":
                population = max(4, min(50, search.n_trials // 4))
                return optuna.samplers.NSGAIISampler(seed=search.seed, population_size=population)
            case _:  # a grid asks for none of its values
                return optuna.samplers.RandomSampler(seed=search.seed)
