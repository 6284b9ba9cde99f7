"""Validation accuracy along training, and accuracy by temperature: what figures draw of trials."""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from clinfonce.results.analysis.averages import ClusteringRow, rows_of, select_trials
from clinfonce.results.analysis.relation import chosen_of
from clinfonce.results.sql.columns import quoted
from clinfonce.results.sql.query import Results

_NAMED_CURVES = 6
_FAINT_CURVES = 150
_CURVE_POINTS = 200


@dataclass(frozen=True)
class Curve:
    """Validation accuracy along training, averaged over the trials of a clustering."""

    name: str
    source: str | None
    epochs: tuple[int, ...]
    values: tuple[float, ...]
    marked: bool  # drawn in colour and named


@dataclass(frozen=True)
class Dot:
    """A complete trial: its temperature, its accuracy, and the source of its clustering."""

    temperature: float
    accuracy: float
    source: str | None


def curves_of(results: Results, *, metric: str, sweep: str | None) -> tuple[Curve, ...]:
    """A curve for each clustering, the most important first.

    Args:
        results: an open store.
        metric: accuracy column of `trials`, by which clusterings are important.
        sweep: name of one sweep; None takes all.

    Raises:
        InputError: unknown metric or sweep, or the trials are of several data sets.
    """
    found = results.sql(
        "select clustering_group, objective, epoch, avg(e.val_knn) as value "
        "from epochs e join counted t using (trial_id) "
        "where status = 'complete' and is_replicate and isfinite(e.val_knn) "
        f"and {of_sweep(sweep)} "
        "group by all order by clustering_group, objective, epoch"
    ).to_pylist()
    points: dict[tuple[str, str | None], list[tuple[int, float]]] = defaultdict(list)
    for row in found:
        points[row["clustering_group"], row["objective"]].append((row["epoch"], row["value"]))
    rows = rows_of(results, metric=metric, sweep=sweep)
    named = _named(rows)
    drawn = [r for r in rows if (r.clustering_id, r.objective) in points]
    drawn.sort(key=lambda r: r.clustering_id not in named)
    return tuple(
        _curve(row, points[row.clustering_id, row.objective], row.clustering_id in named)
        for row in drawn[: _NAMED_CURVES + _FAINT_CURVES]
    )


def dots_of(results: Results, *, metric: str, sweep: str | None) -> tuple[Dot, ...]:
    """Complete trials by temperature; none where all have the same.

    Args:
        results: an open store.
        metric: accuracy column of `trials`.
        sweep: name of one sweep; None takes all.

    Raises:
        InputError: unknown metric or sweep, or the trials are of several data sets.
    """
    found = [
        Dot(trial["temperature"], trial["chosen_accuracy"], trial["source"])
        for trial in select_trials(results, metric, sweep)
        if trial["status"] == "complete"
        and trial["objective"] not in (None, "cross_entropy")  # which has no temperature
        and (trial["temperature"] or 0) > 0
        and trial["chosen_accuracy"] is not None
        and math.isfinite(trial["chosen_accuracy"])
    ]
    found.sort(key=lambda dot: dot.temperature)
    return tuple(found) if len({dot.temperature for dot in found}) > 2 else ()


def of_sweep(sweep: str | None) -> str:
    """The condition of SQL that trials are of a sweep; None takes all."""
    return "true" if sweep is None else f"sweep = {quoted(sweep)}"


def _named(rows: Sequence[ClusteringRow]) -> set[str]:
    """The end points, the chosen clustering, and the next best."""
    chosen = chosen_of(rows)
    first = [r for r in rows if r.is_end_point] + ([chosen] if chosen else [])
    return set(list(dict.fromkeys(r.clustering_id for r in (*first, *rows)))[:_NAMED_CURVES])


def _curve(row: ClusteringRow, points: list[tuple[int, float]], marked: bool) -> Curve:
    step = math.ceil(len(points) / _CURVE_POINTS)
    thinned = points[::step]
    if thinned[-1] != points[-1]:
        thinned.append(points[-1])
    epochs, values = zip(*thinned, strict=True)
    return Curve(row.name, row.source, epochs, values, marked)
