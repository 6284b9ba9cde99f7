"""What a sweep found, a line a trial: the table that stands at its end."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from clinfonce.results.sql.columns import identifier, measured, quoted
from clinfonce.results.sql.query import Results
from clinfonce.results.store.measures import Metric, metric_or_none

_ACCURACIES = {
    f"test_linear_top1_{labels}": title
    for labels, title in (
        ("1", "1 label"), ("5", "5 labels"), ("10", "10 labels"), ("all", "all labels"),
    )
}  # fmt: skip
_ORDER = "coalesce(avg(test_linear_top1_5), avg(test_linear_top1_all))"
_EFFECTIVE_RANKS = ("rankme", "lidar")  # no shares


def summary(results: Results, sweep: str, metric: str | None = None) -> Any:
    """The trials of a sweep but those that only select, averaged over seeds, best first.

    Test accuracy of the linear probe with few labels and with all, and, before those, what the
    sweep selected by as it is on the test split, where that is another measure. Columns without a
    value are left out, as are accuracies where there are no classes.

    Args:
        results: an open store.
        sweep: its name.
        metric: that it selected by; None: nothing was selected.

    Returns:
        A table of texts and numbers (pyarrow); accuracies in percent, mean ± deviation over seeds.
    """
    chosen = _on_test(metric)
    selected = {} if chosen is None else {chosen.name: chosen}
    order = f"avg(m.{identifier(chosen.name)})" if chosen is not None else _ORDER
    joined = f"left join {measured(selected)} m using (trial_id)" if selected else ""
    columns = "".join(f", {column}" for column in _columns(results, sweep, chosen))
    return results.sql(
        "select case role when 'confirm' then 'best found: ' || trials.name else trials.name end "
        "as trial, count(*) as seeds, any_value(n_clusters) as K, "
        'round(any_value(i_zt), 2) as "I(Z;T)", round(any_value(h_z_given_t), 2) as "H(Z|T)"'
        f"{columns} "
        f"from trials left join clusterings using (clustering_id) {joined} "
        f"where sweep = {quoted(sweep)} and status = 'complete' "
        "and role not in ('search', 'choose') "
        f"group by trials.name, role order by {order} desc"
    )


def _on_test(metric: str | None) -> Metric | None:
    """What a sweep selected by, on the test split; None of a column that is there anyway."""
    found = None if metric is None else metric_or_none(metric)
    if found is None or (test := replace(found, split="test")).name in _ACCURACIES:
        return None
    return test


def _columns(results: Results, sweep: str, chosen: Metric | None) -> Iterator[str]:
    """What was selected by, and the accuracies that some trial of a sweep has."""
    if chosen is not None:
        factor = 1 if chosen.measure in _EFFECTIVE_RANKS else 100
        yield _column(f"m.{identifier(chosen.name)}", chosen.name, factor)
    counts = ", ".join(f"count({name}) as {name}" for name in _ACCURACIES)
    (row,) = results.sql(f"select {counts} from trials where sweep = {quoted(sweep)}").to_pylist()
    for name, title in _ACCURACIES.items():
        if row[name]:
            yield _column(name, title, 100)


def _column(name: str, title: str, factor: int) -> str:
    """Mean ± deviation as a text, under a title."""
    return (
        f"format('{{:.1f}}', {factor} * avg({name})) || coalesce(format(' ± {{:.1f}}', "
        f"{factor} * stddev_samp({name})), '') as {identifier(title)}"
    )
