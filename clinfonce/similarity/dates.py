"""Dates as numbers: days since 1970, and the parts that recur."""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from clinfonce.errors import InputError
from clinfonce.similarity.columns import BoolArray, check_mask

Part: TypeAlias = Literal["year", "month", "weekday", "hour"]
DateArray: TypeAlias = NDArray[np.datetime64]

# How many of each part make a turn; a year has none.
PERIODS: dict[Part, float] = {"month": 12, "weekday": 7, "hour": 24}
_EXIF = re.compile(r"^(\d{4}):(\d\d):(\d\d)")  # as cameras write dates
_COARSE = re.compile(r"^\d{4}(-\d\d)?$")  # without a day
_HOUR = np.timedelta64(1, "h") / np.timedelta64(1, "us")
_DAY = 24 * _HOUR


def parse_dates(
    values: Sequence[Any] | NDArray[Any], *, unknown: BoolArray | None = None, name: str = "column"
) -> DateArray:
    """Read dates (n,) as microseconds, datetime64[us]; 1970 where unknown.

    Texts may be ISO 8601 (`1913`, `1913-05`, `1913-05-02`, `2024-05-02T14:30`; a time with an
    offset becomes UTC) or as cameras write them (`2024:05:02 14:30:00`). What names no month or
    day is the first; a whole number is read as if written: 1913 is a year.

    Args:
        values: texts, whole numbers, datetime.date, datetime.datetime or numpy.datetime64.
        unknown: bool (n,), which are missing.
        name: of the column, for errors.

    Raises:
        InputError: naming the first row that does not parse.

    >>> parse_dates(["1913", "2024:05:02 14:30:00", "2024-05-02T14:30+02:00"])
    array(['1913-01-01T00:00:00.000000', '2024-05-02T14:30:00.000000',
           '2024-05-02T12:30:00.000000'], dtype='datetime64[us]')
    """
    mask = check_mask(unknown, len(values), name)
    dates = np.zeros(len(values), dtype="datetime64[us]")
    for row in np.flatnonzero(~mask).tolist():
        try:
            dates[row] = _parse(values[row])
        except (TypeError, ValueError, OverflowError):
            raise InputError(
                f"{name}: row {row} is {values[row]!r}: must be a date such as 2024-05-02, "
                "2024-05-02T14:30 or 1913"
            ) from None
    return dates


def days(dates: DateArray) -> NDArray[np.float64]:
    """Days since 1970, (n,), with their fractions: for `gaussian`."""
    return dates.astype("datetime64[us]").astype(np.int64) / _DAY


def part(dates: DateArray, which: Part) -> NDArray[np.float64]:
    """A part of dates (n,): for `cyclic`, with the period in PERIODS; the year for `gaussian`.

    The year, the month 1…12, the weekday 0…6 from Monday, or the hour 0…24 with its fraction.

    Raises:
        InputError: on an unknown part.
    """
    if which not in get_args(Part):
        known = ", ".join(map(repr, get_args(Part)))
        raise InputError(f"part of a date is {which!r}: must be one of {known}")
    return _PARTS[which](dates).astype(np.float64)


_PARTS: dict[Part, Callable[[DateArray], NDArray[Any]]] = {
    "year": lambda dates: dates.astype("datetime64[Y]").astype(np.int64) + 1970,
    "month": lambda dates: dates.astype("datetime64[M]").astype(np.int64) % 12 + 1,
    # 1970 began on a Thursday.
    "weekday": lambda dates: (dates.astype("datetime64[D]").astype(np.int64) + 3) % 7,
    "hour": lambda dates: (dates - dates.astype("datetime64[D]")).astype(np.int64) / _HOUR,
}


def _parse(value: Any) -> DateArray:
    if isinstance(value, str | int | np.integer) and not isinstance(value, bool):
        text = _EXIF.sub(r"\1-\2-\3", str(value).strip())
        value = np.datetime64(text) if _COARSE.match(text) else datetime.fromisoformat(text)
    if isinstance(value, datetime) and value.tzinfo is not None:
        value = value.astimezone(UTC).replace(tzinfo=None)
    if not isinstance(value, date | np.datetime64):
        raise TypeError("not a date")
    moment = np.array(value, dtype="datetime64[us]")
    if np.isnat(moment):
        raise ValueError("not a time")
    return moment
