"""Every type of DuckDB through every format, with the value that DuckDB means."""

import csv
import io
import json
import math
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any, NamedTuple

import duckdb
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clinfonce.errors import InputError
from clinfonce.results.sql.output import FORMATS, encode_table
from clinfonce.results.sql.plain import fetch

MOST = 2**30


@pytest.fixture(scope="module")
def connection() -> Iterator[Any]:
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        yield connection


def through_all_formats(table: Any) -> Any:
    """The rows that JSON gives back, once the other formats gave as many."""
    encoded = {format: encode_table(table, format) for format in FORMATS}
    parquet = pq.read_table(io.BytesIO(encoded["parquet"]))
    assert parquet.column_names == table.column_names
    for before, after in zip(table.columns, parquet.columns, strict=True):
        assert repr(after.to_pylist()) == repr(before.to_pylist())
    lines = list(csv.reader(io.StringIO(encoded["csv"].decode(), newline="")))
    assert len(lines) == table.num_rows + 1
    assert {len(line) for line in lines} == {table.num_columns}
    encoded["table"].decode()
    return json.loads(encoded["json"], parse_float=Decimal)


def value(connection: Any, sql: str) -> tuple[Any, str, Any]:
    """A value as JSON and CSV have it, and its type in Parquet."""
    table = fetch(connection, f"select {sql} as v", MOST)
    ((found,),) = [row.values() for row in through_all_formats(table)]
    text = next(csv.DictReader(io.StringIO(encode_table(table, "csv").decode())))["v"]
    return found, text, str(table.schema.field(0).type)


@pytest.mark.parametrize(
    ("sql", "as_json", "as_csv", "kind"),
    [
        ("interval '1 month 2 days 3.5 seconds'", "1 month 2 days 00:00:03.5", None, "string"),
        ("[interval 1 day]", ["1 day"], '["1 day"]', "list<l: string>"),
        ("date 'infinity'", "infinity", None, "string"),
        ("[timestamp '-infinity']", ["-infinity"], '["-infinity"]', "list<l: string>"),
        ("date '0044-03-15 (BC)'", "0044-03-15 (BC)", None, "string"),
        ("date '290000-01-01'", "290000-01-01", None, "string"),
        ("date '9999-12-31'", "9999-12-31", None, "date32[day]"),
        ("time '24:00:00'", "24:00:00", None, "string"),
        ("time '12:34:56.5'", "12:34:56.500000", "12:34:56.500000", "time64[us]"),
        ("timetz '12:34:56+02:30'", "12:34:56+02:30", None, "string"),
        ("timestamptz '2026-01-02 03:04:05+02'", "2026-01-02T01:04:05+00:00",
         "2026-01-02 01:04:05.000000Z", "timestamp[us, tz=UTC]"),
        ("'2026-01-02 00:00:00.123456789'::timestamp_ns", "2026-01-02 00:00:00.123456789", None,
         "string"),
        ("170141183460469231731687303715884105727::hugeint",
         "170141183460469231731687303715884105727", None, "string"),
        ("340282366920938463463374607431768211455::uhugeint",
         "340282366920938463463374607431768211455", None, "string"),
        ("(select sum(n) from (values (3592)) t(n))", 3592, "3592", "decimal128(38, 0)"),
        ("5::uhugeint", 5, "5", "decimal128(38, 0)"),
        ("[5::hugeint]", [5], "[5]", None),
        ("'123'::bignum", 123, "123", "decimal128(38, 0)"),
        ("{'d': date 'infinity', 'n': 5::hugeint}", {"d": "infinity", "n": 5},
         '{"d": "infinity", "n": 5}', None),
        ("1.50", Decimal("1.50"), "1.50", "decimal128(3, 2)"),
        ("'1.234567890123456789012345678901'::decimal(38, 30)",
         Decimal("1.234567890123456789012345678901"), "1.234567890123456789012345678901", None),
        ("0.1::float", Decimal("0.1"), "0.1", "float"),
        ("0.1::double", Decimal("0.1"), "0.1", "double"),
        ("'nan'::double", None, "nan", "double"),
        ("['nan'::double, 1]", [None, 1], "[null, 1.0]", "list<l: double>"),
        ("'-inf'::double", None, "-inf", "double"),
        ("'0101'::bit", "0101", None, "string"),
        (r"'\xAA\x00ab'::blob", r"\xAA\x00ab", None, "binary"),
        ("'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
         None, "string"),
        ("['a'::enum('a', 'b')]", ["a"], '["a"]', "list<l: string>"),
        ("union_value(n := 2)", "2", "2", "string"),
        ("5::variant", "5", "5", "string"),
        ("'POINT(1 2)'::geometry", "POINT (1 2)", None, "string"),
        ("map {'k': 1}", {"k": 1}, '{"k": 1}', "map<string, int32>"),
        ("map {date '2026-01-02': [interval 1 day]}", {"2026-01-02": ["1 day"]}, None, None),
        ("map {}", {}, "{}", None),
        ("{'a b\"c': [1, null]}", {'a b"c': [1, None]}, None, None),
        ("row()", "()", None, None),
        ("null", None, "", "string"),
        ("[]", [], "[]", None),
        ("chr(0) || 'ü\"'", '\0ü"', None, "string"),
    ],
)  # fmt: skip
def test_a_value_of_each_kind(
    connection: Any, sql: str, as_json: Any, as_csv: str | None, kind: str | None
) -> None:
    found, text, arrow = value(connection, sql)
    assert found == as_json
    assert type(found) is type(as_json) or isinstance(found, int | Decimal)
    if as_csv is not None or isinstance(as_json, str):
        assert text == (as_json if as_csv is None else as_csv)
    assert kind is None or arrow == kind


@pytest.mark.parametrize("options", ["", "use_large_enum = true"])
def test_all_types_that_duckdb_has(connection: Any, options: str) -> None:
    """Their smallest and largest values, and null."""
    query = f"select * from test_all_types({options})"
    rows = through_all_formats(fetch(connection, query, MOST))
    relation = connection.sql(query)
    words = relation.project(
        ", ".join(f"#{i}::varchar" for i in range(1, 1 + len(relation.columns)))
    ).fetchall()
    assert len(rows) == len(words) == 3
    for row, texts in zip(rows, words, strict=True):
        for (name, found), text in zip(row.items(), texts, strict=True):
            if isinstance(found, str):
                found = found if text == found else found.replace("T", " ").replace("+00:00", "+00")
                assert found in (text, f"{text}.000000"), name
            elif found is None:
                assert text in (None, "nan", "inf", "-inf"), name
            elif isinstance(found, int | Decimal) and not isinstance(found, bool):
                assert float(found) == pytest.approx(float(text), rel=1e-6), name
    assert all(v is None for v in rows[2].values())


def test_columns_of_one_name_are_told_apart(connection: Any) -> None:
    table = fetch(connection, "select 1 as a, interval 1 day as a, 3 as a_1, 4 as A, 5 as a", MOST)
    assert table.column_names == ["a", "a_2", "a_1", "A", "a_3"]
    (row,) = through_all_formats(table)
    assert row == {"a": 1, "a_2": "1 day", "a_1": 3, "A": 4, "a_3": 5}


def test_rows_keep_their_order_when_they_become_text(connection: Any) -> None:
    query = "select i, to_days(2 + i::int) as d from range(100_000) t(i) order by hash(i)"
    table = fetch(connection, query, MOST)
    expected = connection.sql("select i from range(100_000) t(i) order by hash(i)").fetchall()
    assert table["i"].to_pylist() == [i for (i,) in expected]
    assert table["d"][0].as_py() == f"{2 + expected[0][0]} days"


def test_one_value_out_of_range_in_many_rows(connection: Any) -> None:
    query = "select if(i = 5000, date 'infinity', date '2026-01-02') as d from range(10_000) t(i)"
    found = fetch(connection, query, MOST)["d"].to_pylist()
    assert set(found) == {"2026-01-02", "infinity"}


def test_a_result_beyond_the_memory_is_refused(connection: Any) -> None:
    with pytest.raises(InputError, match=r"the result takes more than 0\.1 GiB"):
        fetch(connection, "select * from range(100_000_000_000)", 10**8)


class Made(NamedTuple):
    """A value in SQL, and what it has to be in JSON: a value, or a test for what is text."""

    sql: str
    expected: Any


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _integer(kind: str, low: int, high: int) -> st.SearchStrategy[Made]:
    return st.integers(low, high).map(lambda n: Made(f"{_quoted(str(n))}::{kind}", n))


def _moment(kind: str, values: st.SearchStrategy[Any]) -> st.SearchStrategy[Made]:
    return values.map(lambda v: Made(f"{_quoted(str(v))}::{kind}", v))


ODD = st.sampled_from(
    [
        "interval '1 year -3 days'", "date '-infinity'", "timestamp 'infinity'",
        "timestamptz 'infinity'", "'290000-01-01'::timestamp_s", "timestamp '0001-01-01 (BC)'",
        "time '24:00:00'", "timetz '00:00:00-15:59'", "'01'::bit", "uuid()", "'b'::enum('a', 'b')",
        "union_value(a := [1])", "{'x': 1}::variant", "'POINT(0 1)'::geometry", "row()",
        "'12:00:00.000000001'::time_ns", "'2026-01-01'::timestamptz_ns", "'[1]'::json",
    ]
)  # fmt: skip
PLAIN = st.one_of(
    st.sampled_from([Made("null", None), Made("true", True), Made("false", False)]),
    _integer("bigint", -(2**63), 2**63 - 1),
    _integer("hugeint", -(2**127), 2**127 - 1),
    _integer("uhugeint", 0, 2**128 - 1),
    _integer("bignum", -(10**60), 10**60),
    st.decimals(-(10**20), 10**20, places=10).map(lambda d: Made(f"'{d:f}'::decimal(38, 10)", d)),
    st.floats().map(lambda x: Made(f"'{x!r}'::double", x)),
    st.text().map(lambda t: Made(_quoted(t), t)),
    _moment("date", st.dates()),
    _moment("time", st.times()),
    _moment("timestamp", st.datetimes()),
    _moment("timestamptz", st.datetimes(timezones=st.just(UTC))),
    st.binary().map(
        lambda b: Made("'" + "".join(f"\\x{c:02X}" for c in b) + "'::blob", b)
    ),
    ODD.map(lambda sql: Made(sql, Ellipsis)),
)  # fmt: skip


def _nested(inner: st.SearchStrategy[Made]) -> st.SearchStrategy[Made]:
    name = st.text(min_size=1, max_size=3).filter(lambda n: "\0" not in n)
    structs = st.dictionaries(name, inner, min_size=1, max_size=3).filter(
        lambda parts: len({n.lower() for n in parts}) == len(parts)
    )
    keys = st.text(max_size=5)
    return st.one_of(
        inner.map(lambda v: Made(f"[{v.sql}]", [v.expected])),
        inner.map(lambda v: Made(f"array_value({v.sql}, {v.sql})", [v.expected] * 2)),
        structs.map(
            lambda parts: Made(
                "{" + ", ".join(f"{_quoted(n)}: {v.sql}" for n, v in parts.items()) + "}",
                {n: v.expected for n, v in parts.items()},
            )
        ),
        st.tuples(keys, inner).map(
            lambda kv: Made(f"map {{{_quoted(kv[0])}: {kv[1].sql}}}", {kv[0]: kv[1].expected})
        ),
    )


def matches(found: Any, expected: Any) -> bool:
    """Whether JSON has the value; the last digit of numbers counts."""
    match expected:
        case e if e is Ellipsis:
            return isinstance(found, str) and found != ""
        case None | bool() | str():
            return bool(found == expected and type(found) is type(expected))
        case int() | Decimal():
            return Decimal(found) == expected
        case float():
            known = math.isfinite(expected)
            return float(found) == expected if known else found is None
        case datetime() | date() | time():
            return _same_moment(found, expected)
        case bytes():
            decoded = found.encode("latin-1").decode("unicode_escape").encode("latin-1")
            return bool(decoded == expected)
        case list():
            pairs = zip(found, expected, strict=True)
        case dict():
            assert list(found) == list(expected)
            pairs = zip(found.values(), expected.values(), strict=True)
    return all(matches(f, e) for f, e in pairs)


def _same_moment(found: str, expected: Any) -> bool:
    read: Callable[[str], Any] = type(expected).fromisoformat
    return bool(read(found + ":00" if found[-3:] == "+00" else found) == expected)


@settings(max_examples=150, deadline=None)
@given(st.recursive(PLAIN, _nested, max_leaves=6), st.booleans())
def test_any_value_comes_back_from_every_format(made: Made, with_null: bool) -> None:
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        query = f"select {made.sql} as v" + (" union all select null" if with_null else "")
        rows = through_all_formats(fetch(connection, query, MOST))
    assert matches(rows[0]["v"], made.expected)
    assert [row["v"] for row in rows[1:]] == [None] * with_null
