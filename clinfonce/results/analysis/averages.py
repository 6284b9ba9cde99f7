"""Trials of a store averaged to one row a clustering and objective."""

import math
import statistics
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from clinfonce.errors import InputError, unknown_name
from clinfonce.results.sql.columns import identifier, measured, quoted
from clinfonce.results.sql.query import Results
from clinfonce.results.store.measures import DURING_TRAINING, Metric, parse_metric, parse_share

Trial = dict[str, Any]

DEFAULT_METRIC = "test_linear_top1_5"

_INFORMATION = ("h_t", "h_z", "i_zt", "i_zt_chance", "i_zt_excess", "h_z_given_t", "ami", "i_pairs")


@dataclass(frozen=True)
class ClusteringRow:
    """A clustering under one objective. Information in bits; None where it is not known.

    Attributes:
        n_trials: complete trials that are averaged: not the searched ones where the sweep's own
            seeds ran too (is_replicate of the view `counted`).
        n_seeds: different seeds among them.
        n_stopped: trials stopped early.
        n_failed: trials that failed.
        accuracy: mean over those whose accuracy is a number.
        spread: sample standard deviation over them; None for a single one.
        validation: the same mean of the matching validation accuracy.
        seconds: mean duration of one of them.
    """

    clustering_id: str
    name: str
    source: str | None
    granularity: int | None
    objective: str | None
    n_trials: int
    n_seeds: int
    n_stopped: int
    n_failed: int
    n_images: int | None
    n_clusters: int | None
    h_t: float | None
    h_z: float | None
    i_zt: float | None
    i_zt_chance: float | None
    i_zt_excess: float | None
    h_z_given_t: float | None
    ami: float | None
    accuracy: float | None
    spread: float | None
    validation: float | None
    seconds: float | None
    i_pairs: float | None = None

    def knows(self, *names: str) -> bool:
        """Whether all of these numbers are known and finite."""
        values = [getattr(self, name) for name in names]
        return all(v is not None and math.isfinite(v) for v in values)

    @property
    def reach(self) -> tuple[float, float]:
        """Accuracy less and plus one standard deviation."""
        accuracy, spread = self.accuracy or 0.0, self.spread or 0.0
        return accuracy - spread, accuracy + spread

    @property
    def is_end_point(self) -> bool:
        """Whether it is one of the two ends of granularity, instances or labels."""
        return self.source in ("instances", "labels")

    @property
    def is_frozen(self) -> bool:
        """Whether it is no clustering, but the pretrained encoder as it is."""
        return self.source == "frozen"

    @property
    def log2_k(self) -> float | None:
        """log2 of the number of clusters."""
        return math.log2(self.n_clusters) if self.n_clusters else None


def select_trials(results: Results, metric: str, sweep: str | None) -> list[Trial]:
    """The trials that count joined with their clustering, in order of proposal.

    Raises:
        InputError: unknown metric or sweep, or the trials are of several data sets.
    """
    check_target(results, metric)
    chosen = {"chosen_accuracy": metric, "chosen_validation": validation_of(metric)}
    columns = chosen | {name: name for name in (metric, *compared_beside(metric))}
    where = "" if sweep is None else f"where t.sweep = {quoted(sweep)}"
    trials: list[Trial] = results.sql(
        "select t.*, c.n_images, c.n_labelled, c.n_clusters, "
        + ", ".join(f"c.{name}" for name in _INFORMATION)
        + f", {with_metrics(columns)} left join clusterings c using (clustering_id) {where} "
        "order by t.sweep, t.number, t.trial_id"
    ).to_pylist()
    if not trials and sweep is not None:
        _refuse_sweep(results, sweep)
    _check_one_data_set(trials)
    return trials


def check_target(results: Results, metric: str) -> None:
    """Refuse a measure of a target, or over groups by a column, that no trial has.

    Raises:
        InputError: it is that, or no measure.
    """
    if metric == DURING_TRAINING:
        return
    wanted = parse_share(metric)
    for what, column, name in (
        ("target", "target", wanted.target),
        ("column of groups", "grouped_by", wanted.grouped_by),
    ):
        if name is None:
            continue
        where = "true" if column == "target" else "measure <> 'held_out' and \"group\" is null"
        found = results.sql(f"select distinct {column} from scores where {where} order by 1")
        known = [known for known in found.column(0).to_pylist() if known is not None]
        if name not in known:
            raise InputError(unknown_name(what, name, known))


def with_metrics(columns: Mapping[str, str]) -> str:
    """The measures as columns of SQL, "from counted t" and what they are joined from.

    Args:
        columns: name of a column → name of a measure.

    Raises:
        InputError: an unknown measure.
    """
    found = {n: parse_metric(m) for n, m in columns.items() if m != DURING_TRAINING}
    picks = [
        f"m.{identifier(name)}" if name in found else f"t.{DURING_TRAINING} as {identifier(name)}"
        for name in columns
    ]
    joined = f"left join {measured(found)} m using (trial_id)" if found else ""
    return f"{', '.join(picks)} from counted t {joined}"


def validation_of(metric: str) -> str:
    """The same measure on the validation split.

    Raises:
        InputError: an unknown measure.
    """
    if metric == DURING_TRAINING:
        return metric
    return parse_metric(metric).on_validation.name


def compared_beside(metric: str) -> tuple[str, ...]:
    """Measures of the same target with few labels, by neighbours and with all labels.

    A gain in one may be a loss in another.
    """
    target = None if metric == DURING_TRAINING else parse_metric(metric).target
    found = (("linear", "1"), ("linear", "5"), ("knn", "all"), ("linear", "all"))
    return tuple(Metric("test", probe, "top1", labels, target).name for probe, labels in found)


def clustering_rows(trials: list[Trial]) -> tuple[ClusteringRow, ...]:
    """One row a clustering and objective, best accuracy first, those without accuracy last."""
    groups: dict[tuple[str, str | None], list[Trial]] = defaultdict(list)
    for trial in trials:
        if trial["clustering_group"] is not None:
            groups[trial["clustering_group"], trial["objective"]].append(trial)
    rows = [_row(group) for group in groups.values()]
    return tuple(sorted(rows, key=_best_first))


def rows_of(results: Results, *, metric: str, sweep: str | None) -> tuple[ClusteringRow, ...]:
    """The clusterings of a store, as `clustering_rows`.

    Raises:
        InputError: unknown metric or sweep, or the trials are of several data sets.
    """
    return clustering_rows(select_trials(results, metric, sweep))


def _row(group: list[Trial]) -> ClusteringRow:
    first = group[0]
    complete = [t for t in group if t["status"] == "complete" and t["is_replicate"]]
    accuracies = _numbers(complete, "chosen_accuracy")
    return ClusteringRow(
        clustering_id=first["clustering_group"],
        name=first["clustering"] or first["name"],
        source=first["source"],
        granularity=first["granularity"],
        objective=first["objective"],
        n_trials=len(complete),
        n_seeds=len({t["seed"] for t in complete}),
        n_stopped=sum(t["status"] == "stopped" for t in group),
        n_failed=sum(t["status"] == "failed" for t in group),
        n_images=first["n_images"],
        n_clusters=first["n_clusters"],
        # Of as many clusterings as seeds where each trial makes its own.
        **{name: _mean(_numbers(group, name)) for name in _INFORMATION},
        accuracy=_mean(accuracies),
        spread=statistics.stdev(accuracies) if len(accuracies) > 1 else None,
        validation=_mean(_numbers(complete, "chosen_validation")),
        seconds=_mean(_numbers(complete, "seconds")),
    )


def _numbers(trials: list[Trial], name: str) -> list[float]:
    return [t[name] for t in trials if t[name] is not None and math.isfinite(t[name])]


def _mean(values: list[float]) -> float | None:
    return statistics.fmean(values) if values else None


def _best_first(row: ClusteringRow) -> tuple[bool, float, str]:
    return row.accuracy is None, -(row.accuracy or 0.0), row.name


def _refuse_sweep(results: Results, sweep: str) -> None:
    known = results.sql("select distinct sweep from trials order by sweep").column(0).to_pylist()
    raise InputError(f"no trials of sweep {sweep!r}; there are: {', '.join(known) or 'none'}")


def _check_one_data_set(trials: list[Trial]) -> None:
    sweeps: dict[str, set[str]] = defaultdict(set)
    for trial in trials:
        if trial["data"] is not None:
            sweeps[trial["data"]].add(trial["sweep"])
    if len(sweeps) > 1:
        found = "; ".join(f"{data}: {', '.join(sorted(s))}" for data, s in sweeps.items())
        raise InputError(f"the results are of several data sets, name one sweep ({found})")
