"""Measures of trials: as rows of the table `scores`, and as a trial's row names them.

Before the table there were columns of `trials` for them. A trial of such a version has no file of
scores; its rows are made of those columns when they are read, and written by the next compaction.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from clinfonce.files import Folder
from clinfonce.results.store.measures import (
    ACCURACIES,
    LABEL,
    SPREADS,
    Metric,
    metric_or_none,
    parse_metric,
)
from clinfonce.results.store.scan import Listing, listing, scan_files
from clinfonce.results.store.schema import TABLES, arrow_schema

Row = Mapping[str, Any]

_STD = "_std"
_OF_TRIALS = frozenset(column.name for column in TABLES["trials"])
_OLD_TRIALS = pa.schema(
    [
        pa.field("trial_id", pa.string()),
        *(pa.field(name, pa.float64()) for name in (*ACCURACIES, *SPREADS)),
    ]
)


def parted(row: Row) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A trial's row as its columns of `trials`, and as the scores that its further names say."""
    trial = {name: value for name, value in row.items() if name in _OF_TRIALS}
    scores: dict[Metric, dict[str, Any]] = {}
    own = row.get("target") or LABEL
    # What stands without a target is the trial's own, whatever else the row says of that.
    for name in sorted(row.keys() - _OF_TRIALS, key=lambda name: ":" not in name):
        plain = name if metric_or_none(name) else name.removesuffix(_STD)
        metric = metric_or_none(plain)
        if metric is None:
            trial[name] = row[name]  # for whoever knows the columns to refuse
        elif row[name] is not None:
            place = "value" if plain == name else "spread"
            score = scores.setdefault(_of(metric, own), {})
            score[place] = row[name]
    return trial, [score_row(metric, **values) for metric, values in scores.items()]


def score_row(metric: Metric, **values: Any) -> dict[str, Any]:
    """A row of `scores`, but for its trial."""
    return {
        "target": None if metric.is_label_free else metric.target or LABEL,
        "split": metric.split,
        "probe": metric.probe,
        "labels": metric.labels,
        "measure": metric.measure,
        **({} if metric.grouped_by is None else {"grouped_by": metric.grouped_by}),
        **values,
    }


def metric_of(score: Row) -> Metric:
    """The measure that a row of `scores` is of, as of the trial's own target."""
    return Metric(
        score["split"],
        score["probe"],
        score["measure"],
        score["labels"],
        grouped_by=score.get("grouped_by"),
    )


def named(trial: Row, scores: Iterable[Row]) -> dict[str, Any]:
    """A trial's row with the names of its measures, of all targets and of its first without one.

    Args:
        trial: its columns of `trials`.
        scores: its rows of `scores`; those of single groups are passed over.
    """
    own = trial.get("target") or LABEL
    found: dict[str, Any] = {**trial, **dict.fromkeys((*ACCURACIES, *SPREADS))}
    for score in scores:
        if score.get("group") is not None:
            continue
        plain = metric_of(score).name
        if score["target"] is not None:
            found[f"{score['target']}:{plain}"] = score["value"]
        if score["target"] in (own, None):
            found[plain] = score["value"]
            if plain + _STD in found:
                found[plain + _STD] = score.get("spread")
    return found


def scan_scores(folder: Folder) -> Any:
    """The table `scores` as a data set, with those that older versions kept in `trials`."""
    files = listing(folder, "scores")
    rows = scan_files(folder, "scores", files)
    old = old_scores(folder, files)
    return rows if old is None else ds.dataset([rows, ds.dataset(old)])


def old_scores(folder: Folder, files: Listing) -> Any | None:
    """The scores of trials without a file of them, as a table; None where there are none.

    Args:
        folder: the store's folder.
        files: of the table `scores`.
    """
    trials = listing(folder, "trials")
    if not (keys := trials.keys - files.keys):
        return None
    compacted = tuple(c for c in trials.compacted if c.keys & keys)
    holders = Listing(trials.single & keys, compacted)
    rows = scan_files(folder, "trials", holders, _OLD_TRIALS).to_table(
        filter=pc.field("trial_id").isin(sorted(keys))
    )
    parts = [_long(rows, name) for name in ACCURACIES]
    return pa.concat_tables([arrow_schema("scores").empty_table(), *parts])


def _long(rows: Any, name: str) -> Any:
    """A column of accuracies as rows of `scores`; none where it is null."""
    spread, schema = name + _STD, arrow_schema("scores")
    rows = rows.filter(pc.is_valid(rows[name]))
    values: dict[str, Any] = {
        "trial_id": rows["trial_id"],
        "value": rows[name],
        **score_row(parse_metric(name)),
        **({"spread": rows[spread]} if spread in rows.column_names else {}),
    }
    columns = [_filled(values.get(field.name), field.type, len(rows)) for field in schema]
    return pa.Table.from_arrays(columns, schema=schema)


def _filled(value: Any, kind: Any, count: int) -> Any:
    if value is None or isinstance(value, str):
        return pa.array([value] * count, kind)
    return value


def _of(metric: Metric, own: str) -> Metric:
    named = metric.target is not None or metric.is_label_free
    return metric if named else replace(metric, target=own)


def by_trial(scores: Sequence[Row]) -> dict[str, list[Row]]:
    """Rows of `scores` by their trial."""
    found: dict[str, list[Row]] = {}
    for score in scores:
        found.setdefault(score["trial_id"], []).append(score)
    return found
