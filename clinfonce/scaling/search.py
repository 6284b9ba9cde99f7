"""Points of the search space from Ray Tune's OptunaSearch."""

from collections.abc import Mapping
from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from ray.tune.search.optuna import OptunaSearch

from clinfonce.config import Choices, Range, SearchSpec, Subset

_IN_OR_OUT = ":"  # parts the name of a field from the element that is in or out


class OptunaSearcher:
    """OptunaSearch told in order, and told what was stopped early as pruned.

    Args:
        search: the space, the sampler and its seed.
        attributes: what `subset: all` stands for.
    """

    def __init__(self, search: SearchSpec, attributes: tuple[str, ...]) -> None:
        self._metric = search.metric
        self._search = OptunaSearch(
            space=distributions(search, attributes),
            metric=search.metric,
            mode="max",
            sampler=_sampler(search),
        )

    def ask(self, number: int) -> dict[str, Any]:
        """The point of a trial: values by dotted field; subsets as tuples of names."""
        suggested = self._search.suggest(str(number))
        point: dict[str, Any] = {}
        for name, value in suggested.items():
            path, in_or_out, element = name.partition(_IN_OR_OUT)
            if not in_or_out:
                point[path] = value
            else:
                point.setdefault(path, ())
                point[path] += (element,) if value else ()
        return point

    def tell(self, number: int, value: float | None, reached: Mapping[int, float]) -> None:
        """A trial ended: with its value, or pruned (None) with the accuracies it reached."""
        for epoch, accuracy in sorted(reached.items()):
            self._search.on_trial_result(
                str(number), {self._metric: accuracy, "training_iteration": epoch}
            )
        self._search.on_trial_complete(
            str(number), None if value is None else {self._metric: value}
        )

    def fail(self, number: int) -> None:
        """The trial failed."""
        self._search.on_trial_complete(str(number), None, error=True)


def distributions(search: SearchSpec, attributes: tuple[str, ...]) -> dict[str, BaseDistribution]:
    """Optuna's distributions of a search space; each element of a subset is one of its own."""
    space: dict[str, BaseDistribution] = {}
    for path, dimension in search.space.items():
        match dimension:
            case Choices(choices=choices):
                space[path] = CategoricalDistribution(choices)
            case Subset(subset=elements):
                for element in attributes if elements == "all" else elements:
                    space[path + _IN_OR_OUT + element] = CategoricalDistribution([False, True])
            case Range() if dimension.is_whole:
                step = int(dimension.step or 1)
                space[path] = IntDistribution(
                    int(dimension.low), int(dimension.high), log=dimension.log, step=step
                )
            case Range():
                space[path] = FloatDistribution(
                    dimension.low, dimension.high, log=dimension.log, step=dimension.step
                )
    return space


def _sampler(search: SearchSpec) -> optuna.samplers.BaseSampler:
    if search.sampler == "random":
        return optuna.samplers.RandomSampler(seed=search.seed)
    return optuna.samplers.TPESampler(
        seed=search.seed, n_startup_trials=min(10, search.trials // 3)
    )
