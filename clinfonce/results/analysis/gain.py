"""What a clustering's bits let one expect of its accuracy, before anything is trained.

Accuracy is not comparable between data sets, so what is predicted is the *gain*: the share of the
way from instances (0, InfoNCE) to labels (1, SupCon) that a clustering goes; it may be negative.

A clustering has H(Z) bits. Its *useful* bits are I(Z;T) corrected for chance,

    U = m (I − E) / (m − E),   m = min(H(Z), H(T)),   E = expectation of I under shuffled labels,

which is 0 for a clustering that is independent of the labels and m for one that says of them all
that a clustering of its entropy can (the adjusted mutual information of Vinh, Epps & Bailey 2010
with the minimum as its bound, in bits). Its *nuisance* bits are the rest, H(Z) − U. With
u = U / H(T) and v = (H(Z) − U) / log2 n the fit is least squares of

    gain = a + b u + c (1 − u) v + d u v,

one for adapters, of which there are most trials, and one drawn towards it for training from scratch
and for fine-tuning: of clusterings that say little of the label, coarse ones lose more than fine
ones; to those that say all of it, nuisance bits do no good. How far a gain lies from the fit is
told from data sets that were left out of it, and grows with u.
"""

import csv
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from clinfonce.errors import InputError
from clinfonce.results.analysis.averages import check_target, with_metrics
from clinfonce.results.analysis.curves import of_sweep
from clinfonce.results.analysis.statistics import Array
from clinfonce.results.sql.query import Results

DEFAULT_POINTS = Path(__file__).with_name("gain.csv")

# Trials that agree in these have accuracies that compare.
_SETTING = ("data", "regime", "encoder", "epochs", "batch_size")
REGIMES = ("adapter", "scratch", "fine-tuning")
LEAST_ROOM = 0.05  # bits that chance must leave open, below which a share of them is noise
_FEWEST = 6  # points for a fit of four coefficients
_RESAMPLES = 200
_RIDGE = 1e-4  # keeps a fit defined where all points lie on a line
_APART = 0.3  # penalty of how regimes differ, beside points whose weights add up to one
_KNEE = 0.5  # of useful bits over H(T), from which the spread grows no more
_LEAST_SPREAD = 0.02
_FREEDOM = 4  # of Student's t of what is drawn around the fit
_LEAST_GAIN = -1.0
_LEAST_GAP = 0.01  # of accuracy between instances and labels, below which a share says nothing


@dataclass(frozen=True)
class Point:
    """A clustering that was trained on.

    Attributes:
        data: name of the data set.
        regime: adapter, scratch or fine-tuning.
        clustering: its name.
        useful: useful bits over H(T).
        nuisance: nuisance bits over log2 of the number of images.
        gain: share of the way from the accuracy of instances to that of labels.
        accuracy: mean over complete trials.
        trials: how many.
    """

    data: str
    regime: str
    clustering: str
    useful: float
    nuisance: float
    gain: float
    accuracy: float
    trials: int


@dataclass(frozen=True)
class GainFit:
    """The gain as a function of useful and nuisance bits, in each regime.

    Attributes:
        coefficients: regime to (4,), of 1, u, (1 − u) v and u v.
        resampled: regime to (r, 4), the same fitted to resampled points.
        spread: regime to (2,): the deviation of the gain around the fit is the first of them
            plus the second times u, up to u of 0.5; of data sets it has not seen where there are
            several.
        n_points: clusterings fitted.
        data: the data sets they are of.
    """

    coefficients: Mapping[str, Array]
    resampled: Mapping[str, Array]
    spread: Mapping[str, Array]
    n_points: int
    data: tuple[str, ...]

    def predict(self, useful: Array, nuisance: Array, regime: str) -> Array:
        """The expected gain of clusterings with u and v (n,)."""
        predicted: Array = _design(useful, nuisance) @ self.coefficients[regime]
        return predicted

    def draw(self, useful: Array, nuisance: Array, regime: str, rng: np.random.Generator) -> Array:
        """As many draws of the gain as values u, v (n,): uncertain fit, and spread around it."""
        resampled = self.resampled[regime]
        rows = rng.integers(len(resampled), size=len(useful))
        fitted = (_design(useful, nuisance) * resampled[rows]).sum(axis=1)
        deviation = _deviation(self.spread[regime], useful)
        drawn: Array = fitted + deviation * rng.standard_t(_FREEDOM, len(useful)) / math.sqrt(2)
        return drawn


def useful_bits(h_z: float, h_t: float, i_zt: float, i_zt_chance: float) -> float:
    """I(Z;T) in bits, corrected for chance; 0 where chance leaves hardly anything to say."""
    most = min(h_z, h_t)
    room = most - i_zt_chance
    if room <= LEAST_ROOM:
        return 0.0
    return most * min(max((i_zt - i_zt_chance) / room, 0.0), 1.0)


def fit_gain(points: Sequence[Point]) -> GainFit:
    """Fit the gain; every data set weighs the same in its regime.

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
        {regime: np.stack([fit[regime] for fit in resampled]) for regime in REGIMES},
        _spreads(points),
        len(points),
        tuple(sorted({p.data for p in points})),
    )


def gain_points(
    results: Results, *, metric: str = "test_linear_top1_5", sweep: str | None = None
) -> tuple[Point, ...]:
    """The points of a store, where instances and labels were both trained on in the same setting.

    A setting is a data set, a regime, an encoder, a number of epochs and a batch size.

    Args:
        results: an open store.
        metric: accuracy column of `trials`.
        sweep: of this one alone; None takes all.

    Raises:
        InputError: unknown metric.
    """
    settings: dict[tuple[Any, ...], list[dict[str, Any]]] = defaultdict(list)
    for row in _rows(results, metric, sweep):
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
            regime=row["regime"],
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


def _rows(results: Results, metric: str, sweep: str | None = None) -> list[dict[str, Any]]:
    check_target(results, metric)
    setting = "t.data, coalesce(t.regime, 'scratch') as regime, t.encoder, t.epochs, t.batch_size"
    rows: list[dict[str, Any]] = results.sql(
        f"with t as (select t.*, {with_metrics({'chosen': metric})}) "
        f"select {setting}, clustering_group, t.source, any_value(c.name) as clustering, "
        "avg(chosen) as accuracy, count(*) as trials, "
        "any_value(coalesce(n_labelled, n_images)) as n_images, "
        "avg(h_z) as h_z, avg(h_t) as h_t, avg(i_zt) as i_zt, avg(i_zt_chance) as i_zt_chance "
        "from t join clusterings c using (clustering_id) "
        "where status = 'complete' and is_replicate and objective = 'cl_infonce' "
        "and isfinite(chosen) and i_zt is not null and h_t > 0 and c.n_clusters is not null "
        f"and {of_sweep(sweep)} "
        "group by all order by all"
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
            Point(
                row["data"],
                row["regime"],
                row["clustering"],
                *shares,
                gain,
                row["accuracy"],
                row["trials"],
            )
        )
    return points


def _design(useful: Array, nuisance: Array) -> Array:
    return np.column_stack(
        [np.ones(len(useful)), useful, (1 - useful) * nuisance, useful * nuisance]
    )


def _columns(points: Sequence[Point]) -> tuple[Array, Array, Array, Array]:
    """u, v, gain and weight of each point; the weights of a data set in a regime sum up equally.

    A gain below −1 counts as −1: how hopeless a clustering is must not bend the fit elsewhere.
    """
    sets = [(p.data, p.regime) for p in points]
    counts = Counter(sets)
    weights = np.array([1 / counts[each] for each in sets]) / len(counts)
    values = np.array([(p.useful, p.nuisance, max(p.gain, _LEAST_GAIN)) for p in points]).T
    return values[0], values[1], values[2], weights


def _fit(points: Sequence[Point]) -> dict[str, Array]:
    """Coefficients (4,) of every regime: of adapters, and how others differ from those."""
    first = [p for p in points if p.regime == REGIMES[0]]
    known = _drawn_to(np.zeros(4), first or points, _RIDGE)
    found = {REGIMES[0]: known}
    for regime in REGIMES[1:]:
        own = [p for p in points if p.regime == regime]
        found[regime] = _drawn_to(known, own, _APART if first else _RIDGE) if own else known
    return found


def _drawn_to(prior: Array, points: Sequence[Point], penalty: float) -> Array:
    """Least squares with a penalty on the squared distance to other coefficients."""
    useful, nuisance, gain, weights = _columns(points)
    design = _design(useful, nuisance)
    weighted = design * weights[:, None]
    square = weighted.T @ design + penalty * np.eye(len(prior))
    step = np.linalg.solve(square, weighted.T @ (gain - design @ prior))
    return np.asarray(prior + step, dtype=np.float64)


def _resample(points: Sequence[Point], rng: np.random.Generator) -> list[Point]:
    """Draw data sets, then points within each, with replacement; no regime vanishes."""
    drawn: list[Point] = []
    for regime in sorted({p.regime for p in points}):
        data = sorted({p.data for p in points if p.regime == regime})
        for number in rng.integers(len(data), size=len(data)):
            own = [p for p in points if p.regime == regime and p.data == data[number]]
            drawn += [own[i] for i in rng.integers(len(own), size=len(own))]
    return drawn


def _spreads(points: Sequence[Point]) -> dict[str, Array]:
    """Of each regime; the widest of those known where nothing was trained in it."""
    errors = _errors(points)
    found = {
        regime: _spread([p for p, _ in errors if p.regime == regime],
                        np.array([e for p, e in errors if p.regime == regime]))
        for regime in sorted({p.regime for p, _ in errors})
    }  # fmt: skip
    widest = max(found.values(), key=sum)
    return {regime: found.get(regime, widest) for regime in REGIMES}


def _errors(points: Sequence[Point]) -> list[tuple[Point, float]]:
    """Each point with how far its gain is from a fit without its data set."""
    found = []
    data = sorted({_images(p) for p in points})
    for name in data:
        own = [p for p in points if _images(p) == name]
        rest = [p for p in points if _images(p) != name]
        fit = _fit(rest if len(rest) >= _FEWEST else points)
        for regime in sorted({p.regime for p in own}):
            here = [p for p in own if p.regime == regime]
            useful, nuisance, gain, _ = _columns(here)
            residual = gain - _design(useful, nuisance) @ fit[regime]
            found += list(zip(here, residual.tolist(), strict=True))
    return found


def _images(point: Point) -> str:
    """The data set of a point without its target: other targets of the same images are not new."""
    return point.data.partition("/")[0]


def _spread(points: Sequence[Point], errors: Array) -> Array:
    """Deviation at u = 0, and how it grows with u; a normal one is 1.25 of the mean error."""
    useful, _, _, weights = _columns(points)
    design = np.column_stack([np.ones(len(points)), np.minimum(useful, _KNEE)])
    weighted = design * weights[:, None]
    square = weighted.T @ design + _RIDGE * np.eye(2)
    found = 1.25 * np.linalg.solve(square, weighted.T @ np.abs(errors))
    return np.array([max(found[0], _LEAST_SPREAD), max(found[1], 0.0)])


def _deviation(spread: Array, useful: Array) -> Array:
    deviation: Array = spread[0] + spread[1] * np.minimum(useful, _KNEE)
    return deviation
