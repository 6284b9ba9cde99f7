"""Specifications: what a file may say, and what a wrong one is answered."""

from pathlib import Path

import pytest

from clinfonce.config import (
    TrialSpec,
    change_trial,
    read_experiment,
    read_sweep,
    trial_id,
    walk,
)
from clinfonce.errors import InputError

SWEEP = """\
name: demo
data: {name: digits}
trial:
  objective: {temperature: 1e-1}
  sampler: {images_per_cluster: 4}
fixed:
  - name: InfoNCE
    trial: {clustering: {source: instances}}
search:
  trials: 3
  trial: {clustering: {source: attributes}}
  space:
    clustering.attributes: {subset: all}
    objective.temperature: {low: 0.05, high: 1.0, log: true}
    sampler.images_per_cluster: {choices: [2, 4]}
"""


def read(tmp_path: Path, text: str):
    path = tmp_path / "sweep.yaml"
    path.write_text(text)
    return read_sweep(path)


def test_a_sweep_is_read_as_written(tmp_path):
    sweep = read(tmp_path, SWEEP)
    assert sweep.trial.objective.temperature == 0.1
    assert sweep.fixed[0].name == "InfoNCE"
    trial = sweep.fixed_trial(sweep.fixed[0], seed=7)
    assert (trial.clustering.source, trial.seed) == ("instances", 7)
    assert trial.sampler.images_per_cluster == 4  # from the part that all trials share


def test_all_clusterings_of_some_columns_are_a_dimension_beside_roles(tmp_path):
    clusterings = "clustering: {choices: all, columns: [loop], largest: 1}"
    text = SWEEP.replace("clustering.attributes: {subset: all}", clusterings)
    dimension = read(tmp_path, text).search.space["clustering"]
    assert (dimension.columns, dimension.largest) == (("loop",), 1)


def test_a_point_of_the_search_sets_dotted_fields(tmp_path):
    sweep = read(tmp_path, SWEEP)
    point = {"clustering.attributes": ("loop",), "objective.temperature": 0.5}
    trial = sweep.searched_trial(point, seed=1)
    assert trial.clustering.source == "attributes"
    assert trial.clustering.attributes == ("loop",)
    assert (trial.objective.temperature, trial.objective.form) == (0.5, "out")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("{temperature: 1e-1}", "{temperature: -1}", ":4: trial.objective.temperature: must be gr"),
        ("{temperature: 1e-1}", "{temperature: warm}", ":4: trial.objective.temperature: must be"),
        ("{temperature: 1e-1}", "{temprature: 1}", ":4: trial.objective.temprature: unknown field; "
         "did you mean temperature? allowed: name, form, temperature"),
        ("{temperature: 1e-1}", "{temperature: .nan}", "temperature: must be"),
        ("source: instances", "source: classes", ":8: fixed.0.trial.clustering.source: 'classes' "
         "is not one of 'instances', 'labels'"),
        ("source: instances", "source: kmeans", ":8: fixed.0.trial.clustering: source kmeans needs "
         "n_clusters"),
        ("source: instances", "source: labels, top_k: 3", "source labels takes no further field"),
        ("trials: 3", "trials: many", ":10: search.trials: must be a whole number, got 'many'"),
        ("low: 0.05", "low: -0.05", ":14: search.space.objective.temperature: a logarithmic range"),
        ("[2, 4]", "[1, 4]", ":15: search.space.sampler.images_per_cluster: must be greater"),
        ("{choices: [2, 4]}", "7", ":15: search.space.sampler.images_per_cluster: a dimension"),
        ("sampler.images", "sampler.pictures", "unknown field"),
        ("    sampler.images_per_cluster: {choices: [2, 4]}", "    seed: {choices: [2, 4]}",
         ":15: search.space.seed: searched trials run with the seeds of the search: use `search.s"),
        ("{clustering: {source: attributes}}", "{seed: 3}", ":11: search.trial.seed: searched tr"),
        ("{source: instances}}", "{source: instances}, seed: 3}",
         ":8: fixed.0.trial.seed: fixed trials run with the seeds of the sweep: use `seeds`"),
        ("name: InfoNCE", "name: InfoNCE\n    choose: {seed: [1, 2]}", ":8: fixed.0.choose.seed: "),
        ("name: demo", "name: demo\nmetric: test_knn_top1_all",
         ":2: metric: 'test_knn_top1_all' would select on other data than the validation split"),
        ("name: InfoNCE", "name: InfoNCE\n    choose: {objective.temprature: [1]}",
         ":8: fixed.0.choose.objective.temprature: unknown field; did you mean temperature?"),
        ("name: InfoNCE", "name: InfoNCE\n    choose: {objective.temperature: [0.1, -1]}",
         ":8: fixed.0.choose.objective.temperature: must be greater than 0, got -1"),
        ("name: InfoNCE", "name: InfoNCE\n    choose: {objective.temperature: []}",
         ":8: fixed.0.choose.objective.temperature: must have at least 1 item"),
        ("name: InfoNCE", "name: InfoNCE\n    choose: {objective.temperature: [0.1, 0.1]}",
         ":7: fixed.0: is the same trial twice, here and in 'InfoNCE'"),
        ("name: demo", "name: demo\nseeds: [3, 3]", ":2: seeds: must differ, got [3, 3]"),
        ("name: demo", "name: demo\nseeds: [0, 3]", "search.seed: 0 is among seeds"),
        ("name: demo", "name: ../demo", ":1: name: must match"),
        ("name: demo", "name: demo\nname: again", ":2: name: given twice"),
        ("name: demo", "name: [", "not YAML"),
        # named as pydantic names the alternatives of a union
        ("name: demo", "name: demo\nchoices:", ":2: choices: unknown field"),
        ("name: demo", "name: demo\nrange: 3", ":2: range: unknown field; allowed: name"),
        ("{choices: [2, 4]}", "{choices: 5}",
         ":15: search.space.sampler.images_per_cluster.choices: must be"),
        ("{choices: [2, 4]}", "{choices: [2, 4], low: 1}",
         ":15: search.space.sampler.images_per_cluster.low: unknown field; allowed: when, choices"),
        ("log: true", "lg: true", ":14: search.space.objective.temperature.lg: unknown field; "
         "did you mean log? allowed: when, low, high, log, step"),
    ],
)  # fmt: skip
def test_a_mistake_is_answered_in_one_line_with_its_place(tmp_path, old, new, said):
    assert old in SWEEP
    with pytest.raises(InputError) as caught:
        read(tmp_path, SWEEP.replace(old, new, 1))
    message = str(caught.value)
    assert said in message
    assert "sweep.yaml:" in message
    assert "\n" not in message


WHEN = """\
  space:
    clustering.source: {choices: [attributes, kmeans]}
    clustering.attributes: {subset: all, when: {clustering.source: attributes}}
    clustering.n_clusters: {low: 2, high: 64, when: {clustering.source: [kmeans]}}
    sampler.images_per_cluster: {choices: [2, 4]}
"""


def conditional(tmp_path, old="", new=""):
    text = SWEEP[: SWEEP.index("  trial: {clustering: {source: attributes}}")] + WHEN
    assert old in text
    return read(tmp_path, text.replace(old, new, 1))


def test_a_dimension_with_a_condition_is_there_where_it_holds(tmp_path):
    sweep = conditional(tmp_path)
    first = walk(sweep.search.space, lambda path, dimension: dimension.ends[0])
    assert list(first) == [
        "clustering.source", "clustering.attributes", "sampler.images_per_cluster"
    ]  # fmt: skip
    last = walk(sweep.search.space, lambda path, dimension: dimension.ends[-1])
    assert last["clustering.n_clusters"] == 64
    assert "clustering.attributes" not in last


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("when: {clustering.source: attributes}", "when: {clustering.sauce: attributes}",
         ":13: search.space.clustering.attributes.when.clustering.sauce: a condition is on choices "
         "that stand above it: clustering.source"),
        ("[kmeans]}", "[kmean]}", "'kmean' is not one of its choices: attributes, kmeans"),
        (", when: {clustering.source: [kmeans]}", "",
         "source attributes takes attributes, bins, top_k, not n_clusters"),
        ("low: 2, high", "low: 1, high", ":14: search.space.clustering.n_clusters: must be gr"),
        ("trials: 3", "trials: 3\n  sampler: grid", "runs every point of the space: leave trials"),
        ("trials: 3", "sampler: grid", "sampler grid needs the names, such as {subset: [a, b]}"),
        ("  trials: 3\n", "", "search.trials: is missing"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_search_is_answered_in_one_line(tmp_path, old, new, said):
    with pytest.raises(InputError) as caught:
        conditional(tmp_path, old, new)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_pruning_by_accuracy_alone_is_refused_beside_nsga2(tmp_path):
    text = SWEEP.replace("trials: 3", "trials: 3\n  sampler: nsga2")
    with pytest.raises(InputError, match=r"scheduler\.name: asha stops trials by accuracy alone"):
        read(tmp_path, text + "scheduler: {name: asha}\n")


def test_a_missing_file_is_an_input_error(tmp_path):
    with pytest.raises(InputError, match="no-such"):
        read_experiment(tmp_path / "no-such.yaml")


def test_changing_a_trial_keeps_what_is_not_named():
    trial = change_trial(TrialSpec(), {"objective": {"form": "in"}})
    trial = change_trial(trial, {"objective": {"temperature": 0.3}})
    assert (trial.objective.form, trial.objective.temperature) == ("in", 0.3)


def test_the_identity_of_a_trial_follows_everything_that_decides_its_row():
    base = trial_id("demo", TrialSpec(), "data")
    assert base == trial_id("demo", TrialSpec(), "data")
    others = [
        trial_id("other", TrialSpec(), "data"),
        trial_id("demo", TrialSpec(seed=1), "data"),
        trial_id("demo", TrialSpec(workers=2), "data"),
        trial_id("demo", TrialSpec(), "other data"),
    ]
    assert len({base, *others}) == 5


@pytest.mark.parametrize("path", sorted(Path("sweeps").glob("*.yaml")), ids=lambda p: p.name)
def test_every_shipped_sweep_is_valid(path):
    read_sweep(path)
