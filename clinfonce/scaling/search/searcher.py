"""Points of the search space from Ray Tune's OptunaSearch."""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import optuna
import torch
from pydantic import ValidationError
from ray.tune.search.optuna import OptunaSearch

from clinfonce.config import (
    Choices,
    Clusterings,
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
from clinfonce.errors import InputError
from clinfonce.scaling.search.additive import Additive, Draft, RandomDrafts
from clinfonce.scaling.search.drafts import Crossings, Drafts, RolesOfColumns, Subsets
from clinfonce.scaling.search.given import GivenFirst
from clinfonce.trial.parts import Part

_MOST_ATTEMPTS = 1000  # at a point whose values go together


class OptunaSearcher:
    """OptunaSearch told in order, and told what was stopped early as pruned.

    Args:
        sweep: with a search: its space, sampler and seed.
        attributes: what `subset: all` stands for.
        storage: where the study is kept; None: in memory.
        first: points to begin with; fields that they leave out are drawn.
        parts: what `choices: all` makes clusterings of.
        columns: what `columns: all` of roles stands for.
    """

    def __init__(
        self,
        sweep: SweepSpec,
        attributes: tuple[str, ...],
        storage: optuna.storages.BaseStorage | None = None,
        first: Sequence[Mapping[str, Any]] = (),
        parts: Sequence[Part] = (),
        *,
        columns: tuple[str, ...] = (),
    ) -> None:
        assert sweep.search is not None
        self._sweep, self._space = sweep, sweep.search.space
        self._of_parts: dict[str, Drafts] = {}  # by path
        for path, dimension in self._space.items():
            if isinstance(dimension, Subset):
                elements = attributes if dimension.subset == "all" else dimension.subset
                self._of_parts[path] = Subsets(path, elements)
            elif isinstance(dimension, Clusterings):
                self._of_parts[path] = Crossings(path, parts, dimension.largest)
            elif isinstance(dimension, Roles):
                named = columns if dimension.columns == "all" else dimension.columns
                self._of_parts[path] = RolesOfColumns(path, named, dimension.choices)
        self._point: dict[str, Any] = {}
        self._names: dict[int, str] = {}  # of the proposals that became trials, in the study
        self._proposer, self._drafts = self._proposer_of(sweep.search, first)
        self._proposed: dict[int, Draft | None] = {}
        self._informed = _sampler(sweep.search)
        self._at_random = optuna.samplers.RandomSampler(seed=sweep.search.seed)
        self._sampler = GivenFirst(self._informed)
        two = sweep.search.sampler == "nsga2"
        self._metrics = [sweep.metric, "cost"] if two else [sweep.metric]
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._search = OptunaSearch(
            space=self._suggest_point,
            metric=self._metrics if two else sweep.metric,
            mode=["max", "min"] if two else "max",
            points_to_evaluate=[] if self._proposer else self._listed(sweep.search, first),
            sampler=self._sampler,
            study_name=sweep.name,
            storage=storage,
        )

    def ask(self, number: int) -> dict[str, Any]:
        """The point of a configuration: values by dotted field; subsets as tuples of names.

        Points whose values exclude each other, such as a prediction of columns of which none
        attracts, are passed over, and others drawn at random: the study keeps them as failed.

        Raises:
            InputError: the space has hardly any other.
        """
        problem = ""
        for attempt in range(_MOST_ATTEMPTS):
            self._names[number] = f"{number}.{attempt}" if attempt else str(number)
            self._sampler.base = self._at_random if attempt else self._informed
            draft = self._given_draft()
            point = self._suggested(number)
            try:
                self._sweep.searched_trial(point, 0)
            except ValidationError as error:
                problem = str(error.errors()[0]["msg"]).removeprefix("Value error, ")
                self._search.on_trial_complete(self._names[number], None, error=True)
                if isinstance(self._proposer, Additive) and draft is not None:
                    self._proposer.withdraw(draft)
            else:
                return point
        raise InputError(
            f"search.space: {_MOST_ATTEMPTS} proposals one after the other made no trial ({problem}"
            "): leave out values that exclude each other"
        )

    def _given_draft(self) -> Draft | None:
        """The parts that are proposed next, which the study then takes as they are."""
        self._sampler.given = {}
        if self._proposer is None or self._drafts is None:
            return None
        draft = self._proposer.propose()
        self._sampler.given = {} if draft is None else self._drafts.parameters(draft)
        return draft

    def follow(self, number: int, point: Mapping[str, Any]) -> None:
        """Take a point that another search proposed, before it grew to this one."""
        self._names[number] = str(number)
        self._sampler.given = self._as_parameters(point)
        self._suggested(number)

    def _suggested(self, number: int) -> dict[str, Any]:
        threads = torch.get_num_threads()
        torch.set_num_threads(1)  # of GPSampler, whose sums would follow the machine's cores
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # that a Gaussian process takes its time
                self._search.suggest(self._names[number])
        finally:
            torch.set_num_threads(threads)
        if self._drafts is not None:
            self._proposed[number] = self._drafts.draft(self._point[self._drafts.path])
        return self._point

    def tell(
        self, number: int, values: Sequence[float] | None, reached: Mapping[int, float]
    ) -> None:
        """A configuration ended: with its values, or pruned (None) with what it reached."""
        for epoch, accuracy in sorted(reached.items()):
            self._search.on_trial_result(
                self._names[number], {self._metrics[0]: accuracy, "training_iteration": epoch}
            )
        self._tell_proposer(number, None if values is None else values[0])
        ended = None if values is None else dict(zip(self._metrics, values, strict=True))
        self._search.on_trial_complete(self._names[number], ended)

    def fail(self, number: int) -> None:
        """A trial of the configuration failed."""
        self._tell_proposer(number, None)
        self._search.on_trial_complete(self._names[number], None, error=True)

    def _suggest_point(self, trial: Any) -> None:
        """Keep the point here: what OptunaSearch returns takes a / in a name for a level."""
        self._point = walk(self._space, lambda path, d: self._suggest(trial, path, d))

    def _suggest(self, trial: Any, path: str, dimension: Dimension) -> Any:
        match dimension:
            case Choices():
                named = {as_category(choice): choice for choice in dimension.choices}
                return named[trial.suggest_categorical(path, list(named))]
            case Subset() | Clusterings() | Roles():
                return self._of_parts[path].suggest(trial)
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

    def _proposer_of(
        self, search: SearchSpec, first: Sequence[Mapping[str, Any]]
    ) -> tuple[Additive | RandomDrafts | None, Drafts | None]:
        """What proposes sets of parts, if such a dimension is there whatever the others are."""
        always = (d for path, d in self._of_parts.items() if not self._space[path].when)
        drafts = next(always, None)
        if drafts is None or not drafts.groups or search.sampler not in ("tpe", "random"):
            return None, None
        if search.sampler == "random":
            if not isinstance(drafts, Crossings):
                return None, None
            return RandomDrafts(drafts.groups, search.seed, drafts.largest), drafts
        given = [drafts.draft(point[drafts.path]) for point in first if drafts.path in point]
        proposer = Additive(
            drafts.groups,
            first=[draft for draft in given if draft is not None],
            empty=drafts.may_be_empty,
            largest=drafts.largest,
            others=len(self._space) > 1,
        )
        return proposer, drafts

    def _tell_proposer(self, number: int, value: float | None) -> None:
        draft = self._proposed.get(number)
        if isinstance(self._proposer, Additive) and draft is not None:
            self._proposer.tell(draft, value)

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
                case Subset() | Clusterings() | Roles():
                    draft = self._of_parts[path].draft(value)
                    parameters |= self._of_parts[path].parameters(draft or frozenset())
                case Choices():
                    parameters[path] = as_category(value)
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
