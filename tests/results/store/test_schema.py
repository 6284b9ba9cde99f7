from pathlib import Path

import pytest

from clinfonce.results.store.document import document
from clinfonce.results.store.schema import MEASURED, TABLES

ROOT = Path(__file__).parents[3]


def test_the_documentation_is_that_of_the_schema() -> None:
    written = (ROOT / "docs/results.md").read_text(encoding="utf-8")
    assert written == document(), "run python -m clinfonce.results.store.document"


@pytest.mark.parametrize("table", TABLES)
def test_every_column_says_what_it_is(table: str) -> None:
    names = [column.name for column in TABLES[table]]
    assert len(names) == len(set(names))
    for column in TABLES[table]:
        assert column.description
        assert column.source
        if str(column.type) == "double" and column.name not in ("temperature", "learning_rate"):
            assert column.unit, column.name


def test_measured_columns_are_those_of_clock_and_machine() -> None:
    assert {"seconds", "host", "finished_at", "peak_memory_mb"} <= MEASURED
    assert not MEASURED & {"loss", "val_knn", "seed", "epochs_run", "test_linear_top1_5"}
