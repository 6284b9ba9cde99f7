import math
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from clinfonce.errors import InputError
from clinfonce.results import Results, Store
from clinfonce.results import open as open_results
from clinfonce.results.store.schema import TABLES
from tests.results.example_store import write_example
from tests.results.store.test_store import rows


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return open_results(write_example(tmp_path_factory.mktemp("example")))


@pytest.mark.parametrize("table", TABLES)
def test_an_empty_store_has_empty_tables(tmp_path: Path, table: str) -> None:
    found = open_results(Store.create(tmp_path)).sql(f"select * from {table}")
    assert found.num_rows == 0
    assert found.schema.names == [column.name for column in TABLES[table]]


@pytest.mark.parametrize("view", ["best", "by_clustering", "attributes"])
def test_an_empty_store_has_empty_views(tmp_path: Path, view: str) -> None:
    assert open_results(Store.create(tmp_path)).sql(f"select * from {view}").num_rows == 0


@pytest.mark.parametrize(
    "query",
    [
        "select count(*) from trials",
        "with t as (select * from trials) select * from t",
        "describe trials",
        "show tables",
        "summarize clusterings",
        "explain select * from epochs",
        "explain analyze select count(*) from epochs",
        "from best",
        "values (1)",
        "-- why\nselect 1;",
    ],
)
def test_reading_is_allowed(results: Results, query: str) -> None:
    assert results.sql(query).num_rows > 0


@pytest.mark.parametrize(
    "query",
    [
        "select * from read_csv('/etc/passwd')",
        "select * from read_text('/etc/passwd')",
        "select * from '/etc/passwd'",
        "select * from glob('/*')",
        "from 'https://example.org/x.parquet'",
        "copy trials to '{tmp}/stolen.csv'",
        "copy (select 1) to '{tmp}/stolen.csv'",
        "export database '{tmp}/stolen'",
        "attach '{tmp}/stolen.db'",
        "install httpfs",
        "load httpfs",
        "create table x as select 1",
        "delete from trials",
        "drop view best",
        "set enable_external_access = true",
        "reset lock_configuration",
        "pragma database_list",
        "call pragma_version()",
        "update extensions",
        "use memory",
        "prepare p as select 1",
        "explain analyze create table x as select 1",
        "explain analyze copy trials to '{tmp}/stolen.csv'",
        "/* hm */ explain /* hm */ analyze copy trials to '{tmp}/stolen.csv'",
        "select 1; select 2",
        "select * from query('copy trials to ''{tmp}/stolen.csv''')",
    ],
)
def test_nothing_but_reading_the_tables_is_allowed(
    results: Results, query: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError) as caught:
        results.sql(query.format(tmp=tmp_path))
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())
    assert results.sql("select count(*) n from trials").to_pylist()[0]["n"] > 20


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("selec 1", 'syntax error at or near "selec"'),
        ("select nope from trials", '"nope" not found'),
        ("select * from nope", "nope does not exist"),
        ("", "0 statements"),
        ("-- nothing", "0 statements"),
    ],
)
def test_a_malformed_query_is_a_users_mistake(results: Results, query: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        results.sql(query)


def test_a_name_is_never_a_python_variable(results: Results) -> None:
    statements = results.sql("select 1 as one")
    assert statements is not None
    with pytest.raises(InputError):
        results.sql("select * from statements")


def test_times_are_in_utc(results: Results) -> None:
    found = results.sql("select min(finished_at)::varchar as t from trials").to_pylist()
    assert found == [{"t": "2026-01-01 00:00:00+00"}]


def test_best_is_chosen_by_validation_among_complete_trials(tmp_path: Path) -> None:
    store = Store.create(tmp_path)
    trial, _, clustering = rows()
    for i, (status, validation, test) in enumerate(
        [
            ("complete", 0.6, 0.1),
            ("complete", 0.5, 0.9),
            ("stopped", 0.9, None),
            ("complete", math.nan, 0.9),
        ]
    ):
        row = {"trial_id": f"t{i}", "number": i, "status": status, "val_linear_top1_5": validation}
        store.write_trial(trial | row | {"test_linear_top1_5": test}, [], clustering)
    best = open_results(store).sql("select trial_id, validation from best").to_pylist()
    assert best == [{"trial_id": "t0", "validation": 0.6}]


def test_by_clustering_averages_complete_trials(tmp_path: Path) -> None:
    store = Store.create(tmp_path)
    trial, _, clustering = rows()
    for i, (status, accuracy) in enumerate(
        [("complete", 0.4), ("complete", 0.6), ("complete", math.nan), ("failed", None)]
    ):
        row = {"trial_id": f"t{i}", "number": i, "status": status, "seed": i % 2}
        store.write_trial(trial | row | {"test_linear_top1_5": accuracy}, [], clustering)
    (row,) = open_results(store).sql("select * from by_clustering").to_pylist()
    assert row["trials"] == 3
    assert row["seeds"] == 2
    assert row["n_clusters"] == 4
    assert row["test_linear_top1_5"] == pytest.approx(0.5)
    assert row["test_linear_top1_5_std"] == pytest.approx(math.sqrt(0.02))
    assert row["test_linear_top1_all"] is None


def test_attributes_has_a_row_per_trial_and_attribute(results: Results) -> None:
    found = results.sql(
        "select attribute, included from attributes a join trials t using (trial_id) "
        "where t.clustering = 'attributes(even, tall)' and t.seed = 0 and t.status = 'complete' "
        "order by attribute"
    ).to_pylist()
    assert [r["attribute"] for r in found] == sorted(
        ["loop", "even", "round", "tall", "closed", "bright"]
    )
    assert [r["attribute"] for r in found if r["included"]] == ["even", "tall"]


def test_querying_loads_neither_torch_nor_ray() -> None:
    code = (
        "import sys, clinfonce.results\n"
        "sys.exit(bool({'torch', 'ray', 'optuna', 'sklearn'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_what_locks_the_door_cannot_be_changed_by_any_statement(results: Results) -> None:
    """Besides, for a statement that would pass for one that reads."""
    (row,) = results.sql("select current_setting('lock_configuration') as locked").to_pylist()
    assert row == {"locked": True}
    for statement in ("set enable_external_access = true", "set threads = 1"):
        with pytest.raises(duckdb.Error, match="lock"):
            results._connection.execute(statement)
