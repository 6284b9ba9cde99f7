"""Numbers and dates as people write them: the way is one for a whole column."""

import math
import re
from collections.abc import Callable, Collection
from datetime import UTC, date, datetime
from typing import TypeAlias

Read: TypeAlias = Callable[[str], float | None]

DAYS = "in days since 1970-01-01"
_SPACES = str.maketrans("", "", " \u00a0\u202f'’")
_POINT = re.compile(r"[+-]?\d{1,3}(?:,\d{3})+(?:\.\d+)?|[+-]?\d+(?:\.\d+)?")  # 1,234.5
_COMMA = re.compile(r"[+-]?\d{1,3}(?:\.\d{3})+(?:,\d+)?|[+-]?\d+(?:,\d+)?(?:[eE][+-]?\d+)?")
_GROUPED = re.compile(r"[+-]?\d{1,3}(?:[ \u00a0\u202f'’]\d{3})+(?:[.,]\d+)?")
_BIG_FIRST = re.compile(r"(\d{4})([-:/.])(\d{1,2})\2(\d{1,2})(?:[ T](.+))?")
_SMALL_FIRST = re.compile(r"(\d{1,2})([/.-])(\d{1,2})\2(\d{4})(?:[ T](.+))?")


def plain(text: str) -> float | None:
    """A number with a decimal point."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and "_" not in text else None


def _grouped(text: str) -> str:
    """Without what separates thousands, if that is a blank or an apostrophe."""
    return text.translate(_SPACES) if _GROUPED.fullmatch(text) else text


def _with_point(text: str) -> float | None:
    text = _grouped(text)
    return plain(text.replace(",", "")) if _POINT.fullmatch(text) else plain(text)


def _with_comma(text: str) -> float | None:
    text = _grouped(text)
    if not _COMMA.fullmatch(text):
        return None
    return plain(text.replace(".", "").replace(",", "."))


def number_reader(texts: Collection[str], decimal_comma: bool) -> tuple[Read, str | None]:
    """How most of these texts are read as numbers, and what is unsure of that.

    1,234 is 1234, unless the file separates its values by something else than commas or another
    number of the column shows that the comma is the decimal one.

    Args:
        texts: the different texts of a column.
        decimal_comma: whether 1,5 is a matter of course in this file.
    """
    if all(plain(text) is not None for text in texts):
        return plain, None
    ways = [(_with_point, "1,234 is 1234"), (_with_comma, "1,234 is 1.234")]
    if decimal_comma:
        ways.reverse()
    counted = [(sum(read(text) is not None for text in texts), read, said) for read, said in ways]
    n, read, said = max(counted, key=lambda way: way[0])
    if n <= sum(plain(text) is not None for text in texts):
        return plain, None
    return read, said


def date_reader(texts: Collection[str]) -> tuple[Read | None, str | None]:
    """How these texts are read as dates, if all can be, and what is unsure of that.

    Dates start with the year, or end with it; which of the other two is the day is taken from a
    number above 12. A time of day may follow.
    """
    if all(_BIG_FIRST.fullmatch(text) for text in texts):
        return _all(texts, lambda text: _day(text, 0, 2, 3)), None
    if not all(_SMALL_FIRST.fullmatch(text) for text in texts):
        return None, None
    matches = [match for text in texts if (match := _SMALL_FIRST.fullmatch(text))]
    day_first = any(int(match[1]) > 12 for match in matches)
    if day_first == any(int(match[3]) > 12 for match in matches):
        return None, "dates of which no day is above 12: write them as 2021-12-31"
    places = (3, 2, 0) if day_first else (3, 0, 2)
    return _all(texts, lambda text: _day(text, *places)), None


def days_of(moment: date | datetime) -> float:
    """Days since 1970-01-01, of a date or a time; of UTC if no zone is given."""
    if not isinstance(moment, datetime):
        return float(moment.toordinal() - date(1970, 1, 1).toordinal())
    zoned = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return (zoned - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() / 86_400


def _all(texts: Collection[str], read: Read) -> Read | None:
    return read if all(read(text) is not None for text in texts) else None


def _day(text: str, year: int, month: int, day: int) -> float | None:
    """The date whose parts stand at these places of a text; None if there is no such day."""
    match = _BIG_FIRST.fullmatch(text) or _SMALL_FIRST.fullmatch(text)
    if match is None:
        return None
    parts = match.groups()
    try:
        found = date(int(parts[year]), int(parts[month]), int(parts[day]))
        if not parts[4]:
            return days_of(found)
        return days_of(datetime.fromisoformat(f"{found.isoformat()} {parts[4].strip()}"))
    except (ValueError, OverflowError):
        return None
