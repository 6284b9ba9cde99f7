"""What a sweep maximises: one measure of a target, or how its trials rank over all targets."""

import math
from collections.abc import Mapping, Sequence
from statistics import fmean

from clinfonce.config import SweepSpec
from clinfonce.config.sweep import HELD_OUT, MEAN_RANK
from clinfonce.data import ImageTable
from clinfonce.errors import InputError, unknown_name
from clinfonce.results.store.measures import (
    DURING_TRAINING,
    FEATURES,
    main_metric,
    metric_or_none,
    metrics_of,
)
from clinfonce.trial.label_free import is_label_free
from clinfonce.trial.rows import first_target

Value = float | None


def columns_of(sweep: SweepSpec, table: ImageTable) -> tuple[str, ...]:
    """The names in a trial's row that a sweep's metric looks at.

    Raises:
        InputError: the data set has no such target, or its kind no such measure.
    """
    metric = sweep.metric
    kinds = {name: target.kind for name, target in table.targets.items()}
    if metric == MEAN_RANK and kinds:
        return tuple(main_metric(kind, name) for name, kind in kinds.items())
    if metric == DURING_TRAINING and table.labels is None and not sweep.selects:
        return (metric,)  # nobody looks at it
    known = _known(sweep, table)
    if metric not in known:
        _check_groups(sweep, table)
        if metric == DURING_TRAINING:
            raise InputError(
                f"metric {metric} needs labels of classes, which data set {table.name} has not: "
                f"name another, such as {', '.join(known) or 'evaluation.held_out and held_out'}"
            )
        raise InputError(unknown_name("metric", metric, [*known, *([MEAN_RANK] if kinds else [])]))
    return (metric,)


def _known(sweep: SweepSpec, table: ImageTable) -> list[str]:
    """Names of all measures that the sweep's trials have on validation."""
    kinds = {name: target.kind for name, target in table.targets.items()}
    first, evaluation = first_target(table), sweep.trial.evaluation
    known = [] if table.labels is None else [DURING_TRAINING]
    if first is not None:
        known += metrics_of(kinds[first], None, few=True, groups=evaluation.groups)
    for name, kind in kinds.items():
        known += metrics_of(kind, name, few=name == first, groups=evaluation.groups)
    measures = [HELD_OUT] if evaluation.held_out else []
    measures += ["rankme", "lidar"] if is_label_free(evaluation, table) else []
    return [*known, *(f"val_{FEATURES}_{measure}" for measure in measures)]


def _check_groups(sweep: SweepSpec, table: ImageTable) -> None:
    """Refuse a metric over groups that images are not in, or that says no column.

    Raises:
        InputError: it is that.
    """
    metric, groups = sweep.metric, sweep.trial.evaluation.groups
    listed = f"evaluation.groups is [{', '.join(groups)}]"
    if (found := metric_or_none(metric)) is None:
        if metric_or_none(f"{metric}_by_COLUMN") is not None:
            raise InputError(
                f"metric {metric} is over groups and says no column: write {metric}_by_COLUMN "
                f"({listed})"
            )
        return
    if (column := found.grouped_by) is None or column in groups:
        return
    if column not in table.columns:
        raise InputError(f"metric {metric}: {unknown_name('column', column, table.columns)}")
    raise InputError(
        f"metric {metric} is over groups by {column!r}, and {listed}: write {column!r} into "
        "evaluation.groups of the sweep's trial"
    )


def values_of(row: Mapping[str, object], columns: Sequence[str]) -> tuple[Value, ...]:
    """What a trial's row has in the columns; None where that is nothing or no number."""
    found = [row.get(column) for column in columns]
    return tuple(v if isinstance(v, int | float) and math.isfinite(v) else None for v in found)


def standings(values: Sequence[Sequence[Value]]) -> list[Value]:
    """How good each of n is among them, more is better; None where a value is unknown.

    Args:
        values: n of as many values each. A single one stands for itself. Of several it is the mean
            over them of the share of the others that it beats, where equal ones count half.
    """
    known = [each for each in values if None not in each]
    return [_standing(each, known) if None not in each else None for each in values]


def _standing(own: Sequence[Value], known: Sequence[Sequence[Value]]) -> Value:
    if len(own) == 1:
        return own[0]
    if len(known) == 1:
        return 0.5
    shares = []
    for place, value in enumerate(own):
        rivals = [each[place] or 0.0 for each in known]
        mine = value or 0.0
        beaten = sum(r < mine for r in rivals) + (sum(r == mine for r in rivals) - 1) / 2
        shares.append(beaten / (len(known) - 1))
    return fmean(shares)
