"""Which trials end early: successive halving that goes by the numbers of trials, not the clock."""

import functools
import heapq
import itertools
import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from clinfonce.config import SchedulerSpec


class Halving:
    """Asynchronous successive halving, in one bracket (ASHA) or in several (HyperBand).

    At each rung of its bracket, epochs grace · η^k, a trial goes on if its validation accuracy is
    among the best 1 / η of its own and those of the earlier trials of its bracket that it may be
    compared with. ASHA has one bracket (Li et al. 2020). HyperBand (Li et al. 2018) deals trials
    out to brackets whose first rung is one further each, the last of which stops none, in the
    proportions of the paper: it hedges against a grace period that is too short.

    Args:
        scheduler: the kind, the grace period and η, its reduction factor.
        trials: how many searched trials there are at most.
    """

    def __init__(self, scheduler: SchedulerSpec, trials: int) -> None:
        self._scheduler, self._trials = scheduler, trials
        # (bracket, rung) → accuracy by number of the trial, NaN where it is of another bracket,
        # was not measured there or still runs.
        self._reached: dict[tuple[int, int], NDArray[np.float64]] = {}

    def should_stop(
        self, index: int, epochs: int, reached: Mapping[int, float], epoch: int, *, visible: int
    ) -> bool:
        """Judge a trial that has just been measured.

        Args:
            index: its number among the searched trials.
            epochs: that it would run.
            reached: its accuracies by epoch, this one among them.
            epoch: just measured.
            visible: it may be compared with the trials below this number, all of which have ended.
        """
        if epoch >= epochs:
            return False
        bracket, rungs = self._bracket(index, epochs)
        rung = max((rung for rung in rungs if rung <= epoch), default=None)
        if rung is None or any(rung <= earlier < epoch for earlier in reached):
            return False
        accuracies = self._accuracies(bracket, rung)[:visible]
        rivals = 1 + np.count_nonzero(~np.isnan(accuracies))
        places = max(1, int(rivals / self._scheduler.reduction_factor))
        return bool(np.count_nonzero(accuracies > reached[epoch]) >= places)

    def settle(self, index: int, epochs: int, reached: Mapping[int, float]) -> None:
        """Take what an ended trial reached, for later ones to be compared with."""
        bracket, rungs = self._bracket(index, epochs)
        for rung in rungs:
            accuracy = at_rung(reached, rung)
            self._accuracies(bracket, rung)[index] = np.nan if accuracy is None else accuracy

    def _accuracies(self, bracket: int, rung: int) -> NDArray[np.float64]:
        if (bracket, rung) not in self._reached:
            self._reached[bracket, rung] = np.full(self._trials, np.nan)
        return self._reached[bracket, rung]

    def _bracket(self, index: int, epochs: int) -> tuple[int, list[int]]:
        """The bracket that a trial is in, and its rungs."""
        scheduler = self._scheduler
        if scheduler.name == "none":
            return 0, []
        all_rungs = rungs(scheduler.grace_epochs, scheduler.reduction_factor, epochs)
        if scheduler.name == "asha":
            return 0, all_rungs
        cycle = brackets(len(all_rungs), scheduler.reduction_factor, most=self._trials)
        bracket = cycle[index % len(cycle)]
        return bracket, all_rungs[bracket:]


def rungs(grace: int, factor: float, epochs: int) -> list[int]:
    """The epochs grace · factor^k below `epochs` at which trials are compared."""
    heights = (int(grace * factor**k) for k in itertools.count())
    return sorted(set(itertools.takewhile(lambda rung: rung < epochs, heights)))


@functools.cache
def brackets(n_rungs: int, factor: float, *, most: int) -> tuple[int, ...]:
    """The brackets of consecutive trials, until it repeats or `most` have theirs.

    Bracket b of s + 1 is given ⌈(s + 1) / (s - b + 1) · factor^(s - b)⌉ places (Li et al. 2018,
    Algorithm 1), each dealt to the bracket that lags behind most.
    """
    shares = [
        math.ceil((n_rungs + 1) / (n_rungs - b + 1) * factor ** (n_rungs - b))
        for b in range(n_rungs + 1)
    ]
    dealt = [0] * len(shares)
    lagging = [(0.0, b) for b in range(len(shares))]  # a heap: the part of its share, the bracket
    cycle = []
    for _ in range(min(sum(shares), most)):
        _, bracket = lagging[0]
        dealt[bracket] += 1
        heapq.heapreplace(lagging, (dealt[bracket] / shares[bracket], bracket))
        cycle.append(bracket)
    return tuple(cycle)


def at_rung(reached: Mapping[int, float], rung: int) -> float | None:
    """The first accuracy measured at or after a rung."""
    return next((reached[epoch] for epoch in sorted(reached) if epoch >= rung), None)
