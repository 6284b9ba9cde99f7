"""Rank correlation, regression and prediction over a few dozen points, with seeded bootstraps."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.float64]

_RESAMPLES = 2_000
# Resampled elements in all: keeps thousands of points as quick as dozens.
_BUDGET = 2_000_000
_INTERVAL = (2.5, 97.5)  # percentiles
_FEWEST_DRAWS = 50
_FLAT = 1e-12  # a standard deviation below this is a constant


@dataclass(frozen=True)
class Interval:
    """An estimate with its 95 % percentile bootstrap interval; None where it is undefined."""

    estimate: float | None
    low: float | None
    high: float | None


def ranks(values: Array) -> Array:
    """Ranks from 1, (n,) → (n,); ties share their mean rank."""
    ordered = np.sort(values)
    below = np.searchsorted(ordered, values, "left")
    upto = np.searchsorted(ordered, values, "right")
    return (below + upto + 1) / 2


def spearman(x: Array, y: Array) -> float:
    """Spearman's rank correlation of two (n,) vectors; NaN if either is constant."""
    return _pearson(ranks(x), ranks(y))


def bootstrap(
    statistic: Callable[..., Array | float], *columns: Array, seed: int = 0
) -> list[Interval]:
    """A statistic of rows with percentile intervals, resampling the rows with replacement.

    Args:
        statistic: maps the columns to a number or to a vector of numbers; NaN where undefined.
        columns: vectors (n,) or matrices (n, k) with one row a point.
        seed: of the resampling.

    Returns:
        One interval for each number. Resamples where the statistic is undefined are left out.
    """
    n = len(columns[0])
    estimate = np.atleast_1d(statistic(*columns))
    generator = np.random.default_rng(seed)
    draws = []
    for _ in range(max(200, min(_RESAMPLES, _BUDGET // max(n, 1)))):
        rows = generator.integers(n, size=n)
        draws.append(np.atleast_1d(statistic(*(column[rows] for column in columns))))
    return [percentiles(e, d) for e, d in zip(estimate, np.stack(draws).T, strict=True)]


def percentiles(estimate: float, draws: Array) -> Interval:
    """An estimate with the percentile interval of its draws (n,), of which 50 must be finite."""
    draws = draws[np.isfinite(draws)]
    if not np.isfinite(estimate) or len(draws) < _FEWEST_DRAWS:
        return Interval(none_if_nan(estimate), None, None)
    low, high = np.percentile(draws, _INTERVAL)
    return Interval(float(estimate), float(low), float(high))


def standardised_coefficients(predictors: Array, response: Array) -> Array:
    """Least-squares coefficients of z-scored predictors (n, k) → (k,), in units of the response.

    How far the response moves when one predictor moves by its standard deviation and the others
    stay. All NaN if a predictor is constant or the predictors are collinear.
    """
    scale = predictors.std(axis=0)
    undefined = np.full(predictors.shape[1], np.nan)
    if (scale < _FLAT).any():
        return undefined
    z = (predictors - predictors.mean(axis=0)) / scale
    solution, _, rank, _ = np.linalg.lstsq(z, response - response.mean(), rcond=1e-8)
    return solution if rank == z.shape[1] else undefined


def partial_r2(predictors: Array, response: Array, which: int) -> float:
    """The share of what the other predictors leave unexplained that predictor `which` explains."""
    without = _residual(np.delete(predictors, which, axis=1), response)
    left = float((without**2).sum())
    if left < _FLAT:
        return float("nan")
    return 1 - float((_residual(predictors, response) ** 2).sum()) / left


def leave_one_out_error(predictors: Array, response: Array) -> float:
    """Mean absolute error of a linear fit at each point, fitted without that point.

    Uses residual / (1 − leverage), which is exact for least squares (Allen's PRESS, 1974).
    NaN where a point alone decides a coefficient.
    """
    design = _design(predictors)
    hat = design @ np.linalg.pinv(design, rcond=1e-8)
    leverage = np.diagonal(hat)
    if (leverage > 1 - 1e-9).any():
        return float("nan")
    residual = response - hat @ response
    return float(np.abs(residual / (1 - leverage)).mean())


def finite_rows(*columns: Sequence[float | None]) -> tuple[Array, ...]:
    """The columns as vectors, without the rows where any is None, NaN or infinite."""
    table = np.array(columns, dtype=np.float64)  # None becomes NaN
    kept: Array = table[:, np.isfinite(table).all(axis=0)]
    return tuple(kept)


def none_if_nan(value: float) -> float | None:
    """None in place of NaN and infinity, which JSON lacks."""
    return float(value) if np.isfinite(value) else None


def _pearson(x: Array, y: Array) -> float:
    x, y = x - x.mean(), y - y.mean()
    scale = float(np.sqrt((x @ x) * (y @ y)))
    return float(x @ y) / scale if scale > _FLAT else float("nan")


def _design(predictors: Array) -> Array:
    return np.column_stack([np.ones(len(predictors)), predictors])


def _residual(predictors: Array, response: Array) -> Array:
    design = _design(predictors)
    residual: Array = response - design @ np.linalg.lstsq(design, response, rcond=1e-8)[0]
    return residual
