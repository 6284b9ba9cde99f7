"""A trial as trackers have it: parameters, curves, measures."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa

from clinfonce.errors import InputError
from clinfonce.results.sql.columns import quoted
from clinfonce.results.sql.query import Results
from clinfonce.results.store.measures import LABEL
from clinfonce.results.store.schema import TABLES
from clinfonce.results.store.scores import metric_of

_NUMBERS = (pa.int64(), pa.float64())

Curve = tuple[tuple[int, float], ...]  # epoch and value

# Columns of the tables that are names or settings, and no measures.
_KEYS = frozenset({"trial_id", "clustering_id", "number", "seed", "spec", "epoch"})


@dataclass(frozen=True)
class Run:
    """A trial.

    Attributes:
        trial_id: its key.
        sweep: that it belongs to.
        name: for people, with the seed.
        status: complete, stopped or failed.
        parameters: the fields of its specification, dotted, and what it was made with.
        curves: by column of the table `epochs`.
        measures: columns of `trials` and `clusterings` that are numbers, and `scores`: those of
            other targets than the first as TARGET/NAME.
        tags: columns that are texts.
        finished: when it ended.
        seconds: that it took; None where nobody knows.
    """

    trial_id: str
    sweep: str
    name: str
    status: str
    parameters: Mapping[str, str | int | float | bool]
    curves: Mapping[str, Curve]
    measures: Mapping[str, float]
    tags: Mapping[str, str]
    finished: datetime | None
    seconds: float | None


def runs_of(
    results: Results, *, sweep: str | None = None, trial: str | None = None
) -> Iterator[Run]:
    """The trials of a store, one after the other.

    Args:
        results: an open store.
        sweep: its name; None takes all.
        trial: its trial_id; None takes all.

    Raises:
        InputError: an unknown sweep.
    """
    facts = ", ".join(
        f"any_value({c.name}) as {c.name}" for c in TABLES["clusterings"] if c.type in _NUMBERS
    )
    where = " and ".join(
        f"t.{column} = {quoted(value)}"
        for column, value in (("sweep", sweep), ("trial_id", trial))
        if value is not None
    )
    rows = results.sql(
        f"select t.*, c.* exclude (clustering_id) from trials t left join (select clustering_id, "
        f"{facts} from clusterings group by clustering_id) c using (clustering_id) "
        f"where {where or 'true'} order by t.sweep, t.number, t.trial_id"
    ).to_pylist()
    if not rows and sweep is not None:
        raise InputError(f"no trials of sweep {sweep!r}")
    for row in rows:
        epochs = results.sql(
            f"select * from epochs where trial_id = {quoted(row['trial_id'])} order by epoch"
        ).to_pylist()
        scores = results.sql(
            f'select * from scores where "group" is null and trial_id = {quoted(row["trial_id"])}'
        ).to_pylist()
        yield run_of(row, epochs, scores)


Row = Mapping[str, Any]


def run_of(row: Row, epochs: Sequence[Row], scores: Sequence[Row]) -> Run:
    """A row of the table `trials`, joined with its clustering; its rows of the other tables."""
    specification = json.loads(row["spec"] or "{}")
    measures = {
        name: float(value)
        for name, value in row.items()
        if name not in _KEYS and _is_number(value) and name not in specification
    }
    own = row.get("target") or LABEL
    for score in scores:
        if _is_number(score["value"]):
            place = "" if score["target"] == own else f"{score['target']}/"
            measures[place + metric_of(score).name] = float(score["value"])
    tags = {
        name: value
        for name, value in row.items()
        if isinstance(value, str) and name not in ("spec", "trial_id") and value
    }
    return Run(
        trial_id=row["trial_id"],
        sweep=row["sweep"],
        name=f"{row['name']} (seed {row['seed']})",
        status=row["status"],
        parameters=dict(_dotted(specification)),
        curves=_curves(epochs),
        measures=measures,
        tags=tags,
        finished=row["finished_at"],
        seconds=row["seconds"],
    )


def _curves(epochs: Sequence[Mapping[str, Any]]) -> dict[str, Curve]:
    names = [c.name for c in TABLES["epochs"] if c.name not in _KEYS]
    found = {
        name: tuple((row["epoch"], float(row[name])) for row in epochs if _is_number(row[name]))
        for name in names
    }
    return {name: curve for name, curve in found.items() if curve}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _dotted(value: Any, place: str = "") -> Iterator[tuple[str, str | int | float | bool]]:
    """Fields within fields by dotted names; lists as JSON, what is not set left out."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _dotted(inner, f"{place}.{key}" if place else key)
    elif isinstance(value, list):
        yield place, json.dumps(value, ensure_ascii=False)
    elif value is not None:
        yield place, value
