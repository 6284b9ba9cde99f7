from datetime import date, datetime, timedelta, timezone

import numpy as np
import pytest

from clinfonce.errors import InputError
from clinfonce.similarity import PERIODS, days, parse_dates, part

TEXTS = {
    "1913": "1913-01-01T00:00",
    "1913-05": "1913-05-01T00:00",
    "1913-05-02": "1913-05-02T00:00",
    " 2024-05-02 14:30:15 ": "2024-05-02T14:30:15",
    "2024:05:02 14:30:00": "2024-05-02T14:30",
    "2024-05-02T14:30:00Z": "2024-05-02T14:30",
    "2024-05-02T00:30+02:00": "2024-05-01T22:30",
    "2024-05-02T14:30:00.5-0130": "2024-05-02T16:00:00.5",
    "20240502": "2024-05-02T00:00",
}


@pytest.mark.parametrize("text", TEXTS)
def test_dates_are_read_as_they_are_written(text):
    assert parse_dates([text])[0] == np.datetime64(TEXTS[text])


def test_dates_of_python_and_numpy():
    aware = datetime(2024, 5, 2, 6, tzinfo=timezone(timedelta(hours=2)))
    values = [date(2024, 5, 2), datetime(2024, 5, 2, 6), aware, np.datetime64("2024-05"), 1913]
    assert parse_dates(values).tolist() == [
        datetime(2024, 5, 2), datetime(2024, 5, 2, 6), datetime(2024, 5, 2, 4),
        datetime(2024, 5, 1), datetime(1913, 1, 1),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "value",
    ["2nd of May", "2024-13-01", "", "NaT", "99:99", 3.5, None, True, 202405, "202405", "19"],
)
def test_what_is_no_date_is_named(value):
    with pytest.raises(InputError) as caught:
        parse_dates(["1913", value], name="taken")
    assert str(caught.value) == (
        f"taken: row 1 is {value!r}: must be a date such as 2024-05-02, 2024-05-02T14:30 or 1913"
    )


def test_a_missing_date_need_not_parse():
    found = parse_dates(["", "1971"], unknown=np.array([True, False]))
    assert found.tolist() == [datetime(1970, 1, 1), datetime(1971, 1, 1)]


def test_days_and_parts():
    moments = [datetime(1969, 12, 31, 18), datetime(2024, 2, 29, 6, 45), datetime(1886, 7, 1)]
    dates = parse_dates(moments)
    epoch = datetime(1970, 1, 1)
    assert days(dates).tolist() == [(each - epoch).total_seconds() / 86_400 for each in moments]
    assert part(dates, "year").tolist() == [each.year for each in moments]
    assert part(dates, "month").tolist() == [each.month for each in moments]
    assert part(dates, "weekday").tolist() == [each.weekday() for each in moments]
    assert part(dates, "hour").tolist() == [18, 6.75, 0]
    assert set(PERIODS) == {"month", "weekday", "hour"}
    with pytest.raises(InputError, match="part of a date is 'second': must be one of 'year', 'mon"):
        part(dates, "second")
