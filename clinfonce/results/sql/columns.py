"""SQL that makes columns of measures, which are rows of `scores`."""

from collections.abc import Mapping

from clinfonce.results.store.measures import ACCURACIES, LABEL, SPREADS, Metric, parse_metric


def measured(metrics: Mapping[str, Metric]) -> str:
    """A subquery with `trial_id` and a column for each of the measures, by their names.

    A measure that names no target is of the trial's own.
    """
    return _pivot({name: (metric, "value") for name, metric in metrics.items()})


def trials_with_accuracies() -> str:
    """The view `trials`: the table, and the accuracies of each trial's own target as columns."""
    columns = {name: (parse_metric(name), "value") for name in ACCURACIES}
    columns |= {name: (parse_metric(name.removesuffix("_std")), "spread") for name in SPREADS}
    names = ", ".join(f"m.{name}" for name in columns)
    return f"select t.*, {names} from _trials t left join {_pivot(columns)} m using (trial_id)"


def _pivot(columns: Mapping[str, tuple[Metric, str]]) -> str:
    picks = ", ".join(
        f"any_value(s.{what}) filter ({_condition(metric)}) as {identifier(name)}"
        for name, (metric, what) in columns.items()
    )
    measures = ", ".join(sorted({quoted(metric.measure) for metric, _ in columns.values()}))
    return (
        f"(select s.trial_id, {picks} from scores s join _trials o using (trial_id) "
        f'where s."group" is null and s.measure in ({measures}) group by s.trial_id)'
    )


def _condition(metric: Metric) -> str:
    if metric.is_label_free:
        target = "is null"
    elif metric.target is None:
        target = f"= coalesce(o.target, '{LABEL}')"
    else:
        target = f"= {quoted(metric.target)}"
    by = "is null" if metric.grouped_by is None else f"= {quoted(metric.grouped_by)}"
    return (
        f"s.target {target} and s.grouped_by {by} and s.split = '{metric.split}' "
        f"and s.probe = '{metric.probe}' and s.measure = '{metric.measure}' "
        f"and s.labels = '{metric.labels}'"
    )


def identifier(name: str) -> str:
    """A name of SQL, whatever it holds."""
    return '"' + name.replace('"', '""') + '"'


def quoted(text: str) -> str:
    """A string literal of SQL."""
    return "'" + text.replace("'", "''") + "'"
