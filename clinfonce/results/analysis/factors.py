"""What of each column and of the label features let one read, before and after training."""

import json
from collections import defaultdict
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from clinfonce.results.analysis.averages import clustering_rows, select_trials
from clinfonce.results.analysis.relation import chosen_of
from clinfonce.results.sql.columns import quoted
from clinfonce.results.sql.query import Results


@dataclass(frozen=True)
class Factor:
    """One factor, in bits, over trials of one clustering.

    Attributes:
        name: a target, a column, or a level of a hierarchy.
        kind: target, or the kind of the column.
        role: of the column in these trials: attract, suppress, or "" for neither.
        before: mean usable bits in the features that training started from.
        after: mean usable bits in the features after it; None where nothing was trained.
        most: its entropy; None of a number.
    """

    name: str
    kind: str
    role: str
    before: float
    after: float | None
    most: float | None


def factors_of(results: Results, *, metric: str, sweep: str | None) -> tuple[Factor, ...]:
    """The factors of the clustering that `relate` chooses by validation, targets first.

    Empty where the store has none of its trials.

    Raises:
        InputError: unknown metric or sweep, or the trials are of several data sets.
    """
    trials = select_trials(results, metric, sweep)
    chosen = chosen_of(clustering_rows(trials))
    if chosen is None:
        return ()
    group = (chosen.clustering_id, chosen.objective)
    mine = [
        t for t in trials
        if (t["clustering_group"], t["objective"]) == group and t["status"] == "complete"
        and t["is_replicate"]
    ]  # fmt: skip
    if not mine:
        return ()
    keys = ", ".join(quoted(t["trial_id"]) for t in mine)
    rows = results.sql(
        f"select * from factors where measure = 'bits' and trial_id in ({keys})"
    ).to_pylist()
    roles = _roles(results, str(mine[0]["clustering_id"]))
    return tuple(sorted(_averaged(rows, roles), key=_targets_first))


def _averaged(rows: list[dict[str, Any]], roles: dict[str, str]) -> list[Factor]:
    values: dict[tuple[str, str], list[float]] = defaultdict(list)
    first: dict[str, dict[str, Any]] = {}
    for row in rows:
        values[row["factor"], row["stage"]].append(row["value"])
        first.setdefault(row["factor"], row)
    return [
        Factor(
            name,
            row["kind"],
            roles.get(name, roles.get(name.partition("/")[0], "")),
            fmean(values[name, "before"]),
            fmean(values[name, "after"]) if values[name, "after"] else None,
            row["most"],
        )
        for name, row in first.items()
        if values[name, "before"]
    ]


def _roles(results: Results, clustering_id: str) -> dict[str, str]:
    """Which columns attract and which are suppressed, by the provenance of a clustering."""
    rows = results.sql(
        f"select provenance from clusterings where clustering_id = {quoted(clustering_id)}"
    ).to_pylist()
    provenance = json.loads(rows[0]["provenance"] or "{}") if rows else {}
    parts = provenance.get("terms") or [provenance]
    roles: dict[str, str] = {}
    for part in parts:
        named = part.get("columns") or part.get("attributes") or []
        named = [*named, *([part["column"]] if isinstance(part.get("column"), str) else [])]
        roles |= dict.fromkeys(named, "attract")
        roles |= dict.fromkeys((part.get("suppress") or {}).get("columns", ()), "suppress")
    return roles


def _targets_first(factor: Factor) -> tuple[bool, float]:
    gained = (factor.after or factor.before) - factor.before
    return factor.kind != "target", -gained
