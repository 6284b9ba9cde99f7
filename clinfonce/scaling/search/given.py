"""An Optuna sampler that takes some parameters as they are given, and draws the others."""

from typing import Any

from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState


class GivenFirst(BaseSampler):
    """Draws as another sampler does, but for the parameters in `given`.

    Attributes:
        base: the other sampler.
        given: parameter to value, of the trial that is asked for next.
    """

    def __init__(self, base: BaseSampler) -> None:
        self.base = base
        self.given: dict[str, Any] = {}

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """What the other sampler draws together, without what is given."""
        space = self.base.infer_relative_search_space(study, trial)
        return {name: each for name, each in space.items() if name not in self.given}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Parameters that the other sampler draws together."""
        return self.base.sample_relative(study, trial, search_space)

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """A parameter, as given or drawn."""
        if param_name in self.given:
            return self.given[param_name]
        return self.base.sample_independent(study, trial, param_name, param_distribution)

    def reseed_rng(self) -> None:
        """Give the other sampler a new seed."""
        self.base.reseed_rng()

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Tell the other sampler."""
        self.base.before_trial(study, trial)

    def after_trial(self, study: Study, trial: FrozenTrial, state: TrialState, values: Any) -> None:
        """Tell the other sampler."""
        self.base.after_trial(study, trial, state, values)
