"""Rank correlation, regression and prediction over a few dozen points, with seeded bootstraps."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.float64]

_RESAMPLES = 2_000
# Resampled elements in all: keeps thousands of points as quick as dozens.
_BUDGET = 2_000_000
_INTERVAL = (2.5, 97.5)  # percentiles
_FEWEST_DRAWS = 50
_FLAT = 1e-12  # a standard deviation below this is a constant
_COLLINEAR = 1e-8  # a singular value below this share of the largest is nothing


@dataclass(frozen=True)
class Interval:
    """An estimate with its 95 % percentile bootstrap interval; None where it is undefined."""

    estimate: float | None
    low: float | None
    high: float | None


def spearman(x: Array, y: Array) -> Array:
    """Spearman's rank correlation of two (…, n) vectors, (…); NaN if either is constant."""
    from scipy.stats import rankdata  # half a second that processes of trials do without

    return _pearson(rankdata(x, axis=-1), rankdata(y, axis=-1))


def bootstrap(statistic: Callable[..., Any], *columns: Array, seed: int = 0) -> list[Interval]:
    """A statistic of rows with percentile intervals, resampling the rows with replacement.

    Args:
        statistic: maps columns (…, n) or (…, n, k) to numbers (…) or vectors of numbers (…, m),
            NaN where undefined; it is given all resamples at once, along the first axis.
        columns: vectors (n,) or matrices (n, k) with one row a point.
        seed: of the resampling.

    Returns:
        One interval for each number. Resamples where the statistic is undefined are left out.
    """
    n = len(columns[0])
    resamples = max(200, min(_RESAMPLES, _BUDGET // max(n, 1)))
    rows = np.random.default_rng(seed).integers(n, size=(resamples, n))
    estimate = np.atleast_1d(statistic(*columns))
    draws = np.asarray(statistic(*(column[rows] for column in columns))).reshape(resamples, -1)
    return [percentiles(e, d) for e, d in zip(estimate, draws.T, strict=True)]


def percentiles(estimate: float, draws: Array) -> Interval:
    """An estimate with the percentile interval of its draws (n,), of which 50 must be finite."""
    draws = draws[np.isfinite(draws)]
    if not np.isfinite(estimate) or len(draws) < _FEWEST_DRAWS:
        return Interval(none_if_nan(estimate), None, None)
    low, high = np.percentile(draws, _INTERVAL)
    return Interval(float(estimate), float(low), float(high))


def standardised_coefficients(predictors: Array, response: Array) -> Array:
    """Least-squares coefficients of z-scored predictors (…, n, k) for a response (…, n), (…, k).

    How far the response moves when one predictor moves by its standard deviation and the others
    stay. All NaN if a predictor is constant or the predictors are collinear.
    """
    scale = predictors.std(axis=-2, keepdims=True)
    varies = scale >= _FLAT
    z = np.where(varies, predictors - predictors.mean(axis=-2, keepdims=True), 0.0)
    z /= np.where(varies, scale, 1.0)
    centred = response - response.mean(axis=-1, keepdims=True)
    solution = (np.linalg.pinv(z, rcond=_COLLINEAR) @ centred[..., None])[..., 0]
    full = np.linalg.matrix_rank(z, rtol=_COLLINEAR) == z.shape[-1]
    return np.where(full[..., None], solution, np.nan)


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


def _pearson(x: Array, y: Array) -> Array:
    x, y = (each - each.mean(axis=-1, keepdims=True) for each in (x, y))
    scale = np.sqrt((x * x).sum(-1) * (y * y).sum(-1))
    return np.where(scale > _FLAT, (x * y).sum(-1) / np.where(scale > _FLAT, scale, 1.0), np.nan)


def _design(predictors: Array) -> Array:
    return np.column_stack([np.ones(len(predictors)), predictors])


def _residual(predictors: Array, response: Array) -> Array:
    design = _design(predictors)
    residual: Array = response - design @ np.linalg.lstsq(design, response, rcond=1e-8)[0]
    return residual
