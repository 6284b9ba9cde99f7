"""How much each attribute decides whether a searched trial is among the best (PED-ANOVA)."""

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from clinfonce.results.analysis import statistics
from clinfonce.results.analysis.averages import DEFAULT_METRIC, select_trials
from clinfonce.results.analysis.statistics import Interval
from clinfonce.results.sql.query import Results

# Which attributes a searched trial took, or which roles it gave columns. Temperature and the like
# are left out: over the few best trials the density of a continuous dimension is all peaks, which
# counts as importance.
Point = Mapping[str, bool | str]

_FEWEST = 12  # trials, below which the best ones are a handful
_BEST = 5  # trials at least that count as the best
_RESAMPLES = 50
_MOST = 300  # trials looked at: a study of Optuna's takes a while to fill


@dataclass(frozen=True)
class Share:
    """The importance of one attribute.

    Attributes:
        name: of the attribute.
        share: 0 to 1, all attributes together 1, with a 95 % interval from resampling trials.
        n: trials.
    """

    name: str
    share: Interval
    n: int


def ped_anova(
    results: Results, *, metric: str = DEFAULT_METRIC, sweep: str | None = None
) -> tuple[Share, ...]:
    """Optuna's PED-ANOVA over the searched trials that are complete, most important first.

    It tells which attributes part the best trials (a tenth, at least five) from the others
    (Watanabe et al. 2023); it does not tell whether to take or to leave them. Of more than 300
    trials, 300 drawn at random are looked at. Empty with fewer than twelve trials or two attributes
    that vary.

    Args:
        results: an open store.
        metric: accuracy column of `trials`.
        sweep: name of one sweep; None takes all.

    Raises:
        InputError: unknown metric or sweep, or the trials are of several data sets.
    """
    trials = _some([t for t in select_trials(results, metric, sweep) if _counts(t)])
    points = _points(trials)
    found = importance_shares(points, np.array([t["chosen_accuracy"] for t in trials]))
    shares = [Share(name, interval, len(trials)) for name, interval in found.items()]
    return tuple(sorted(shares, key=lambda s: (-(s.share.estimate or 0), s.name)))


def importance_shares(points: Sequence[Point], values: Any) -> dict[str, Interval]:
    """Shares of importance of categories by name, at points of values (n,), with intervals.

    Empty with fewer than twelve points, or two names that vary.
    """
    names = [n for n in (points[0] if points else ()) if len({p[n] for p in points}) > 1]
    if len(points) < _FEWEST or len(names) < 2:
        return {}
    study = _study(names, points, values)
    filled = study.get_trials(deepcopy=False)
    estimate = _shares(study, names, filled)
    rng = np.random.default_rng(0)
    draws = [
        _shares(study, names, [filled[i] for i in rng.integers(len(filled), size=len(filled))])
        for _ in range(_RESAMPLES)
    ]
    return {
        name: statistics.percentiles(value, drawn)
        for name, value, drawn in zip(names, estimate, np.array(draws).T, strict=True)
    }


def _counts(trial: Mapping[str, Any]) -> bool:
    accuracy = trial["chosen_accuracy"]
    searched = trial["role"] == "search" and trial["status"] == "complete"
    return searched and accuracy is not None and math.isfinite(accuracy)


def _some(trials: list[dict[str, Any]]) -> list[dict[str, Any]]:
    if len(trials) <= _MOST:
        return trials
    rows = np.random.default_rng(0).choice(len(trials), _MOST, replace=False)
    return [trials[i] for i in sorted(rows)]


def _points(trials: Sequence[Mapping[str, Any]]) -> list[Point]:
    names = sorted({name for t in trials for name in t["attributes"] or ()})
    return [{name: name in (t["attributes"] or ()) for name in names} for t in trials]


def _study(names: Sequence[str], points: Sequence[Point], values: Any) -> Any:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)  # a line for each study, otherwise
    study = optuna.create_study(direction="maximize")
    space = {
        name: optuna.distributions.CategoricalDistribution(sorted({p[name] for p in points}))
        for name in names
    }
    study.add_trials(
        [
            optuna.trial.create_trial(
                params={n: p[n] for n in names}, distributions=space, value=float(value)
            )
            for p, value in zip(points, values, strict=True)
        ]
    )
    return study


def _shares(study: Any, names: Sequence[str], trials: Sequence[Any]) -> list[float]:
    """The shares of some trials of a study in order of names; equal where they tell nothing."""
    import optuna

    quantile = min(max(0.1, _BEST / len(trials)), 0.5)
    evaluator = optuna.importance.PedAnovaImportanceEvaluator(target_quantile=quantile)
    study.get_trials = lambda **_: trials  # a study of the resampled trials would take long to fill
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that equal accuracies have no best
        found = optuna.importance.get_param_importances(study, evaluator=evaluator)
    return [found.get(name, 0.0) for name in names]
