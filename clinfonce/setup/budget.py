"""How many trials, seeds and epochs there is time for."""

from dataclasses import dataclass

_STARTING = 20.0  # seconds until Ray and its processes run, and a page's worth of reading after
_IDLE = 0.85  # share of the processes' time that trials make use of, ends of a sweep included
_STOPPED = 0.65  # of a searched trial's epochs, on average, where half stop half-way
# Seeds and searched trials, the better first. Below the last, numbers say little.
_SIZES = ((3, 36), (3, 24), (3, 16), (3, 10), (2, 8), (1, 6))


@dataclass(frozen=True)
class Pace:
    """What trials take on this machine, in seconds.

    Attributes:
        epoch: of training, on all training images.
        trial: what a trial takes besides: the data, the network, probing.
        once: before the first trial: features of a frozen encoder.
        at_once: trials that run at a time.
    """

    epoch: float
    trial: float
    once: float
    at_once: int


@dataclass(frozen=True)
class Budget:
    """The size of a sweep.

    Attributes:
        seeds: of every trial that counts.
        trials: that the search proposes.
        epochs: of each trial.
        seconds: that it is expected to take in all.
    """

    seeds: int
    trials: int
    epochs: int
    seconds: float


def plan(pace: Pace, minutes: float, *, fixed: int, searches: bool, wanted: int,
         most: int) -> Budget:  # fmt: skip
    """The largest sweep that ends in time, or the smallest there is.

    Args:
        pace: of this machine.
        minutes: that the sweep may take.
        fixed: trials that always run, each with every seed.
        searches: whether there is anything to search.
        wanted: epochs below which fewer trials are better than shorter ones.
        most: epochs that no trial needs more of.
    """
    room = (60 * minutes - _STARTING - pace.once) * pace.at_once * _IDLE
    for seeds, trials in _SIZES:
        searched = trials if searches else 0
        whole = seeds * (fixed + bool(searches))
        n, epochs_of = whole + searched, whole + _STOPPED * searched
        epochs = int((room - n * pace.trial) / (epochs_of * pace.epoch)) if pace.epoch else most
        epochs = max(min(epochs, most), 2)
        seconds = (epochs_of * epochs * pace.epoch + n * pace.trial) / pace.at_once / _IDLE
        budget = Budget(seeds, searched, epochs, _STARTING + pace.once + seconds)
        if epochs >= min(wanted, most):
            break
    return budget
