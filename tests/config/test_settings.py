"""Fields that are set on the command line."""

import json

import pytest

from clinfonce.config import read_sweep, specification_text
from clinfonce.errors import InputError

SPEC = """\
name: demo
data: {name: digits}
trial:
  augmentation: digits
  epochs: 10
fixed:
  - {name: InfoNCE, trial: {clustering: {source: instances}}}
  - {name: k-means 2.5, trial: {clustering: {source: kmeans, n_clusters: 5}}}
search:
  trials: 4
  trial: {clustering: {source: attributes}}
  space:
    clustering.attributes: {subset: all}
    objective.temperature: {low: 0.05, high: 1.0, log: true}
"""


@pytest.fixture
def spec(tmp_path):
    path = tmp_path / "demo.yaml"
    path.write_text(SPEC)
    return path


def test_each_kind_of_field(spec):
    sweep = read_sweep(
        spec,
        [
            "trial.epochs=20",
            "trial.augmentation.flip=0",
            "trial.encoder={name: small_cnn, width: 8}",
            "trial.encoder.width=4",
            "seeds=[7, 8]",
            "name=010",
            "fixed.k-means 2.5.trial.clustering.n_clusters=6",
            "fixed.0.trial.epochs=3",
            "search.space.objective.temperature.low=0.1",
            "search.space.sampler.images_per_cluster={choices: [2, 4]}",
            "search.trials=9",
        ],
    )
    assert sweep.trial.epochs == 20
    assert sweep.trial.augmentation.model_dump(exclude_none=True) == {"policy": "digits", "flip": 0}
    assert sweep.trial.encoder.width == 4
    assert sweep.seeds == (7, 8)
    assert sweep.name == "010"
    assert sweep.fixed[1].trial["clustering"]["n_clusters"] == 6
    assert sweep.fixed[0].trial["epochs"] == 3
    assert sweep.search.space["objective.temperature"].low == 0.1
    assert sweep.search.space["sampler.images_per_cluster"].choices == [2, 4]
    assert sweep.search.n_trials == 9


def test_nothing_stands_for_what_a_field_has_by_default(spec):
    assert read_sweep(spec, ["search="]).search is None


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("trial.epochs", "--set 'trial.epochs': not FIELD=VALUE, such as trial.epochs=20"),
        ("=3", "--set '=3': not FIELD=VALUE"),
        ("trial.epochs=two", "--set trial.epochs=two: trial.epochs: must be a whole number, got "),
        ("trial.epoch=2", "--set trial.epoch=2: trial.epoch: unknown field; did you mean epochs"),
        ("trial.epochs.x=2", "--set trial.epochs.x=2: trial.epochs is 10, which has no fields"),
        ("trial.encoder={", "--set trial.encoder={:1: not YAML"),
        ("trial.epochs=!!int 3", "a tag"),
        ("fixed.SupCon.trial.epochs=2", "fixed has 2 elements (InfoNCE, k-means 2.5), none called"),
        ("seeds=[1, 1]", "--set seeds=[1, 1]: seeds: must differ"),
        ("trial.augmentation.flip=2", "trial.augmentation"),
    ],
)
def test_a_mistake_names_the_setting(spec, setting, message):
    with pytest.raises(InputError) as caught:
        read_sweep(spec, [setting])
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_mistakes_of_the_file_still_name_its_line(spec):
    spec.write_text(SPEC.replace("epochs: 10", "epochs: ten"))
    with pytest.raises(InputError, match=r"demo.yaml:5: trial.epochs"):
        read_sweep(spec, ["name=other"])
    assert read_sweep(spec, ["trial.epochs=3"]).trial.epochs == 3  # which mends it


def test_the_text_that_is_sent_elsewhere_says_the_same(spec, tmp_path):
    settings = ["trial.optimizer.learning_rate=1e-5", "name=1:30".replace(":", "-")]
    there = tmp_path / "there.yaml"
    there.write_text(specification_text(spec, settings))
    assert read_sweep(there) == read_sweep(spec, settings)
    assert specification_text(spec) == SPEC
    assert json.loads(there.read_text())["name"] == "1-30"


def test_shipped_specifications_are_found_by_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert read_sweep("digits").name == "digits"
    with pytest.raises(InputError, match="unknown sweep that comes with clinfonce: 'digit'; did"):
        read_sweep("digit")
    (tmp_path / "digits").write_text(SPEC)  # a file of one's own comes first
    assert read_sweep("digits").name == "demo"
