import math
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import duckdb
import pytest

from clinfonce.errors import InputError
from clinfonce.results import Results, Store
from clinfonce.results import open as open_results
from clinfonce.results.sql import query as query_module
from clinfonce.results.store.measures import ACCURACIES, SPREADS
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
    names = [column.name for column in TABLES[table]]
    accuracies = [*ACCURACIES, *SPREADS] if table == "trials" else []
    assert found.schema.names == names + accuracies


@pytest.mark.parametrize("view", ["best", "by_clustering", "by_target", "attributes"])
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
        "explain/**/select 1",
        "explain -- what\n analyze /* /* nested */ */ select 'explain ü', 1",
        "EXPLAIN(FORMAT JSON)SELECT 1",
        "explain (analyze, format json) from trials",
        "/*a*/explain/*b*/(select 1)",
        "explain describe trials",
        "explain with recursive t(n) as (select 1) select * from t",
        """select "name", ("seed") as "query (1)", count(*) from trials group by all""",
        """select 'a "!="(b) query(1)' as "a != b" from trials""",
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
        "explain/**/analyze/**/create table x as select 1",
        "explain (analyze) insert into trials select * from trials",
        "explain copy (select 1) to '{tmp}/stolen.csv'",
        "explain explain select 1",
        "explain analyze",
        "explain",
        "explain 'select 1'",
        "explain/*",
        "select * from enable_logging(storage = 'file', storage_path = '{tmp}/log')",
        "select * from enable_profiling(save_location = '{tmp}/profile')",
        "select * from query('create table x as select 1')",
        "select * from json_execute_serialized_sql('{{}}')",
        "select * from read_blob('store.json')",
        "select * from parquet_metadata('trials/*.parquet')",
        "select * from read_duckdb('{tmp}/x.db')",
        "select * from sniff_csv('/etc/passwd')",
        "from '/dev/stdin'",
        # What crashes DuckDB, or could hide it:
        """select "!="({{'a': 1}}, map {{'a': 1}})""",
        """select main."<" /* */ ({{'a': 1}}, [1])""",
        """select "is distinct from"(trials, [1]) from trials""",
        "select __between(1, 1, 1)",
        "select * from query('select 1')",
        "select * from QUERY_TABLE /**/ ('trials')",
        """select * from "query"('select "!" || "="')""",
        "set memory_limit = '1TB'",
        "set variable x = 1",
        "begin",
        "checkpoint",
        "vacuum",
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
        ("select '\udcff'", "not UTF-8"),
        ("select \0 1", "syntax error"),
        ("select " + "(" * 50_000, "more than 500 signs"),
        ("select " + "+/**/-\n" * 5_000, "more than 500 signs"),
        ("select " + "a, " * 400_000, "1,200,007 characters"),
        ("select " + "abs(" * 2000 + "1" + ")" * 2000, "more than 500 signs"),
        ("select " + "not " * 2000 + "true", "depth limit"),
        ("select 'x'::int", "Could not convert string 'x'"),
        ("select i / 0, 'x' || i::int from range(9) t(i) where error('no')", "no"),
        ("select $1", "parameter"),
        ("select " + "a" * 5000, "…$"),
    ],
)
def test_a_malformed_query_is_a_users_mistake(results: Results, query: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        results.sql(query)


def test_nothing_of_the_working_folder_can_be_read(
    results: Results, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even where DuckDB would put what does not fit into the memory."""
    monkeypatch.chdir(tmp_path)
    for folder in (".tmp", "duckdb_temp", "."):
        Path(folder).mkdir(exist_ok=True)
        Path(folder, "secret").write_text("secret")
        for table in (f"read_text('{folder}/secret')", f"glob('{folder}/*')", f"'{folder}/secret'"):
            with pytest.raises(InputError):
                results.sql(f"select * from {table}")


def test_no_query_reaches_native_code(results: Results) -> None:
    """Functions that take an address would let a SELECT call what lies there."""
    addresses = results.sql(
        "select function_name from duckdb_functions() "
        "where lower(parameter_types::varchar || return_type::varchar) like '%pointer%'"
    )
    assert addresses.to_pylist() == []
    for function in ("arrow_scan", "arrow_scan_dumb", "python_arrow_scan", "pandas_scan"):
        for arguments in ("", "1", "1, 2, 3", "'1'::bigint", "1::pointer, 2::pointer, 3::pointer"):
            with pytest.raises(InputError):
                results.sql(f"select * from {function}({arguments})")
    with pytest.raises(InputError):
        results.sql("select * from python_map_function((select 1))")


def test_the_locks_of_the_connection_are_shut(results: Results) -> None:
    """Each by itself, should what is parsed as a SELECT ever do more."""
    connection = results._connection
    for statement in (
        "set enable_external_access = true",
        "set allowed_directories = ['/']",
        "set allowed_paths = ['/etc/passwd']",
        "set temp_directory = '/tmp'",
        "set memory_limit = '1TB'",
        "set python_enable_replacements = true",
        "reset lock_configuration",
        "load httpfs",
        "install httpfs",
        "attach '/tmp/clinfonce-test.db'",
        "copy trials to '/tmp/clinfonce-test.csv'",
    ):
        with pytest.raises(duckdb.Error, match=r"lock|disabled|cannot|Cannot"):
            connection.execute(statement)
    assert results.sql("select current_setting('temp_directory') d").to_pylist() == [{"d": ""}]


@pytest.mark.parametrize(
    "query",
    [
        "select count(*) from range(1_000_000_000) a, range(1_000_000_000) b",
        "with recursive t(n) as (select 1 union all select n + 1 from t) select max(n) from t",
        "select * from range(1_000_000_000_000) order by random()",
        "select sleep_ms(1_000_000)",
        "select i, sleep_ms(1) from range(1_000_000_000) t(i)",
    ],
)
def test_ctrl_c_ends_a_query_and_the_next_one_runs(results: Results, query: str) -> None:
    def press() -> None:
        while not results.is_busy:
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    presser = threading.Thread(target=press)
    presser.start()
    with pytest.raises(KeyboardInterrupt):
        results.sql(query)
    presser.join()
    while results.is_busy:  # on a busy machine
        time.sleep(0.1)
    assert results.sql("select 1 as one").to_pylist() == [{"one": 1}]


def test_a_query_that_needs_too_much_memory_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    less = [s for s in query_module._SETTINGS if "memory" not in s] + ["memory_limit = '200MB'"]
    monkeypatch.setattr(query_module, "_SETTINGS", less)
    found = open_results(Store.create(tmp_path))
    with pytest.raises(InputError, match="Out of Memory"):
        found.sql("select md5(i::varchar) m from range(100_000_000) t(i) order by m")
    with pytest.raises(InputError, match="the result takes more than"):
        found.sql("select * from range(100_000_000)")
    assert found.sql("select 1").num_rows == 1


def test_a_query_may_use_a_quarter_of_the_memory_and_no_disk(results: Results) -> None:
    ((limit, temporary),) = [
        row.values()
        for row in results.sql(
            "select parse_formatted_bytes(current_setting('memory_limit')) as limit, "
            "current_setting('temp_directory') as d"
        ).to_pylist()
    ]
    all_of_it = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert limit <= 0.26 * all_of_it
    assert temporary == ""


def test_after_a_fault_of_duckdb_the_next_query_runs(
    results: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise duckdb.InternalException("INTERNAL Error: no way\nstack")

    with monkeypatch.context() as patch:
        patch.setattr(query_module, "fetch", broken)
        before = results._connection
        with pytest.raises(InputError, match=r"^INTERNAL Error: no way$"):
            results.sql("select 1")
    assert results._connection is not before
    assert results.sql("select 1 as one").to_pylist() == [{"one": 1}]


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
