"""Which role each column should have, by what searched trials reached on the validation split."""

import json
import math
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from clinfonce.results.analysis import statistics
from clinfonce.results.analysis.averages import DEFAULT_METRIC, select_trials
from clinfonce.results.analysis.ped_anova import importance_shares
from clinfonce.results.analysis.statistics import Array, Interval
from clinfonce.results.sql.query import Results

ROLES = ("attract", "suppress", "ignore")

_FEWEST = 8  # trials, below which nothing is said
_RESAMPLES = 400
_RIDGE = 1.0  # of effects in standard deviations: with few trials they are pulled to 0
_OBJECTIVE = ""  # beside the columns, none of which has this name
_NONE = Interval(None, None, None)


@dataclass(frozen=True)
class ColumnRole:
    """What a search found of one column.

    Attributes:
        column: its name.
        role: the one that it should have: of the highest effect.
        certain: whether the interval of what that gains over the next best leaves out 0.
        effects: validation accuracy that a role adds over ignoring the column, the other columns
            held, with a 95 % interval from resampling trials, each a configuration and a seed;
            of the roles that were tried.
        gain: what the role adds over the next best.
        importance: how much the role decides whether a trial is among the best (PED-ANOVA), all
            columns together 1.
        best: its role in the configuration of highest mean validation accuracy.
        n: trials.
    """

    column: str
    role: str
    certain: bool
    effects: Mapping[str, Interval]
    gain: Interval
    importance: Interval
    best: str
    n: int


@dataclass(frozen=True)
class SearchedObjective:
    """What a search of roles found of its objectives.

    Attributes:
        objective: the one of the highest effect, such as attribute_prediction.
        certain: whether the interval of `gain` leaves out 0.
        gain: validation accuracy that it adds over the next best, the roles held.
        trials: how many trials each objective had.
    """

    objective: str
    certain: bool
    gain: Interval
    trials: Mapping[str, int]


def column_roles(
    results: Results, *, metric: str = DEFAULT_METRIC, sweep: str | None = None
) -> tuple[ColumnRole, ...]:
    """What the searched trials of a store say of the role of each column, most important first.

    A ridge regression of validation accuracy on the roles of all columns, and on the objective
    where several were tried; no test accuracy is looked at. Empty where no search tried roles, or
    with fewer than eight complete trials.

    Args:
        results: an open store.
        metric: accuracy column of `trials`, of which the validation split's counterpart is taken.
        sweep: name of one sweep; None takes all.

    Raises:
        InputError: unknown metric or sweep, or the trials are of several data sets.
    """
    found = _searched(results, metric, sweep)
    if found is None:
        return ()
    points, values, best = found
    shares = importance_shares(
        [{name: role for name, role in point.items() if name != _OBJECTIVE} for point in points],
        values,
    )
    rows = []
    for name, effects in _effects(points, values).items():
        if name == _OBJECTIVE:
            continue
        role, gain = _winner(effects)
        rows.append(
            ColumnRole(
                column=name,
                role=role,
                certain=gain.low is not None and gain.low > 0,
                effects={r: statistics.percentiles(*e) for r, e in effects.items() if e[1].any()},
                gain=gain,
                importance=shares.get(name, _NONE),
                best=best[name],
                n=len(points),
            )
        )
    return tuple(sorted(rows, key=lambda row: (-(row.importance.estimate or 0), row.column)))


def searched_objective(
    results: Results, *, metric: str = DEFAULT_METRIC, sweep: str | None = None
) -> SearchedObjective | None:
    """Which objective a search of roles should take; None where it tried one or none.

    The regression is that of `column_roles`, with the roles of all columns held.

    Args:
        results: an open store.
        metric: accuracy column of `trials`, of which the validation split's counterpart is taken.
        sweep: name of one sweep; None takes all.

    Raises:
        InputError: unknown metric or sweep, or the trials are of several data sets.
    """
    found = _searched(results, metric, sweep)
    if found is None:
        return None
    points, values, _ = found
    effects = _effects(points, values).get(_OBJECTIVE)
    if effects is None:
        return None
    (objective, gain), trials = _winner(effects), Counter(point[_OBJECTIVE] for point in points)
    return SearchedObjective(
        objective, gain.low is not None and gain.low > 0, gain, dict(trials.most_common())
    )


def _searched(
    results: Results, metric: str, sweep: str | None
) -> tuple[list[dict[str, str]], Array, dict[str, str]] | None:
    """What searched trials chose and reached, and the best choice; None where that is too little.

    Chosen are the role of each column that had more than one, and the objective.
    """
    trials = [t for t in select_trials(results, metric, sweep) if _counts(t)]
    found = [(trial, roles) for trial in trials if (roles := roles_of(trial["spec"]))]
    names = sorted({name for _, roles in found for name in roles})
    points = [
        {**{name: roles.get(name, "ignore") for name in names}, _OBJECTIVE: str(trial["objective"])}
        for trial, roles in found
    ]
    varied = [n for n in (*names, _OBJECTIVE) if len({point[n] for point in points}) > 1]
    if len(points) < _FEWEST or not set(varied) - {_OBJECTIVE}:
        return None
    values = np.array([trial["chosen_validation"] for trial, _ in found])
    best = _best([trial for trial, _ in found], points)
    return [{name: point[name] for name in varied} for point in points], values, best


def roles_of(spec: str) -> dict[str, str]:
    """The role of each column that a trial's specification names; {} without a similarity."""
    similarity = json.loads(spec).get("similarity") or {}
    columns = similarity.get("columns")
    if not isinstance(columns, dict):
        return {}
    return {name: column["role"] for name, column in columns.items()}


def _counts(trial: Mapping[str, Any]) -> bool:
    value = trial["chosen_validation"]
    searched = trial["role"] == "search" and trial["status"] == "complete"
    return searched and value is not None and math.isfinite(value)


def _best(trials: Sequence[Mapping[str, Any]], points: Sequence[dict[str, str]]) -> dict[str, str]:
    """The roles of the configuration of highest mean validation accuracy over its seeds."""
    reached: dict[str, list[float]] = defaultdict(list)
    roles: dict[str, dict[str, str]] = {}
    for trial, point in zip(trials, points, strict=True):
        spec = json.dumps({**json.loads(trial["spec"]), "seed": 0}, sort_keys=True)
        reached[spec].append(trial["chosen_validation"])
        roles[spec] = point
    return roles[max(reached, key=lambda spec: float(np.mean(reached[spec])))]


def _effects(
    points: Sequence[dict[str, str]], values: Array
) -> dict[str, dict[str, tuple[float, Array]]]:
    """What each choice adds over the one that all are held against, and that of resampled trials.

    The role held against is ignore, if it was tried.
    """
    tried = {name: _in_order({point[name] for point in points}) for name in points[0]}
    base = {name: choices[-1] for name, choices in tried.items()}
    terms = [(n, choice) for n, choices in tried.items() for choice in choices[:-1]]
    design = np.array([[float(point[n] == choice) for n, choice in terms] for point in points])
    estimate = _fit(design, values)
    rng = np.random.default_rng(0)
    rows = rng.integers(len(values), size=(_RESAMPLES, len(values)))
    draws = np.array([_fit(design[each], values[each]) for each in rows])
    found: dict[str, dict[str, tuple[float, Array]]] = {name: {} for name in tried}
    for number, (name, choice) in enumerate(terms):
        found[name][choice] = float(estimate[number]), draws[:, number]
    for name, choice in base.items():
        found[name][choice] = 0.0, np.zeros(_RESAMPLES)
    return found


def _in_order(choices: Collection[str]) -> list[str]:
    """Roles in their order, others by name behind them."""
    roles = [role for role in ROLES if role in choices]
    return roles + sorted(set(choices) - set(ROLES))


def _winner(effects: Mapping[str, tuple[float, Array]]) -> tuple[str, Interval]:
    """The role of the highest effect, and what it adds over the next."""
    first, second, *_ = sorted(effects, key=lambda role: -effects[role][0])
    (value, drawn), (other, others) = effects[first], effects[second]
    return first, statistics.percentiles(value - other, drawn - others)


def _fit(design: Array, values: Array) -> Array:
    """Ridge coefficients (k,) of columns (n, k) for values (n,), in the values' unit."""
    centred, target = design - design.mean(0), values - values.mean()
    k = design.shape[1]
    scale = centred.std(0)
    scale = np.where(scale > 0, scale, 1.0)
    z = centred / scale
    solved: Array = np.linalg.solve(z.T @ z + _RIDGE * np.eye(k), z.T @ target) / scale
    return solved
