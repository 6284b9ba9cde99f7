"""What a clustering's bits let one expect of its accuracy, before anything is trained.

Accuracy is not comparable between data sets, so what is predicted is the *gain*: the share of the
way from instances (0, InfoNCE) to labels (1, SupCon) that a clustering goes; it may be negative.

A clustering has H(Z) bits. Its *useful* bits are I(Z;T) corrected for chance,

    U = m (I − E) / (m − E),   m = min(H(Z), H(T)),   E = expectation of I under shuffled labels,

which is 0 for a clustering that is independent of the labels and m for one that says of them all
that a clustering of its entropy can (the adjusted mutual information of Vinh, Epps & Bailey 2010
with the minimum as its bound, in bits). Its *nuisance* bits are the rest, H(Z) − U. With
u = U / H(T) and v = (H(Z) − U) / log2 n the fit is least squares of

    gain = a + b u + c (1 − u) v − d u v,   d ≥ 0:

of clusterings that say little of the label, coarse ones lose more than fine ones; to those that say
all of it, nuisance bits do no good.
"""

import csv
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from clinfonce.errors import InputError
from clinfonce.results.analysis.averages import check_target, with_metrics
from clinfonce.results.analysis.statistics import Array
from clinfonce.results.sql.query import Results

DEFAULT_POINTS = Path(__file__).with_name("gain.csv")

# Trials that agree in these have accuracies that compare.
_SETTING = ("data", "encoder", "epochs", "batch_size")
_FEWEST = 6  # points for a fit of four coefficients
_RESAMPLES = 400
_RIDGE = 1e-4  # keeps a fit defined where all points lie on a line
_LEAST_GAIN = -1.0
_LEAST_GAP = 0.01  # of accuracy between instances and labels, below which a share says nothing


@dataclass(frozen=True)
class Point:
    """A clustering that was trained on.

    Attributes:
        data: name of the data set.
        clustering: its name.
        useful: useful bits over H(T).
        nuisance: nuisance bits over log2 of the number of images.
        gain: share of the way from the accuracy of instances to that of labels.
        accuracy: mean over complete trials.
        trials: how many.
    """

    data: str
    clustering: str
    useful: float
    nuisance: float
    gain: float
    accuracy: float
    trials: int


@dataclass(frozen=True)
class GainFit:
    """The gain as a function of useful and nuisance bits.

    Attributes:
        coefficients: (4,) of 1, u, (1 − u) v and u v; the last is never positive.
        resampled: (r, 4), the same fitted to resampled points.
        spread: standard deviation of the gain around the fit, on data sets it has not seen
            where there are several.
        n_points: clusterings fitted.
        data: the data sets they are of.
    """

    coefficients: Array
    resampled: Array
    spread: float
    n_points: int
    data: tuple[str, ...]

    def predict(self, useful: Array, nuisance: Array) -> Array:
        """The expected gain of clusterings with u and v (n,)."""
        predicted: Array = _design(useful, nuisance) @ self.coefficients
        return predicted

    def draw(self, useful: Array, nuisance: Array, rng: np.random.Generator) -> Array:
        """As many draws of the gain as values u, v (n,): uncertain fit, and spread around it."""
        rows = rng.integers(len(self.resampled), size=len(useful))
        fitted = (_design(useful, nuisance) * self.resampled[rows]).sum(axis=1)
        drawn: Array = fitted + rng.normal(0.0, self.spread, len(useful))
        return drawn


def useful_bits(h_z: float, h_t: float, i_zt: float, i_zt_chance: float) -> float:
    """I(Z;T) in bits, corrected for chance; 0 where chance leaves nothing to say."""
    most = min(h_z, h_t)
    room = most - i_zt_chance
    if room < 1e-9:
        return 0.0
    return most * min(max((i_zt - i_zt_chance) / room, 0.0), 1.0)


def fit_gain(points: Sequence[Point]) -> GainFit:
    """Fit the gain; every data set weighs the same.

    Raises:
        InputError: too few points.
    """
    if len(points) < _FEWEST:
        raise InputError(
            f"a fit of the gain needs at least {_FEWEST} clusterings between instances and "
            f"labels, got {len(points)}"
        )
    rng = np.random.default_rng(0)
    resampled = [_fit(_resample(points, rng)) for _ in range(_RESAMPLES)]
    return GainFit(
        _fit(points),
        np.stack(resampled),
        _spread(points),
        len(points),
        tuple(sorted({p.data for p in points})),
    )


def gain_points(results: Results, *, metric: str = "test_linear_top1_5") -> tuple[Point, ...]:
    """The points of a store, where instances and labels were both trained on in the same setting.

    A setting is a data set, an encoder, a number of epochs and a batch size.

    Args:
        results: an open store.
        metric: accuracy column of `trials`.

    Raises:
        InputError: unknown metric.
    """
    settings: dict[tuple[Any, ...], list[dict[str, Any]]] = defaultdict(list)
    for row in _rows(results, metric):
        settings[tuple(row[name] for name in _SETTING)].append(row)
    return tuple(point for rows in settings.values() for point in _points(rows))


def end_points(
    results: Results, data: str, *, metric: str = "test_linear_top1_5"
) -> tuple[float, float] | None:
    """Accuracies of instances and of labels on a data set; None if either was not trained on."""
    rows = [row for row in _rows(results, metric) if row["data"] == data]
    return _ends(rows)


def read_points(path: Path = DEFAULT_POINTS) -> tuple[Point, ...]:
    """Points from a CSV, in which lines that start with # are remarks."""
    lines = path.read_text(encoding="utf-8").splitlines()
    table = csv.DictReader(line for line in lines if not line.startswith("#"))
    return tuple(
        Point(
            data=row["data"],
            clustering=row["clustering"],
            useful=float(row["useful"]),
            nuisance=float(row["nuisance"]),
            gain=float(row["gain"]),
            accuracy=float(row["accuracy"]),
            trials=int(row["trials"]),
        )
        for row in table
    )


def write_points(points: Iterable[Point], path: Path, remarks: Sequence[str]) -> None:
    """Write points as a CSV with remarks above."""
    with path.open("w", newline="", encoding="utf-8") as file:
        file.writelines(f"# {remark}\n" for remark in remarks)
        writer = csv.DictWriter(file, Point.__dataclass_fields__, lineterminator="\n")
        writer.writeheader()
        for point in points:
            rounded = {
                k: round(v, 4) if isinstance(v, float) else v for k, v in asdict(point).items()
            }
            writer.writerow(rounded)


def _rows(results: Results, metric: str) -> list[dict[str, Any]]:
    check_target(results, metric)
    setting = ", ".join(f"t.{name}" for name in _SETTING)
    rows: list[dict[str, Any]] = results.sql(
        f"with t as (select t.*, {with_metrics({'chosen': metric})}) "
        f"select {setting}, clustering_group, t.source, any_value(c.name) as clustering, "
        "avg(chosen) as accuracy, count(*) as trials, "
        "any_value(coalesce(n_labelled, n_images)) as n_images, "
        "avg(h_z) as h_z, avg(h_t) as h_t, avg(i_zt) as i_zt, avg(i_zt_chance) as i_zt_chance "
        "from t join clusterings c using (clustering_id) "
        "where status = 'complete' and is_replicate and objective = 'cl_infonce' "
        "and isfinite(chosen) and i_zt is not null and h_t > 0 "
        f"group by {setting}, clustering_group, t.source "
        f"order by {setting}, clustering, clustering_group"
    ).to_pylist()
    return rows


def _ends(rows: Sequence[Mapping[str, Any]]) -> tuple[float, float] | None:
    found = []
    for source in ("instances", "labels"):
        values = [row["accuracy"] for row in rows if row["source"] == source]
        if not values:
            return None
        found.append(sum(values) / len(values))
    return found[0], found[1]


def _points(rows: Sequence[Mapping[str, Any]]) -> list[Point]:
    ends = _ends(rows)
    if ends is None or ends[1] - ends[0] < _LEAST_GAP:
        return []
    low, high = ends
    points = []
    for row in rows:
        useful = useful_bits(row["h_z"], row["h_t"], row["i_zt"], row["i_zt_chance"])
        shares = useful / row["h_t"], (row["h_z"] - useful) / math.log2(row["n_images"])
        gain = (row["accuracy"] - low) / (high - low)
        points.append(
            Point(row["data"], row["clustering"], *shares, gain, row["accuracy"], row["trials"])
        )
    return points


def _design(useful: Array, nuisance: Array) -> Array:
    return np.column_stack(
        [np.ones(len(useful)), useful, (1 - useful) * nuisance, useful * nuisance]
    )


def _columns(points: Sequence[Point]) -> tuple[Array, Array, Array, Array]:
    """u, v, gain and weight of each point; the weights of a data set add up to the same.

    A gain below −1 counts as −1: how hopeless a clustering is must not bend the fit elsewhere.
    """
    names = [p.data for p in points]
    weights = np.array([1 / names.count(name) for name in names])
    values = np.array([(p.useful, p.nuisance, max(p.gain, _LEAST_GAIN)) for p in points]).T
    return values[0], values[1], values[2], weights


def _fit(points: Sequence[Point]) -> Array:
    useful, nuisance, gain, weights = _columns(points)
    design = _design(useful, nuisance)
    found = _least_squares(design, gain, weights)
    if found[-1] <= 0:
        return found
    return np.append(_least_squares(design[:, :-1], gain, weights), 0.0)


def _least_squares(design: Array, gain: Array, weights: Array) -> Array:
    weighted = design * weights[:, None]
    square = weighted.T @ design + _RIDGE * np.eye(design.shape[1])
    return np.asarray(np.linalg.solve(square, weighted.T @ gain), dtype=np.float64)


def _resample(points: Sequence[Point], rng: np.random.Generator) -> list[Point]:
    """Draw points with replacement within each data set, so that none of them vanishes."""
    drawn: list[Point] = []
    for data in sorted({p.data for p in points}):
        own = [p for p in points if p.data == data]
        drawn += [own[i] for i in rng.integers(len(own), size=len(own))]
    return drawn


def _spread(points: Sequence[Point]) -> float:
    """Root mean square error on data sets that were left out; around the fit if there is one."""
    data = sorted({p.data for p in points})
    if len(data) == 1:
        return _rms(points, _fit(points), len(points) - 4)
    errors = []
    for name in data:
        rest = [p for p in points if p.data != name]
        if len(rest) >= _FEWEST:
            own = [p for p in points if p.data == name]
            errors.append(_rms(own, _fit(rest), len(own)) ** 2)
    return math.sqrt(sum(errors) / len(errors)) if errors else _rms(points, _fit(points), 1)


def _rms(points: Sequence[Point], coefficients: Array, freedom: int) -> float:
    useful, nuisance, gain, _ = _columns(points)
    residual = gain - _design(useful, nuisance) @ coefficients
    return math.sqrt(float(residual @ residual) / max(freedom, 1))
