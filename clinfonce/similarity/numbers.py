"""Kernels of numbers: Gaussians on a line, on a circle and on the globe."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from clinfonce.errors import InputError
from clinfonce.similarity.columns import (
    BoolArray,
    Codes,
    Column,
    Missing,
    as_numbers,
    build,
    check_mask,
    check_missing,
    check_positive,
    decay,
)

Unit: TypeAlias = Literal["spread", "value"]

EARTH_RADIUS_KM = 6371.0088  # mean radius of the reference ellipsoid (IUGG)
# Interquartile range of a normal distribution in standard deviations.
_IQR_OF_NORMAL = 1.3489795003921634


@dataclass(frozen=True)
class Gaussian:
    """exp(−(x − y)²) of codes floating (n,), which hold the values divided by √2 h."""

    exact: bool = False

    def weights(self, rows: Codes, columns: Codes) -> Tensor:
        """Weights (a, b)."""
        apart = rows[0][:, None] - columns[0]
        return decay(apart.square_().neg_())


@dataclass(frozen=True)
class Cyclic:
    """exp(−(P d / h)² / 2) of the shorter way round, d turns; codes are turns, floating (n,).

    Attributes:
        turns: h / P, the bandwidth in turns.
    """

    turns: float
    exact: bool = False

    def weights(self, rows: Codes, columns: Codes) -> Tensor:
        """Weights (a, b)."""
        apart = rows[0][:, None] - columns[0]
        apart -= apart.round()
        return decay(apart.square_().mul_(-0.5 / self.turns**2))


@dataclass(frozen=True)
class GreatCircle:
    """exp(−(R d / h)² / 2) of an angle d; codes are points of the unit sphere, floating (n, 3).

    Attributes:
        angle: h / R, the bandwidth in radians.
    """

    angle: float
    exact: bool = False

    def weights(self, rows: Codes, columns: Codes) -> Tensor:
        """Weights (a, b)."""
        a, b = rows[0].T.contiguous(), columns[0].T.contiguous()
        chord = a.new_zeros(a.shape[1], b.shape[1])
        for x, y in zip(a, b, strict=True):  # 1 − a·b would lose what is near
            apart = x[:, None] - y
            chord.addcmul_(apart, apart)
        angle = chord.sqrt_().mul_(0.5).clamp_(max=1).asin_().mul_(2)
        return decay(angle.square_().mul_(-0.5 / self.angle**2))


def gaussian(
    values: Sequence[float] | NDArray[Any],
    *,
    bandwidth: float = 1.0,
    unit: Unit = "spread",
    unknown: BoolArray | None = None,
    missing: Missing = "apart",
    name: str = "column",
) -> Column:
    """Numbers: exp(−((x − y) / h)² / 2), as y-aware InfoNCE (arXiv 2106.08808).

    Args:
        values: (n,) numbers.
        bandwidth: h, above 0.
        unit: of h: "spread" counts in `spread` of the values given here, those of training;
            "value" in the values' own unit. Values without spread are all alike.
        unknown: bool (n,), which values are missing.
        missing: what that means, see `Column`.
        name: of the column, for errors.

    Raises:
        InputError: on values that are no finite numbers, or a bad bandwidth or unit.
    """
    if unit not in ("spread", "value"):
        raise InputError(f"{name}: unit is {unit!r}: must be 'spread' or 'value'")
    numbers, mask = _checked(values, bandwidth, unknown, missing, name)
    known = numbers[~mask] if not mask.all() else np.zeros(1)
    scale = spread(known) if unit == "spread" else 1.0
    # Centred, since single precision tells what is near 0 apart best.
    centred = np.where(mask, 0.0, numbers - np.median(known))
    codes = centred / ((scale or math.inf) * bandwidth * math.sqrt(2))
    return build(Gaussian(), (torch.from_numpy(codes),), mask, missing)


def cyclic(
    values: Sequence[float] | NDArray[Any],
    *,
    period: float,
    bandwidth: float = 1.0,
    unknown: BoolArray | None = None,
    missing: Missing = "apart",
    name: str = "column",
) -> Column:
    """Hours, months, headings: exp(−(d / h)² / 2) of the shorter way round, d.

    Args:
        values: (n,) numbers, of any turn.
        period: of one turn, above 0: 24 for hours, 12 for months.
        bandwidth: h, above 0, in the values' unit.
        unknown: bool (n,), which values are missing.
        missing: what that means, see `Column`.
        name: of the column, for errors.

    Raises:
        InputError: on values that are no finite numbers, or a bad bandwidth or period.
    """
    check_positive(period, "period", name)
    numbers, mask = _checked(values, bandwidth, unknown, missing, name)
    codes = np.mod(numbers / period, 1.0)
    return build(Cyclic(bandwidth / period), (torch.from_numpy(codes),), mask, missing)


def great_circle(
    latitude: Sequence[float] | NDArray[Any],
    longitude: Sequence[float] | NDArray[Any],
    *,
    bandwidth: float = 100.0,
    unknown: BoolArray | None = None,
    missing: Missing = "apart",
    name: str = "column",
) -> Column:
    """Places: exp(−(d / h)² / 2) of the great-circle distance d on a sphere of 6,371 km.

    Args:
        latitude: (n,) degrees, −90…90.
        longitude: (n,) degrees, −180…180.
        bandwidth: h in km, above 0.
        unknown: bool (n,), which places are missing.
        missing: what that means, see `Column`.
        name: of the column, for errors.

    Raises:
        InputError: on coordinates out of range, or a bad bandwidth.
    """
    north, mask = _checked(latitude, bandwidth, unknown, missing, name)
    east = as_numbers(longitude, mask, name)
    _check_range(north, 90, "latitude", name)
    _check_range(east, 180, "longitude", name)
    phi, lam = np.radians(north), np.radians(east)
    points = np.stack([np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), np.sin(phi)], axis=1)
    kernel = GreatCircle(bandwidth / EARTH_RADIUS_KM)
    return build(kernel, (torch.from_numpy(points + 0.0),), mask, missing)


def spread(values: NDArray[np.float64]) -> float:
    """Robust standard deviation of some numbers (n,), n >= 1.

    The interquartile range by that of a normal distribution, so that a few wild values don't widen
    it; the plain deviation where so many values tie that the quartiles do. 0 if all are equal.

    >>> round(spread(np.array([1.0, 2, 3, 4, 1000])), 3)
    1.483
    >>> round(spread(np.array([7.0, 7, 7, 7, 7, 9])), 3)  # both quartiles are 7
    0.745
    """
    low, high = np.quantile(values, [0.25, 0.75])
    return float((high - low) / _IQR_OF_NORMAL) or float(values.std())


def _checked(
    values: Any, bandwidth: float, unknown: BoolArray | None, missing: Missing, name: str
) -> tuple[NDArray[np.float64], BoolArray]:
    check_missing(missing, name)
    check_positive(bandwidth, "bandwidth", name)
    mask = check_mask(unknown, len(values), name)
    return as_numbers(values, mask, name), mask


def _check_range(degrees: NDArray[np.float64], limit: int, what: str, name: str) -> None:
    bad = np.flatnonzero(np.abs(degrees) > limit)
    if len(bad):
        row = int(bad[0])
        raise InputError(
            f"{name}: row {row} has {what} {degrees[row]:g}: must be -{limit} to {limit} degrees"
        )
