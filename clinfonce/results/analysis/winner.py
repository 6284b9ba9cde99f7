"""Which of a sweep's clusterings is the best, found or fixed, and how sure that is."""

import math
from collections import defaultdict
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from clinfonce.results.analysis.averages import with_metrics
from clinfonce.results.analysis.curves import of_sweep
from clinfonce.results.sql.query import Results
from clinfonce.results.store.measures import DURING_TRAINING, metric_or_none

_DRAWS = 20_000
_BOUNDS = ("labels", "synthetic")  # sources that are made of the labels


@dataclass(frozen=True)
class Contender:
    """A clustering (or the frozen encoder) that ran with a sweep's seeds.

    Attributes:
        name: for people.
        found: whether a search found it; else it is a fixed trial.
        values: the sweep's metric, a seed each.
    """

    name: str
    found: bool
    values: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Over seeds."""
        return fmean(self.values)


def contenders(results: Results, sweep: str, metric: str) -> tuple[Contender, ...]:
    """What a sweep may choose from, best first by a metric on the validation split.

    Raises:
        InputError: unknown metric.
    """
    rows = results.sql(
        f"select t.name, t.role, {with_metrics({'value': metric})} where {of_sweep(sweep)} "
        "and t.status = 'complete' and t.role in ('fixed', 'confirm') "
        f"and t.source not in {_BOUNDS} order by t.number"
    ).to_pylist()
    values = defaultdict(list)
    for row in rows:
        if row["value"] is None or not math.isfinite(row["value"]):
            continue
        values[row["name"], row["role"] == "confirm"].append(row["value"])
    found = [Contender(name, is_found, tuple(v)) for (name, is_found), v in values.items()]
    return tuple(sorted(found, key=lambda contender: -contender.mean))


def probability_of_being_best(several: tuple[Contender, ...]) -> float | None:
    """That the first is better than all others would be on average, seeds being random.

    Means are drawn around what was measured, with the deviation over seeds that all contenders
    share; None where none of them ran with two seeds.
    """
    squares = [
        (len(c.values) - 1, float(np.var(c.values, ddof=1))) for c in several if len(c.values) > 1
    ]
    freedom = sum(n for n, _ in squares)
    if not freedom:
        return None
    variance = sum(n * v for n, v in squares) / freedom
    rng = np.random.default_rng(0)
    errors = np.sqrt([variance / len(c.values) for c in several])
    spread = np.sqrt(freedom / rng.chisquare(freedom, (_DRAWS, 1)))  # of an estimated variance
    means = np.array([c.mean for c in several])
    drawn = means + spread * errors * rng.standard_normal((_DRAWS, len(several)))
    return float((drawn.argmax(axis=1) == 0).mean())


def best_of_sweep(results: Results, sweep: str, metric: str) -> str | None:
    """The best of what a search found and of what was fixed, in words.

    None without a search, and by a metric that is no measure of a trial by itself.
    """
    if metric != DURING_TRAINING and metric_or_none(metric) is None:
        return None
    several = contenders(results, sweep, metric)
    found = next((contender for contender in several if contender.found), None)
    if found is None or len(several) < 2:
        return None
    best = several[0]
    what = "found by the search" if best.found else "a fixed trial"
    said = f"Best by {metric}: {best.name}, {what}, {best.mean:.1%}"
    if not best.found:
        ahead = 100 * (best.mean - found.mean)
        said += f", {ahead:.1f} points above the best found, {found.name}"
    sure = probability_of_being_best(several)
    if sure is None:
        return f"{said}."
    return f"{said}. Of these {len(several)} it is the best with probability {sure:.2f}, by seeds."
