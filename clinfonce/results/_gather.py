"""Everything that the report shows, read from the store."""

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from clinfonce.results._clusterings import ClusteringRow, quoted
from clinfonce.results.figures import Curve
from clinfonce.results.importance import Importance, attribute_importance
from clinfonce.results.query import Results
from clinfonce.results.relation import Relation, relate

_NAMED_CURVES = 6
_FAINT_CURVES = 150
_CURVE_POINTS = 200

# Columns of trials that make up the setting, and how people call them.
_SETTING = {
    "sweep": "sweep",
    "data": "data",
    "data_fingerprint": "fingerprint of the data",
    "objective": "objective",
    "form": "form of the objective",
    "temperature": "temperature",
    "encoder": "encoder",
    "batch_size": "batch size",
    "epochs": "epochs",
    "seed": "seeds",
    "workers": "workers",
    "device": "device",
    "host": "host",
    "clinfonce_version": "clinfonce",
    "torch_version": "PyTorch",
    "python_version": "Python",
}


@dataclass(frozen=True)
class Failure:
    """A trial that failed, and why."""

    name: str
    trial_id: str
    error: str


@dataclass(frozen=True)
class Material:
    """What the page is made of.

    Attributes:
        relation: clusterings, correlations, the answer.
        importances: what each attribute is worth, most helpful first.
        curves: learning curves, most important first.
        failures: failed trials, the first twenty.
        setting: pairs of a name and its values, joined.
        finished: when the last trial ended, as text in UTC; empty if none did.
        seconds: of all trials together.
    """

    relation: Relation
    importances: tuple[Importance, ...]
    curves: tuple[Curve, ...]
    failures: tuple[Failure, ...]
    setting: tuple[tuple[str, str], ...]
    finished: str
    seconds: float


def gather(results: Results, *, metric: str, sweep: str | None) -> Material:
    """Read everything.

    Raises:
        InputError: unknown metric or sweep, or the trials are of several data sets.
    """
    relation = relate(results, metric=metric, sweep=sweep)
    where = "true" if sweep is None else f"sweep = {quoted(sweep)}"
    (whole,) = results.sql(
        "select strftime(max(finished_at), '%Y-%m-%d %H:%M UTC') as finished, "
        f"sum(seconds) as seconds from trials where {where}"
    ).to_pylist()
    return Material(
        relation,
        attribute_importance(results, metric=metric, sweep=sweep),
        _curves(results, relation, where),
        _failures(results, where),
        _setting(results, where),
        whole["finished"] or "",
        whole["seconds"] or 0.0,
    )


def _curves(results: Results, relation: Relation, where: str) -> tuple[Curve, ...]:
    rows = results.sql(
        "select clustering_id, objective, epoch, avg(e.val_knn) as value "
        "from epochs e join trials t using (trial_id) "
        f"where status = 'complete' and isfinite(e.val_knn) and {where} "
        "group by all order by clustering_id, objective, epoch"
    ).to_pylist()
    points: dict[tuple[str, str | None], list[tuple[int, float]]] = defaultdict(list)
    for row in rows:
        points[row["clustering_id"], row["objective"]].append((row["epoch"], row["value"]))
    named = _named(relation)
    drawn = [r for r in relation.rows if (r.clustering_id, r.objective) in points]
    drawn.sort(key=lambda r: r.clustering_id not in named)
    return tuple(
        _curve(row, points[row.clustering_id, row.objective], row.clustering_id in named)
        for row in drawn[: _NAMED_CURVES + _FAINT_CURVES]
    )


def _named(relation: Relation) -> set[str]:
    """The end points, the chosen clustering, and the next best."""
    first = [r.clustering_id for r in relation.rows if r.is_end_point]
    first += [relation.chosen] if relation.chosen else []
    rest = [r.clustering_id for r in relation.rows]
    return set(list(dict.fromkeys(first + rest))[:_NAMED_CURVES])


def _curve(row: ClusteringRow, points: list[tuple[int, float]], marked: bool) -> Curve:
    step = math.ceil(len(points) / _CURVE_POINTS)
    thinned = points[::step]
    if thinned[-1] != points[-1]:
        thinned.append(points[-1])
    epochs, values = zip(*thinned, strict=True)
    return Curve(row.name, row.source, epochs, values, marked)


def _failures(results: Results, where: str) -> tuple[Failure, ...]:
    rows = results.sql(
        f"select name, trial_id, error from trials where status = 'failed' and {where} "
        "order by number, trial_id limit 20"
    ).to_pylist()
    return tuple(
        Failure(r["name"], r["trial_id"], r["error"] or "no reason was recorded") for r in rows
    )


def _setting(results: Results, where: str) -> tuple[tuple[str, str], ...]:
    (row,) = results.sql(
        "select "
        + ", ".join(f"list_sort(list(distinct {name})) as {name}" for name in _SETTING)
        + f" from trials where {where}"
    ).to_pylist()
    return tuple((title, _join(row[name])) for name, title in _SETTING.items() if row[name])


def _join(values: Iterable[Any]) -> str:
    shown = [f"{v:g}" if isinstance(v, float) else str(v) for v in values]
    rest = len(shown) - 8
    return ", ".join(shown[:8]) + (f" and {rest} more" if rest > 0 else "")
