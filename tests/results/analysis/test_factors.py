"""What features let one read, of the clustering that is chosen."""

import json

import pytest

from clinfonce.results import Store, factors_of
from clinfonce.results import open as open_results
from clinfonce.results.report.figures import factors as draw
from tests.results.store.test_store import rows

METRIC = {"metric": "test_linear_top1_5", "sweep": None}
PROVENANCE = {
    "source": "similarity",
    "columns": {"court": {}},
    "suppress": {"columns": {"camera": {}}},
}


def factor(name, kind, stage, value, most=1.0):
    return {
        "factor": name, "kind": kind, "stage": stage, "measure": "bits", "value": value,
        "chance": 0.0, "most": most, "n_images": 100,
    }  # fmt: skip


@pytest.fixture
def opened(tmp_path):
    store = Store.create(tmp_path)
    for seed, shift in enumerate((0.0, 0.2)):
        trial, epochs, clustering = rows(
            f"t{seed}", source="similarity", seed=seed, val_linear_top1_5=0.6,
            test_linear_top1_5=0.5,
        )  # fmt: skip
        clustering = {**clustering, "provenance": json.dumps(PROVENANCE)}
        told = [
            factor("label", "target", "before", 1.0, 3.0),
            factor("label", "target", "after", 2.0 + shift, 3.0),
            factor("court", "boolean", "before", 0.3),
            factor("court", "boolean", "after", 0.8),
            factor("camera", "categorical", "before", 0.5),
            factor("camera", "categorical", "after", 0.1),
            factor("price", "numeric", "before", 0.2, None),
            factor("price", "numeric", "after", 0.3, None),
        ]
        store.write_trial(trial, epochs, clustering, factors=told)
    return open_results(tmp_path)


def test_factors_are_means_over_seeds_with_the_roles_of_the_columns(opened):
    label, *columns = factors_of(opened, **METRIC)
    assert (label.name, label.before, label.most) == ("label", 1.0, 3.0)
    assert label.after == pytest.approx(2.1)
    assert [c.name for c in columns] == ["court", "price", "camera"]
    assert {c.name: c.role for c in columns} == {
        "court": "attract",
        "camera": "suppress",
        "price": "",
    }


def test_the_figure_says_each_of_them(opened):
    svg = draw(factors_of(opened, **METRIC))
    assert "+ court" in svg
    assert "− camera" in svg
    assert "label 1.00 to 2.10" in svg
    assert "No factors" in draw(())


def test_the_table_can_be_asked_in_sql_and_goes_with_its_trials(opened):
    (row,) = opened.sql(
        "select avg(value) as told from factors f join trials using (trial_id) "
        "where factor = 'court' and stage = 'after'"
    ).to_pylist()
    assert row["told"] == pytest.approx(0.8)
    opened.store.compact()
    again = open_results(opened.store.folder.place)
    assert len(again.sql("select * from factors").to_pylist()) == 16
    opened.store.remove(["t0"])
    left = open_results(opened.store.folder.place).sql("select distinct trial_id from factors")
    assert left.column(0).to_pylist() == ["t1"]
