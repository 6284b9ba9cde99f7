"""What a sweep maximises: one measure of a target, or how its trials rank over all targets."""

import math
from collections.abc import Mapping, Sequence
from statistics import fmean

from clinfonce.config.sweep import MEAN_RANK
from clinfonce.data import ImageTable
from clinfonce.errors import InputError, unknown_name
from clinfonce.results.store.measures import DURING_TRAINING, main_metric, metrics_of
from clinfonce.trial.rows import first_target

Value = float | None


def columns_of(metric: str, table: ImageTable) -> tuple[str, ...]:
    """The names in a trial's row that a metric looks at.

    Raises:
        InputError: the data set has no such target, or its kind no such measure.
    """
    kinds = {name: target.kind for name, target in table.targets.items()}
    if metric == MEAN_RANK:
        if not kinds:
            raise InputError(f"metric is {MEAN_RANK}, but data set {table.name} has no target")
        return tuple(main_metric(kind, name) for name, kind in kinds.items())
    first = first_target(table)
    own = () if first is None else metrics_of(kinds[first], None, few=True)
    known = [DURING_TRAINING, *own]
    for name, kind in kinds.items():
        known += metrics_of(kind, name, few=name == first)
    if metric not in known:
        raise InputError(unknown_name("metric", metric, [*known, MEAN_RANK]))
    return (metric,)


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
