"""Specifications: what a file may say, and what a wrong one is answered."""

from pathlib import Path

import pytest

from clinfonce.config import TrialSpec, change_trial, read_experiment, read_sweep, trial_id
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
        ("  trials: 3", "  trials: 3\n  metric: test_knn_top1_all", "validation split"),
        ("name: demo", "name: ../demo", ":1: name: must match"),
        ("name: demo", "name: demo\nname: again", ":2: name: given twice"),
        ("name: demo", "name: [", "not YAML"),
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
