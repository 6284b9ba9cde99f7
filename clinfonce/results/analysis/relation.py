"""How accuracy goes with what a clustering says of the labels: the question of the whole study."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from clinfonce.results.analysis import statistics
from clinfonce.results.analysis.averages import (
    DEFAULT_METRIC,
    ClusteringRow,
    clustering_rows,
    rows_of,
    select_trials,
)
from clinfonce.results.analysis.frozen import AgainstFrozen, against_frozen, verdict
from clinfonce.results.analysis.statistics import Interval
from clinfonce.results.analysis.targets import Targets, targets_of
from clinfonce.results.sql.query import Results
from clinfonce.results.store.measures import describe_metric

# What accuracy is held against, and how people call it.
QUANTITIES: Mapping[str, str] = {
    "i_zt": "I(Z;T)",
    "i_zt_excess": "I(Z;T) above chance",
    "h_z_given_t": "H(Z|T)",
    "h_z": "H(Z)",
    "n_clusters": "clusters K",
    "ami": "AMI",
}

_FEWEST_FOR_CORRELATION = 5
_FEWEST_FOR_REGRESSION = 6

# What is known of a clustering → the columns that a linear fit predicts accuracy from.
_PREDICTIONS: Mapping[str, tuple[str, ...]] = {
    "mean of the others": (),
    "log₂ K": ("log2_k",),
    "H(Z)": ("h_z",),
    "AMI": ("ami",),
    "I(Z;T) and H(Z|T)": ("i_zt", "h_z_given_t"),
    "I(Z;T) above chance and H(Z|T)": ("i_zt_excess", "h_z_given_t"),
}


@dataclass(frozen=True)
class Correlation:
    """Spearman's correlation of a quantity with mean accuracy, over clusterings.

    Attributes:
        quantity: a key of `QUANTITIES`.
        n: clusterings.
        rho: with a 95 % interval from resampling clusterings; its parts are None if undefined.
        rho_inside: the same without the end points, instances and labels.
    """

    quantity: str
    n: int
    rho: Interval
    rho_inside: float | None


@dataclass(frozen=True)
class Effect:
    """One term of the regression of mean accuracy on I(Z;T) and H(Z|T).

    Attributes:
        quantity: a key of `QUANTITIES`.
        coefficient: accuracy gained when the quantity grows by one standard deviation and the
            other stays, with a 95 % interval from resampling clusterings.
        partial_r2: share of the variance that the other leaves which this one explains.
    """

    quantity: str
    coefficient: Interval
    partial_r2: float | None


@dataclass(frozen=True)
class Prediction:
    """How far off accuracy is predicted for a clustering that the fit has not seen.

    Attributes:
        known: what the linear fit is given.
        error: mean absolute error of accuracy, leaving one clustering out; None if undefined.
        n: clusterings.
    """

    known: str
    error: float | None
    n: int


@dataclass(frozen=True)
class Relation:
    """The clusterings and how their accuracy goes with their information.

    Attributes:
        metric: column of `trials` that accuracy is.
        sweep: name of the sweep, None for all.
        data: name of the data set.
        rows: one a clustering and objective, best accuracy first.
        n_complete: trials that count.
        n_stopped: trials stopped early: their accuracy does not count.
        n_failed: trials that failed.
        correlations: one for each of `QUANTITIES`; none with too few clusterings.
        effects: regression on I(Z;T) and H(Z|T); none with too few clusterings.
        predictions: error of prediction for each set of facts; none with too few clusterings.
        notes: what a reader must know before believing the numbers.
        chosen: clustering_id of the best clustering between instances and labels, chosen by
            validation accuracy so that its test accuracy is not the luckiest of many, and among
            those that ran with several seeds if any did.
        against_frozen: the chosen clustering and the encoder as it was pretrained, with few labels,
            by neighbours and with all labels; none where no trial probed that.
        targets: all targets side by side, and the groups that lose.
        answer: the outcome in one sentence, or two where there is a frozen encoder.
    """

    metric: str
    sweep: str | None
    data: str | None
    rows: tuple[ClusteringRow, ...]
    n_complete: int
    n_stopped: int
    n_failed: int
    correlations: tuple[Correlation, ...]
    effects: tuple[Effect, ...]
    predictions: tuple[Prediction, ...]
    notes: tuple[str, ...]
    chosen: str | None
    against_frozen: tuple[AgainstFrozen, ...]
    targets: Targets
    answer: str

    def to_json(self) -> dict[str, Any]:
        """The whole relation as plain data: dictionaries, lists, strings, numbers, None."""
        return asdict(self)


def relate(results: Results, *, metric: str = DEFAULT_METRIC, sweep: str | None = None) -> Relation:
    """Hold the accuracy of clusterings against what they say of the labels.

    A point is a clustering; the complete trials with it are replicates that are averaged, of the
    sweep's own seeds alone where it ran with them: a searched trial that was picked for its result
    is not one. Stopped and failed trials are counted but have no accuracy.

    Args:
        results: an open store.
        metric: accuracy column of `trials`.
        sweep: name of one sweep; None takes all.

    Raises:
        InputError: unknown metric or sweep, or the trials are of several data sets.
    """
    trials = select_trials(results, metric, sweep)
    rows = clustering_rows(trials)
    scored = _scored(rows)
    chosen = chosen_of(rows)
    compared = against_frozen(trials, _replicates(trials, chosen), metric)
    return Relation(
        metric=metric,
        sweep=sweep,
        data=next((t["data"] for t in trials if t["data"]), None),
        rows=rows,
        n_complete=sum(t["status"] == "complete" for t in trials),
        n_stopped=sum(t["status"] == "stopped" for t in trials),
        n_failed=sum(t["status"] == "failed" for t in trials),
        correlations=_correlations(scored),
        effects=_effects(scored),
        predictions=_predictions(scored),
        notes=_notes(trials, rows, len(scored)),
        chosen=chosen.clustering_id if chosen else None,
        against_frozen=compared,
        targets=targets_of(results, sweep=sweep),
        answer=_answer(rows, chosen, metric, compared),
    )


def correlations_of(results: Results, *, metric: str, sweep: str | None) -> tuple[Correlation, ...]:
    """The correlations of `relate` alone."""
    return _correlations(_scored(rows_of(results, metric=metric, sweep=sweep)))


def _scored(rows: Sequence[ClusteringRow]) -> list[ClusteringRow]:
    return [row for row in rows if row.accuracy is not None and row.i_zt is not None]


def _correlations(rows: list[ClusteringRow]) -> tuple[Correlation, ...]:
    if len(rows) < _FEWEST_FOR_CORRELATION:
        return ()
    return tuple(_correlation(rows, name) for name in QUANTITIES)


def _replicates(trials: list[dict[str, Any]], chosen: ClusteringRow | None) -> list[dict[str, Any]]:
    """The trials that a clustering's accuracy is the mean of."""
    if chosen is None:
        return []
    group = (chosen.clustering_id, chosen.objective)
    return [
        t
        for t in trials
        if (t["clustering_group"], t["objective"]) == group
        and t["status"] == "complete"
        and t["is_replicate"]
    ]


def _correlation(rows: list[ClusteringRow], quantity: str) -> Correlation:
    x, y = statistics.finite_rows([getattr(r, quantity) for r in rows], [r.accuracy for r in rows])
    inside = [r for r in rows if not r.is_end_point]
    xi, yi = statistics.finite_rows(
        [getattr(r, quantity) for r in inside], [r.accuracy for r in inside]
    )
    rho_inside = (
        float(statistics.spearman(xi, yi)) if len(xi) >= _FEWEST_FOR_CORRELATION else np.nan
    )
    if len(x) < _FEWEST_FOR_CORRELATION:
        return Correlation(quantity, len(x), Interval(None, None, None), None)
    rho = statistics.bootstrap(statistics.spearman, x, y)[0]
    return Correlation(quantity, len(x), rho, statistics.none_if_nan(rho_inside))


def _effects(rows: list[ClusteringRow]) -> tuple[Effect, ...]:
    names = ("i_zt", "h_z_given_t")
    *columns, accuracy = statistics.finite_rows(
        *([getattr(row, name) for row in rows] for name in names), [r.accuracy for r in rows]
    )
    if len(accuracy) < _FEWEST_FOR_REGRESSION:
        return ()
    predictors = np.column_stack(columns)
    coefficients = statistics.bootstrap(statistics.standardised_coefficients, predictors, accuracy)
    return tuple(
        Effect(name, c, statistics.none_if_nan(statistics.partial_r2(predictors, accuracy, i)))
        for i, (name, c) in enumerate(zip(names, coefficients, strict=True))
    )


def _predictions(rows: list[ClusteringRow]) -> tuple[Prediction, ...]:
    """All on the same clusterings, those where everything is known, so that errors compare."""
    names = sorted({name for columns in _PREDICTIONS.values() for name in columns})
    *columns, accuracy = statistics.finite_rows(
        *([getattr(row, name) for row in rows] for name in names), [r.accuracy for r in rows]
    )
    known = dict(zip(names, columns, strict=True))
    if len(accuracy) < _FEWEST_FOR_REGRESSION:
        return ()
    predictions = []
    for title, used in _PREDICTIONS.items():
        predictors = (
            np.column_stack([known[name] for name in used])
            if used
            else np.empty((len(accuracy), 0))
        )
        error = statistics.leave_one_out_error(predictors, accuracy)
        predictions.append(Prediction(title, statistics.none_if_nan(error), len(accuracy)))
    return tuple(predictions)


# Columns that replicates of one clustering should share.
_SETTINGS = ("form", "temperature", "sampler", "images_per_cluster", "batch_size", "encoder")


def _notes(
    trials: list[dict[str, Any]], rows: tuple[ClusteringRow, ...], n_scored: int
) -> tuple[str, ...]:
    notes = []
    if n_scored < _FEWEST_FOR_CORRELATION:
        notes.append(
            f"{n_scored} clusterings with accuracy and information are too few for a correlation "
            f"(at least {_FEWEST_FOR_CORRELATION}) or a regression "
            f"(at least {_FEWEST_FOR_REGRESSION})."
        )
    if differing := _differing_settings(trials):
        notes.append(
            f"Trials of one clustering differ in {', '.join(differing)}, so their spread holds "
            "more than the seed."
        )
    trained = [row for row in rows if not row.is_frozen]
    if len({row.objective for row in trained}) > 1:
        notes.append("Several objectives are compared: a clustering has one row for each.")
    single = sum(row.n_trials == 1 for row in trained)
    if single and n_scored:
        notes.append(f"{single} of {len(trained)} rows rest on a single trial: no spread is known.")
    measured = {(t["n_labelled"], t["n_images"]) for t in trials if t["n_labelled"] is not None}
    notes.extend(
        f"Bits are of the {labelled:,} of {images:,} training images that have a label."
        for labelled, images in sorted(measured)
        if labelled < images
    )
    return tuple(notes)


def _differing_settings(trials: list[dict[str, Any]]) -> list[str]:
    seen: dict[tuple[Any, ...], Any] = {}
    differing: set[str] = set()
    for trial in (t for t in trials if t["status"] == "complete" and t["is_replicate"]):
        for name in (*_SETTINGS, "epochs"):
            key = (trial["clustering_group"], trial["objective"], name)
            if seen.setdefault(key, trial[name]) != trial[name]:
                differing.add(name)
    return sorted(differing)


def chosen_of(rows: Sequence[ClusteringRow]) -> ClusteringRow | None:
    """The best clustering between instances and labels by validation, as `Relation.chosen`."""
    between = [
        r
        for r in rows
        if r.accuracy is not None
        and not r.is_end_point
        and not r.is_frozen
        and r.source != "synthetic"
    ]  # a synthetic clustering is made of the labels
    # One seed's accuracy is luck in part: where a sweep confirmed some clusterings, take of those.
    between = [r for r in between if r.n_seeds > 1] or between
    validated = [r for r in between if r.validation is not None]
    if validated:
        return max(validated, key=lambda r: r.validation or 0.0)
    return max(between, key=lambda r: r.accuracy or 0.0, default=None)


def _answer(
    rows: tuple[ClusteringRow, ...],
    chosen: ClusteringRow | None,
    metric: str,
    compared: tuple[AgainstFrozen, ...],
) -> str:
    found = _outcome(rows, chosen, metric)
    said = verdict(compared)
    return f"{found} {said}." if said else found


def _outcome(rows: tuple[ClusteringRow, ...], chosen: ClusteringRow | None, metric: str) -> str:
    scored = [row for row in rows if row.accuracy is not None]
    if not scored:
        return "No complete trial has this accuracy yet."
    instances = next((r for r in scored if r.source == "instances"), None)
    labels = next((r for r in scored if r.source == "labels"), None)
    if chosen is None or instances is None:
        best = chosen or scored[0]
        return f"{best.name} reaches {_percent(best)}. Accuracy is {describe_metric(metric)}."
    return _compare(chosen, instances, labels, metric)


def _compare(
    best: ClusteringRow, instances: ClusteringRow, labels: ClusteringRow | None, metric: str
) -> str:
    assert best.accuracy is not None
    assert instances.accuracy is not None
    gain = 100 * (best.accuracy - instances.accuracy)
    direction = "above" if gain >= 0 else "below"
    text = (
        f"{best.name}, chosen by validation, reaches {_percent(best)}: "
        f"{abs(gain):.1f} points {direction} {instances.name} ({_percent(instances)})"
    )
    if labels is not None and labels.accuracy is not None:
        gap = labels.accuracy - instances.accuracy
        way = f"{gain / gap:.0f} % of the way to" if gain > 0 and gap > 0 else "against"
        text += f", {way} {labels.name} ({_percent(labels)})"
    return f"{text}. Accuracy is {describe_metric(metric)}."


def _percent(row: ClusteringRow) -> str:
    assert row.accuracy is not None
    spread = "" if row.spread is None else f" ± {100 * row.spread:.1f}"
    return f"{100 * row.accuracy:.1f}{spread} %"
