"""Everything that the report shows, read from the store."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from clinfonce.errors import InputError
from clinfonce.results.analysis.best import Best, best_in
from clinfonce.results.analysis.curves import Curve, Dot, curves_of, dots_of, of_sweep
from clinfonce.results.analysis.factors import Factor, factors_of
from clinfonce.results.analysis.importance import Importance, attribute_importance
from clinfonce.results.analysis.ped_anova import Share, ped_anova
from clinfonce.results.analysis.relation import Relation, relate
from clinfonce.results.analysis.roles import (
    ColumnRole,
    SearchedObjective,
    column_roles,
    searched_objective,
)
from clinfonce.results.sql.query import Results

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
        shares: how much each attribute decides whether a searched trial is among the best.
        roles: what a search found of the role of each column.
        factors: what features let one read, before and after the chosen clustering's training.
        dots: complete trials by temperature.
        curves: learning curves, most important first.
        failures: failed trials, the first twenty.
        cautions: pairs of a clustering that is no information, and why.
        setting: pairs of a name and its values, joined.
        best: the best clustering as a specification; None while there is none.
        finished: when the last trial ended, as text in UTC; empty if none did.
        seconds: of all trials together.
    """

    relation: Relation
    importances: tuple[Importance, ...]
    shares: tuple[Share, ...]
    roles: tuple[ColumnRole, ...]
    objective: SearchedObjective | None
    factors: tuple[Factor, ...]
    dots: tuple[Dot, ...]
    curves: tuple[Curve, ...]
    failures: tuple[Failure, ...]
    cautions: tuple[tuple[str, str], ...]
    setting: tuple[tuple[str, str], ...]
    best: Best | None
    finished: str
    seconds: float


def gather(results: Results, *, metric: str, sweep: str | None) -> Material:
    """Read everything.

    Raises:
        InputError: unknown metric or sweep, or the trials are of several data sets.
    """
    relation = relate(results, metric=metric, sweep=sweep)
    where = of_sweep(sweep)
    (whole,) = results.sql(
        "select strftime(max(finished_at), '%Y-%m-%d %H:%M UTC') as finished, "
        f"sum(seconds) as seconds from trials where {where}"
    ).to_pylist()
    return Material(
        relation,
        attribute_importance(results, metric=metric, sweep=sweep),
        ped_anova(results, metric=metric, sweep=sweep),
        column_roles(results, metric=metric, sweep=sweep),
        searched_objective(results, metric=metric, sweep=sweep),
        factors_of(results, metric=metric, sweep=sweep),
        dots_of(results, metric=metric, sweep=sweep),
        curves_of(results, metric=metric, sweep=sweep),
        _failures(results, where),
        _cautions(results, where),
        _setting(results, where),
        _best(results, relation),
        whole["finished"] or "",
        whole["seconds"] or 0.0,
    )


def _best(results: Results, relation: Relation) -> Best | None:
    try:
        return best_in(results, relation)
    except InputError:  # nothing is complete yet
        return None


def _failures(results: Results, where: str) -> tuple[Failure, ...]:
    rows = results.sql(
        f"select name, trial_id, error from trials where status = 'failed' and {where} "
        "order by number, trial_id limit 20"
    ).to_pylist()
    return tuple(
        Failure(r["name"], r["trial_id"], r["error"] or "no reason was recorded") for r in rows
    )


def _cautions(results: Results, where: str) -> tuple[tuple[str, str], ...]:
    rows = results.sql(
        "select distinct name, caution from clusterings where caution is not null "
        f"and clustering_id in (select clustering_id from trials where {where}) order by name"
    ).to_pylist()
    return tuple((row["name"], row["caution"]) for row in rows)


def _setting(results: Results, where: str) -> tuple[tuple[str, str], ...]:
    (row,) = results.sql(
        "select "
        + ", ".join(f"list_sort(list(distinct {name})) as {name}" for name in _SETTING)
        + f" from trials where {where}"
    ).to_pylist()
    known = {name: [v for v in values or () if v is not None] for name, values in row.items()}
    return tuple((title, _join(known[name])) for name, title in _SETTING.items() if known[name])


def _join(values: Iterable[Any]) -> str:
    shown = [f"{v:g}" if isinstance(v, float) else str(v) for v in values]
    rest = len(shown) - 8
    return ", ".join(shown[:8]) + (f" and {rest} more" if rest > 0 else "")
