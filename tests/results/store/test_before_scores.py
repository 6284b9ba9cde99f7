"""A store of version 1, whose trials held their accuracies, as its last release wrote it.

A made-up sweep compacted, and one trial more that was not; beside it what that release said of it.
"""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from clinfonce.errors import InputError
from clinfonce.results import Store, relate, report
from clinfonce.results import open as open_results
from clinfonce.results.store import store as store_module
from clinfonce.results.store.transfer import take_sweep
from tests.results.store.test_store import rows

OLD = Path(__file__).with_name("store-before-scores")
SAID = json.loads(OLD.with_suffix(".json").read_text(encoding="utf-8"))


@pytest.fixture
def old(tmp_path: Path) -> Store:
    return Store.open(shutil.copytree(OLD, tmp_path / "old"))


def nearly(row: dict[str, Any]) -> dict[str, Any]:
    """DuckDB adds up in the order in which rows come."""
    return {k: pytest.approx(v, rel=1e-12) if isinstance(v, float) else v for k, v in row.items()}


def check_says_the_same(store: Store) -> None:
    results = open_results(store)
    columns = ", ".join(SAID["by_clustering"][0])
    query = f"select {columns} from by_clustering order by clustering, objective"
    assert results.sql(query).to_pylist() == [nearly(row) for row in SAID["by_clustering"]]
    relation = relate(results)
    assert relation.answer == SAID["answer"]
    assert relation.chosen == SAID["chosen"]
    assert list(relation.notes) == SAID["notes"]
    found = [[r.name, r.n_trials, r.accuracy, r.spread, r.validation] for r in relation.rows]
    assert found == SAID["rows"]
    assert {c.quantity: c.rho.estimate for c in relation.correlations} == SAID["rho"]
    trial = store.finished()["example-loose"]
    assert {name: trial[name] for name in SAID["trial"]} == SAID["trial"]


def scores(store: Store) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = open_results(store).sql("from scores order by all").to_pylist()
    return found


def test_it_is_read_as_before_and_stays_as_it_is(old: Store) -> None:
    check_says_the_same(old)
    found = scores(old)
    assert {row["target"] for row in found} == {"label"}
    value = next(
        row["value"]
        for row in found
        if (row["trial_id"], row["split"], row["probe"], row["measure"], row["labels"])
        == ("example-loose", "test", "linear", "top1", "5")
    )
    assert value == SAID["trial"]["test_linear_top1_5"]
    assert not old.folder.names("scores")
    assert json.loads(old.folder.read("store.json"))["version"] == 1


def test_it_is_reported(old: Store, tmp_path: Path) -> None:
    page = report(open_results(old), tmp_path / "page.html").read_text(encoding="utf-8")
    assert f"{100 * SAID['rows'][0][2]:.1f}" in page


def test_it_is_compacted_to_a_store_of_this_version(old: Store) -> None:
    before = scores(old)
    old.compact()
    check_says_the_same(old)
    assert scores(old) == before
    assert len(old.folder.names("scores")) == len(old.folder.names("trials")) == 1
    assert json.loads(old.folder.read("store.json"))["version"] == 2


def test_trials_are_added_and_removed(old: Store) -> None:
    old.write_trial(*rows("t1"))
    assert old.finished()["t1"]["test_linear_top1_5"] == 0.5
    old.compact()
    old.remove(["t1"])
    check_says_the_same(old)
    old.remove(["example-loose"])
    assert "example-loose" not in {row["trial_id"] for row in scores(old)}


def test_its_sweep_goes_into_another_store(old: Store, tmp_path: Path) -> None:
    new = Store.create(tmp_path / "new")
    take_sweep(new, old, "example")
    check_says_the_same(new)
    assert scores(new) == scores(old)


def test_a_version_that_knows_no_scores_refuses_what_this_one_wrote(
    old: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    old.write_trial(*rows("t1"))
    monkeypatch.setattr(store_module, "SCHEMA_VERSION", 1)
    with pytest.raises(InputError, match="version 2; this clinfonce reads up to 1"):
        Store.open(old.folder.root)
