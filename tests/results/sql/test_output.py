import csv
import io
import json
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from clinfonce.errors import InputError
from clinfonce.results.sql.output import FORMATS, encode_table, write_table

TABLE = pa.table(
    {
        "name": ["a, b", 'say "no"', None],
        "share": [0.5, float("nan"), 12345.678],
        "count": pa.array([1, None, 3], pa.int32()),
        "attributes": [["loop", "even"], None, []],
        "at": pa.array([datetime(2026, 1, 2, tzinfo=UTC)] * 3, pa.timestamp("ms", "UTC")),
    }
)


def test_json_has_no_nan_and_keeps_lists() -> None:
    found = json.loads(encode_table(TABLE, "json"))
    assert found[0]["attributes"] == ["loop", "even"]
    assert found[1]["share"] is None
    assert found[0]["at"] == "2026-01-02T00:00:00+00:00"


def test_csv_is_read_back() -> None:
    found = list(csv.DictReader(io.StringIO(encode_table(TABLE, "csv").decode())))
    assert [row["name"] for row in found] == ["a, b", 'say "no"', ""]
    assert json.loads(found[0]["attributes"]) == ["loop", "even"]
    assert found[0]["count"] == "1"


def test_parquet_is_read_back() -> None:
    found = pq.read_table(io.BytesIO(encode_table(TABLE, "parquet")))
    assert found.drop_columns("share").equals(TABLE.drop_columns("share"))


def test_aligned_columns() -> None:
    lines = encode_table(TABLE.select(["name", "share", "count"]), "table").decode().splitlines()
    assert lines[0].split() == ["name", "share", "count"]
    assert {len(line) for line in lines[1:]} == {len(lines[1])}
    assert lines[2].endswith("0.5      1")
    assert "–" in lines[4]


@pytest.mark.parametrize("format", FORMATS)
def test_an_empty_table_and_both_kinds_of_target(format: str, tmp_path: Path) -> None:
    empty = TABLE.slice(0, 0)
    write_table(empty, format, tmp_path / "out")
    stream = io.BytesIO() if format == "parquet" else io.StringIO()
    write_table(empty, format, stream)
    written = stream.getvalue()
    content = written if isinstance(written, bytes) else written.encode()
    assert (tmp_path / "out").read_bytes() == content


def test_an_unknown_format() -> None:
    with pytest.raises(InputError, match="allowed: table, csv, json, parquet"):
        encode_table(TABLE, "xlsx")
