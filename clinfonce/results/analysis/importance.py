"""Which attributes help: accuracy with an attribute in the clustering against without it."""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from clinfonce.results.analysis import statistics
from clinfonce.results.analysis.averages import DEFAULT_METRIC, select_trials
from clinfonce.results.analysis.statistics import Array, Interval
from clinfonce.results.sql.query import Results

_NONE = Interval(None, None, None)

MOST_SHOWN = 16  # attributes in a figure

# An interval from fewer points is narrower than the truth.
_FEWEST = 4


@dataclass(frozen=True)
class Importance:
    """What including one attribute does to accuracy, over clusterings by attributes.

    Attributes:
        attribute: its name.
        n_with: clusterings that use it.
        n_without: clusterings that do not.
        difference: mean accuracy of those that use it less that of the others, with a 95 %
            interval from resampling clusterings. It is fooled by attributes that come together.
        n_pairs: pairs of clusterings that differ in this attribute and in nothing else.
        paired: mean gain in accuracy over these pairs, with a 95 % interval from resampling
            pairs; not fooled by the company of other attributes, but silent without pairs.
    """

    attribute: str
    n_with: int
    n_without: int
    difference: Interval
    n_pairs: int
    paired: Interval

    @property
    def best(self) -> Interval:
        """The paired gain where there are enough pairs, else the difference."""
        return self.paired if self.n_pairs >= _FEWEST else self.difference


def attribute_importance(
    results: Results, *, metric: str = DEFAULT_METRIC, sweep: str | None = None
) -> tuple[Importance, ...]:
    """What each attribute is worth, most helpful first; empty without clusterings by attributes.

    Args:
        results: an open store.
        metric: accuracy column of `trials`.
        sweep: name of one sweep; None takes all.

    Raises:
        InputError: unknown metric or sweep, or the trials are of several data sets.
    """
    accuracies = _accuracies(select_trials(results, metric, sweep))
    names = sorted({name for chosen in accuracies for name in chosen})
    found = [_importance(name, accuracies) for name in names]
    return tuple(sorted(found, key=lambda i: (-_or_least(i.best.estimate), i.attribute)))


def ends_of(found: Sequence[Importance]) -> Sequence[Importance]:
    """The most helpful and the most harmful of many attributes."""
    half = MOST_SHOWN // 2
    return found if len(found) <= MOST_SHOWN else (*found[:half], *found[-half:])


def _accuracies(trials: list[dict[str, Any]]) -> dict[frozenset[str], float]:
    """Mean accuracy of each set of attributes over its complete trials."""
    replicates: dict[frozenset[str], list[float]] = defaultdict(list)
    for trial in trials:
        accuracy, names = trial["chosen_accuracy"], _attributes_of(trial)
        complete = trial["status"] == "complete"
        if complete and names and accuracy is not None and np.isfinite(accuracy):
            replicates[frozenset(names)].append(accuracy)
    return {chosen: float(np.mean(values)) for chosen, values in replicates.items()}


def _attributes_of(trial: Mapping[str, Any]) -> Sequence[str]:
    """The attributes that a trial clusters by; one where they are the values of a column."""
    if trial["source"] == "column":
        clustering = json.loads(trial["spec"] or "{}").get("clustering", {})
        return [clustering["column"]] if "column" in clustering else []
    names: Sequence[str] = trial["attributes"] or []
    return names if trial["source"] == "attributes" else []


def _importance(name: str, accuracies: dict[frozenset[str], float]) -> Importance:
    included = np.array([float(name in chosen) for chosen in accuracies])
    values = np.array(list(accuracies.values()))
    pairs = np.array(
        [
            accuracy - accuracies[chosen - {name}]
            for chosen, accuracy in accuracies.items()
            if name in chosen and chosen - {name} in accuracies
        ]
    )
    n_with = int(included.sum())
    n_without = len(included) - n_with
    compared = statistics.bootstrap(_difference, included, values)[0]
    if min(n_with, n_without) < _FEWEST:
        compared = Interval(compared.estimate, None, None)
    return Importance(name, n_with, n_without, compared, len(pairs), _paired(pairs))


def _paired(pairs: Array) -> Interval:
    if not len(pairs):
        return _NONE
    if len(pairs) < _FEWEST:
        return Interval(float(pairs.mean()), None, None)
    return statistics.bootstrap(partial(np.mean, axis=-1), pairs)[0]


def _difference(included: Array, values: Array) -> Array:
    """Mean of those included (…, n) less that of the others, (…); NaN where a kind is missing."""
    inside, outside = included.sum(-1), (1 - included).sum(-1)
    both = (inside > 0) & (outside > 0)
    above = (included * values).sum(-1) / np.maximum(inside, 1)
    below = ((1 - included) * values).sum(-1) / np.maximum(outside, 1)
    return np.where(both, above - below, np.nan)


def _or_least(value: float | None) -> float:
    return -np.inf if value is None else value
