"""Numbers and dates as people of several countries write them."""

import datetime

import pytest

from clinfonce.data.tables.numbers import date_reader, days_of, number_reader


@pytest.mark.parametrize(
    ("texts", "comma", "values"),
    [
        (["1", "-2.5", "1e3", ".5"], False, [1, -2.5, 1000, 0.5]),
        (["1,5", "2"], False, [1.5, 2]),
        (["1,5", "2,25"], True, [1.5, 2.25]),
        (["1,234", "2"], False, [1234, 2]),
        (["1,234", "2"], True, [1.234, 2]),
        (["1,234", "1,5"], False, [1.234, 1.5]),
        (["1,234.5", "12"], True, [1234.5, 12]),
        (["1.234,5", "1.234"], True, [1234.5, 1234]),
        (["1.234", "2.5"], True, [1.234, 2.5]),
        (["1 234,5", "3"], False, [1234.5, 3]),
        (["1\u202f234\u202f567", "3,5"], False, [1234567, 3.5]),
        (["1'234.5", "7"], False, [1234.5, 7]),
        (["-1.234.567", "2"], True, [-1234567, 2]),
    ],
)
def test_numbers(texts, comma, values):
    read, _ = number_reader(texts, comma)
    assert [read(text) for text in texts] == values


def test_what_is_unsure_is_said():
    assert number_reader(["1,234"], False)[1] == "1,234 is 1234"
    assert number_reader(["1,234"], True)[1] == "1,234 is 1.234"
    assert number_reader(["1.5"], True)[1] is None


@pytest.mark.parametrize("text", ["inf", "nan", "1e999", "1_000", "", "x", "12,34,56"])
def test_what_is_no_number(text):
    read, _ = number_reader([text, "1"], False)
    assert read(text) is None


@pytest.mark.parametrize(
    ("texts", "days"),
    [
        (["1970-01-02", "2000-02-29"], [1, 11016]),
        (["1970:01:02 12:00:00", "1970:01:03"], [1.5, 2]),  # EXIF
        (["1970-01-02T12:00:00Z", "1970-01-02T13:00:00+01:00"], [1.5, 1.5]),
        (["1970/1/2"], [1]),
        (["31.12.1970", "1.2.1970"], [364, 31]),
        (["12/31/1970", "2/1/1970"], [364, 31]),
    ],
)
def test_dates(texts, days):
    read, unsure = date_reader(texts)
    assert unsure is None
    assert [read(text) for text in texts] == days


@pytest.mark.parametrize(
    "texts", [["1970-02-30"], ["1970-01-01", "x"], ["19700101"], ["31.12.1970", "12.31.1970"], [""]]
)
def test_what_is_no_date(texts):
    assert date_reader(texts)[0] is None


def test_a_day_that_may_be_a_month_is_not_guessed():
    read, unsure = date_reader(["01/02/2020", "03/04/2020"])
    assert read is None
    assert "2021-12-31" in unsure


def test_days_of_moments():
    assert days_of(datetime.date(1969, 12, 31)) == -1
    assert days_of(datetime.datetime(1970, 1, 1, 6)) == 0.25
