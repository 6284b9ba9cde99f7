"""The part of a specification that says which configurations a sweep tries."""

from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import Field, model_validator

from clinfonce.config.base import Amount, Count, Few, PlacedError, Positive, SmallSeed, Spec
from clinfonce.config.space import LARGEST_GRID, Space, check_space, grid

SEEDS_APART = 1000  # far from the seeds that confirm
MOST_IN_TIME = 1000  # configurations, where minutes alone say how many

Trials: TypeAlias = Annotated[int, Field(ge=1, le=1_000_000)]


class SearchSpec(Spec):
    """Which configurations are tried."""

    # Configurations that are proposed; a grid knows itself, and with `minutes` up to 1,000 are.
    trials: Trials | None = None
    # No configuration is proposed any more once those before it took so many minutes of trials,
    # one after the other: half of it for two that run at a time.
    minutes: Positive | None = None
    space: Annotated[Space, Field(min_length=1)]
    # What searched trials change in the sweep's `trial`.
    trial: dict[str, Any] = Field(default_factory=dict)
    # nsga2 weighs the sweep's metric against train_operations; all others look at the metric alone.
    sampler: Literal["tpe", "gp", "random", "grid", "nsga2"] = "tpe"
    # Whether the first configurations are those that `clinfonce advise` ranks highest. It looks at
    # the labels of a tenth of the training images.
    seed_with: Literal["none", "advice"] = "none"
    seed: SmallSeed = 0
    seeds: Few = 1  # trials of a configuration, whose mean is maximised; their seeds are apart
    # A proposal sees the results of all earlier ones but the last `window`: a fixed lag makes the
    # same sweep propose the same trials however fast each of them ends. At most this many
    # configurations run at a time, so raise it on a large Ray cluster. Samplers grid and random
    # without a scheduler look at no results, and take no notice of it.
    window: Count = 4
    confirm: Amount = 1  # best configurations that run again with `seeds`
    # Whether configurations leave that race once the others are surely better: those that can't be
    # told apart get all seeds.
    race: bool = False

    @model_validator(mode="after")
    def _space_makes_points(self) -> Self:
        check_space(self.space)
        if self.sampler != "grid":
            if self.trials is None and self.minutes is None:
                raise PlacedError(("search", "trials"), "is missing, and so is minutes")
            return self
        if self.trials is not None:
            problem = "sampler grid runs every point of the space: leave trials out"
            raise PlacedError(("search", "trials"), problem)
        if len(grid(self.space)) >= LARGEST_GRID:
            problem = (
                f"a grid of {LARGEST_GRID:,} points or more: narrow it, or take sampler random"
            )
            raise PlacedError(("search", "space"), problem)
        return self

    @property
    def all_seeds(self) -> range:
        """The seeds that every configuration runs with."""
        return range(self.seed, self.seed + SEEDS_APART * self.seeds, SEEDS_APART)

    @property
    def n_trials(self) -> int:
        """How many configurations are proposed."""
        if self.trials is not None:
            return self.trials
        return len(grid(self.space)) if self.sampler == "grid" else MOST_IN_TIME


class SchedulerSpec(Spec):
    """Which searched trials are stopped early, judged by their validation kNN accuracy."""

    name: Literal["asha", "hyperband", "none"] = "none"
    grace_epochs: Count = 1  # no trial stops before
    # One in so many goes on at each rung.
    reduction_factor: Annotated[float, Field(ge=1.1, le=1000)] = 2.0
