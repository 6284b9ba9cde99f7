"""A sweep that grows keeps its rows and runs what is missing."""

import copy
import dataclasses

import pytest

from clinfonce import data, results
from clinfonce.config import SweepSpec
from clinfonce.scaling.sweep import prepare_sweep, run_sweep
from tests.scaling.sweeps import Quiet

pytestmark = [pytest.mark.ray, pytest.mark.slow]

SWEEP = {
    "name": "demo",
    "data": {"name": "digits"},
    "trial": {
        "augmentation": "digits",
        "encoder": {"width": 4},
        "evaluation": {"every": 1, "draws": 2},
        "epochs": 2,
    },
    "seeds": [1],
    "resources": {"cpus": 2.0},  # a second process takes longer to start than to train
    "fixed": [{"name": "InfoNCE", "trial": {}}],
    "search": {
        "trials": 3,
        "trial": {"clustering": {"source": "attributes"}},
        "space": {"clustering.attributes": {"subset": ["loop", "even"]}},
        "window": 2,
    },
}


def run(values, home):
    sweep = SweepSpec.model_validate(values)
    table, store, reader = prepare_sweep(sweep, home)
    run_sweep(sweep, table, store, home, Quiet(), reader)
    sql = "SELECT trial_id, role, name, seed, attributes FROM trials ORDER BY trial_id"
    files = {file.name: file.stat().st_mtime_ns for file in home.glob("trials/[!.]*.parquet")}
    return {row.pop("trial_id"): row for row in results.open(home).sql(sql).to_pylist()}, files


def test_rows_stay_and_what_is_new_runs(tmp_path):
    before, files = run(SWEEP, tmp_path)
    grown = copy.deepcopy(SWEEP)
    grown["seeds"] = [1, 2]
    grown["fixed"].insert(0, {"name": "SupCon", "trial": {"clustering": {"source": "labels"}}})
    grown["search"]["trials"] = 6
    grown["search"]["space"]["clustering.attributes"]["subset"] = ["loop", "even", "prime"]
    after, files_after = run(grown, tmp_path)
    assert before.items() <= after.items()
    assert files.items() <= files_after.items()
    new = [row for key, row in after.items() if key not in before]
    assert sum(row["role"] == "search" for row in new) == 3
    assert {row["name"] for row in new if row["role"] == "fixed"} == {"SupCon", "InfoNCE"}
    assert any("prime" in row["attributes"] for row in new if row["role"] == "search")
    again, _ = run(grown, tmp_path)
    assert again == after


def test_a_data_set_that_gained_a_column_keeps_its_rows(tmp_path, monkeypatch):
    whole = data.load("digits")
    names = list(whole.columns)
    fewer = dataclasses.replace(whole, columns={name: whole.columns[name] for name in names[:-1]})
    values = {key: value for key, value in SWEEP.items() if key != "search"}
    monkeypatch.setattr(data, "load", lambda *_: fewer)
    before, files = run(values, tmp_path)
    monkeypatch.setattr(data, "load", lambda *_: whole)
    clustering = {"source": "column", "column": names[-1]}
    values["fixed"] = [*SWEEP["fixed"], {"name": "new", "trial": {"clustering": clustering}}]
    after, files_after = run(values, tmp_path)
    assert before.items() < after.items()
    assert files.items() < files_after.items()
    assert results.relate(results.open(tmp_path)).n_complete == 2
