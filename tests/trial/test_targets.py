"""A trial on data with several targets, each known of some images."""

import dataclasses

import numpy as np
import pytest

from clinfonce.config import TrialSpec, trial_id
from clinfonce.data import Column, ImageTable, Target
from clinfonce.errors import InputError
from clinfonce.results import Store, relate
from clinfonce.results import open as open_results
from clinfonce.trial.run import check_trial, run_trial

N = 300
SPEC = TrialSpec.model_validate(
    {
        "encoder": {"name": "embeddings", "train": "none"},
        "epochs": 0,
        "evaluation": {"groups": ["camera"]},
    }
)
DRAW = np.random.default_rng(0)
X = DRAW.normal(size=(N, 16)).astype(np.float32)
SPLIT = np.tile(np.array([0, 0, 1, 2], np.int8), N // 4)


def classes(column, n):
    return np.floor(np.argsort(np.argsort(column)) * n / N).astype(np.int64)


def table(**changes):
    number = X[:, 2].astype(float) + DRAW.normal(size=N) / 4
    number[::7] = np.nan
    targets = [
        Target("kind", "class", classes(X[:, 0], 4), tuple("abcd")),
        Target("size", "class", classes(X[:, 1], 3), ("s", "m", "l")),
        Target("tags", "multilabel", X[:, 3:7] > 0.5, ("p", "q", "r", "s")),
        Target("age", "number", number),
    ]
    columns = [
        Column("camera", "categorical", np.array(["left", "right", "top"])[np.arange(N) % 3]),
        Column("weight", "numeric", X[:, 8].astype(float)),
    ]
    given = {
        "name": "toy", "images": X, "labels": targets[0].values, "label_names": targets[0].names,
        "split": SPLIT, "columns": {c.name: c for c in columns},
        "targets": {t.name: t for t in targets},
    }  # fmt: skip
    return ImageTable(**(given | changes))


@pytest.fixture(scope="module")
def data():
    return table()


@pytest.fixture(scope="module")
def result(data):
    return run_trial(SPEC, data, experiment="demo")


def keyed(rows):
    return {tuple(row[k] for k in ("target", "split", "probe", "labels", "measure", "grouped_by",
                                   "group")): row for row in rows}  # fmt: skip


def test_every_target_has_its_measures(result):
    rows = keyed(result.scores)
    assert len(rows) == len(result.scores), "no measure twice"
    whole = {key[:-2] for key in rows if key[-2] is None}
    assert {
        ("kind", "test", "linear", "1", "top1"),
        ("kind", "test", "retrieval", "all", "map"),
        ("size", "val", "knn", "all", "macro_f1"),
        ("size", "test", "linear", "5", "top1"),
        ("tags", "test", "linear", "all", "map"),
        ("tags", "val", "linear", "all", "macro_f1"),
        ("age", "test", "linear", "all", "r2"),
        ("age", "test", "linear", "all", "mae_of_mean"),
    } <= whole
    assert all(np.isfinite(row["value"]) for row in result.scores)
    assert rows["kind", "test", "linear", "all", "top1", "camera", "left"]["images"] == 25
    assert rows["tags", "test", "linear", "all", "label_accuracy_worst", "camera", None]
    assert rows["age", "test", "linear", "all", "r2", None, None]["images"] < 75
    assert result.trial["target"] == "kind"
    name = "test_linear_top1_5"
    assert result.trial[name] == result.trial[f"kind:{name}"] != result.trial[f"size:{name}"]
    assert result.trial["tags:test_linear_map_all"] > 0.5


def test_further_targets_and_groups_change_no_row_of_the_first(data, result):
    alone = dataclasses.replace(data, targets={"kind": data.targets["kind"]})
    plain = SPEC.model_copy(update={"evaluation": TrialSpec().evaluation})
    expected = keyed(run_trial(plain, alone, experiment="demo").scores)
    found = keyed(result.scores)
    assert {key: found[key] for key in expected} == expected


def test_a_store_answers_for_each_target(result, tmp_path):
    store = Store.create(tmp_path)
    row = {**result.trial, "number": 0, "role": "fixed", "name": "frozen"}
    store.write_trial(row, result.epochs, None, result.scores)
    store.compact()
    kept = store.finished()[row["trial_id"]]
    kept["finished_at"] = row["finished_at"]  # to the millisecond
    assert {name: kept[name] for name in row} == row
    results = open_results(store)
    (found,) = results.sql("select test_linear_top1_5 as a from trials").to_pylist()
    assert found["a"] == result.trial["kind:test_linear_top1_5"]
    rows = keyed(result.scores)
    worst = rows["kind", "test", "linear", "all", "top1_worst", "camera", None]["value"]
    assert kept["kind:test_linear_top1_worst_all_by_camera"] == worst
    assert kept["test_linear_top1_worst_all_by_camera"] == worst
    for metric in (
        "size:test_knn_top1_all",
        "tags:test_linear_map_all",
        "age:test_linear_r2_all",
        "kind:test_linear_top1_worst_all_by_camera",
        "tags:test_linear_label_accuracy_mean_all_by_camera",
    ):
        relation = relate(results, metric=metric)
        assert [r.accuracy for r in relation.rows] == [result.trial[metric]]
        target = metric.partition(":")[0]
        assert target in relation.answer
    with pytest.raises(InputError, match="of that less is better; take r2"):
        relate(results, metric="age:test_linear_mae_all")
    with pytest.raises(InputError, match=r"target: 'agee'; did you mean 'age'"):
        relate(results, metric="agee:test_linear_r2_all")
    with pytest.raises(InputError, match=r"column of groups: 'cam'; did you mean 'camera'"):
        relate(results, metric="test_linear_top1_worst_all_by_cam")


def test_what_is_left_at_its_default_names_no_trial_anew():
    spec = TrialSpec()
    changed = TrialSpec.model_validate({"evaluation": {"balanced": True}})
    given = TrialSpec.model_validate({"evaluation": {"balanced": False, "groups": []}})
    assert trial_id("s", spec, "f") == trial_id("s", given, "f") != trial_id("s", changed, "f")


def test_numbers_group_by_quantiles(data):
    spec = TrialSpec.model_validate({**SPEC.model_dump(), "evaluation": {"groups": ["weight"]}})
    rows = run_trial(spec, data, experiment="demo").scores
    groups = {r["group"] for r in rows if r["grouped_by"] == "weight" and r["group"]}
    assert len(groups) == 4
    assert all(" to " in group for group in groups)


def one_class():
    values = classes(X[:, 1], 3)
    values[SPLIT == 0] = np.minimum(values[SPLIT == 0], 1)
    return Target("size", "class", values, ("s", "m", "l"))


def unknown_in_test():
    values = np.where(SPLIT == 2, np.nan, X[:, 2].astype(float))
    return Target("age", "number", values)


@pytest.mark.parametrize(
    ("changes", "groups", "message"),
    [
        ({}, ["camra"], "unknown column of 'toy': 'camra'; did you mean 'camera'"),
        ({}, ["size"], "'size' is a target of toy"),
        (
            {"columns": {"one": Column("one", "boolean", np.ones(N, bool))}},
            ["one"],
            "'one' is True in every test image of toy, so it makes no groups",
        ),
        ({"targets": {"size": one_class()}}, [], "class 'l' is in the validation split, and in no"),
        (
            {"targets": {"age": Target("age", "number", np.full(N, 2.0))}},
            [],
            "target 'age' is 2 in every training image",
        ),
        ({"targets": {"age": unknown_in_test()}}, [], "target 'age' is known of no test image"),
        (
            {"targets": {"tags": Target("tags", "multilabel", np.ones((N, 2), bool), ("a", "b"))}},
            [],
            "target 'tags' is the same in every training image",
        ),
    ],
)
def test_mistakes_take_one_line(changes, groups, message):
    label = table().targets["kind"]
    if "targets" in changes:
        changes = {"targets": {"kind": label, **changes["targets"]}, "labels": label.values}
    spec = TrialSpec.model_validate({**SPEC.model_dump(), "evaluation": {"groups": groups}})
    with pytest.raises(InputError, match=message) as caught:
        check_trial(spec, table(**changes))
    assert "\n" not in str(caught.value)
