"""Data that nobody labelled: trained on, probed, compared, and searched."""

import numpy as np
import pytest
import torch

from clinfonce.cli import main
from clinfonce.config import SweepSpec, TrialSpec
from clinfonce.data import Column, ImageTable, load
from clinfonce.errors import InputError
from clinfonce.evaluation.label_free import rankme
from clinfonce.files import File
from clinfonce.models.saved import load_encoder, save_encoder
from clinfonce.results import Store, relate, report
from clinfonce.results import open as open_results
from clinfonce.results.analysis.winner import best_of_sweep
from clinfonce.scaling.search.metric import columns_of
from clinfonce.trial.held_out import check_search_holds_out
from clinfonce.trial.run import check_trial, run_trial
from tests.trial.test_targets import X, table

TRAINED = {
    "encoder": {"name": "embeddings", "train": "none"},
    "adapter": {"hidden_dim": 16, "out_dim": 8, "output": "replace"},
    "clustering": {"source": "column", "column": "camera"},
    "sampler": {"batch_size": 64},
    "epochs": 2,
    "evaluation": {"every": 1, "held_out": ["weight", "left"]},
}


def unlabelled():
    whole = table()
    left = Column("left", "boolean", X[:, 0] > 0)
    columns = {**whole.columns, "left": left}
    return ImageTable("bare", whole.images, None, (), whole.split, columns)


@pytest.fixture(scope="module")
def data():
    return unlabelled()


@pytest.fixture(scope="module")
def result(data):
    return run_trial(TrialSpec.model_validate(TRAINED), data, experiment="bare")


def keyed(rows):
    return {(r["split"], r["measure"], r.get("group")): r for r in rows}


def test_its_features_are_measured(result):
    rows = keyed(result.scores)
    whole = {measure for _, measure, group in rows if group is None}
    assert whole == {"rankme", "lidar", "alignment", "uniformity", "held_out"}
    assert all(row["target"] is None for row in result.scores)
    for split in ("val", "test"):
        assert 1 < rows[split, "lidar", None]["value"] <= 8.01
        shares = [rows[split, "held_out", name]["value"] for name in ("weight", "left")]
        assert rows[split, "held_out", None]["value"] == pytest.approx(np.mean(shares))
    assert result.trial["val_features_rankme"] == rows["val", "rankme", None]["value"]
    assert result.trial["target"] is None
    assert result.trial["val_knn"] is None


def test_the_same_trial_gives_the_same_rows(data, result):
    again = run_trial(TrialSpec.model_validate(TRAINED), data, experiment="bare")
    assert again.scores == result.scores


def test_frozen_features_are_measured_as_they_are(data):
    spec = {**TRAINED, "epochs": 0, "adapter": None}
    scores = run_trial(TrialSpec.model_validate(spec), data, experiment="bare").scores
    value = keyed(scores)["test", "rankme", None]["value"]
    assert value == rankme(torch.from_numpy(X[data.split == 2]))


def test_labelled_data_are_measured_so_if_asked():
    asked = {**TRAINED, "evaluation": {"label_free": True, "draws": 2}}
    for evaluation, found in ((asked["evaluation"], True), ({"draws": 2}, False)):
        spec = TrialSpec.model_validate({**asked, "evaluation": evaluation, "epochs": 1})
        measures = {row["measure"] for row in run_trial(spec, table(), experiment="s").scores}
        assert ("rankme" in measures) == found


def test_it_is_stored_compared_and_shown(result, tmp_path):
    store = Store.create(tmp_path / "r")
    row = {**result.trial, "number": 0, "role": "fixed", "name": "camera"}
    store.write_trial(row, result.epochs, result.clustering, result.scores)
    store.compact()
    results = open_results(store)
    found = relate(results, metric="test_features_held_out")
    assert found.rows[0].accuracy == result.trial["test_features_held_out"]
    assert "share that can be read" in found.answer
    with pytest.raises(InputError, match="less is better; take held_out, rankme or lidar"):
        relate(results, metric="val_features_uniformity")
    with pytest.raises(InputError, match="an effective rank, no share"):
        relate(results, metric="val_features_rankme")
    for metric in ("mean_rank", "val_features_rankme", "val_features_held_out"):
        assert best_of_sweep(results, "bare", metric) is None, "nothing was searched"
    report(results, tmp_path / "page.html")
    assert main(["relate", "--results", str(tmp_path / "r")]) == 0


def test_images_without_labels_are_trained_on_and_exported(tmp_path):
    digits = load("digits")
    rows = np.r_[:300]
    bare = ImageTable(
        "digits", digits.images[rows], None, (), digits.split[rows],
        {"loop": Column("loop", "boolean", digits.columns["loop"].values[rows])},
    )  # fmt: skip
    spec = TrialSpec.model_validate(
        {
            "encoder": {"name": "small_cnn", "width": 4},
            "augmentation": "digits",
            "clustering": {"source": "column", "column": "loop"},
            "sampler": {"batch_size": 64},
            "epochs": 1,
        }
    )
    result = run_trial(spec, bare, experiment="bare")
    assert {row["measure"] for row in result.scores} >= {"lidar", "rankme"}
    file = File.at(tmp_path / "e.safetensors")
    save_encoder(file, result.encoder, result.encoder_description)
    assert load_encoder(file).image_size == 8


def sweep(**changes):
    trial = {**TRAINED, "adapter": {"hidden_dim": 16, "out_dim": 8}}
    given = {
        "name": "s", "data": {"name": "bare"}, "trial": trial, "frozen": False,
        "fixed": [{"name": "camera", "trial": {}}],
    }  # fmt: skip
    return SweepSpec.model_validate(given | changes)


SEARCH = {
    "trials": 2, "sampler": "random", "seed": 9,
    "space": {"adapter.noise": {"low": 0.1, "high": 1.0}},
}  # fmt: skip


def test_what_a_sweep_may_select_by(data):
    assert columns_of(sweep(), data) == ("val_knn",), "nothing is selected"
    asked = sweep(search=SEARCH, metric="held_out")
    assert columns_of(asked, data) == ("val_features_held_out",)
    assert columns_of(sweep(search=SEARCH, metric="val_features_lidar"), data)
    with pytest.raises(InputError, match="val_knn needs labels of classes, which data set bare"):
        columns_of(sweep(search=SEARCH), data)
    with pytest.raises(InputError, match="unknown metric: 'mean_rank'"):
        columns_of(sweep(search=SEARCH, metric="mean_rank"), data)
    nothing = {**TRAINED, "evaluation": {}}
    with pytest.raises(InputError, match="unknown metric: 'val_features_held_out'"):
        columns_of(sweep(search=SEARCH, metric="held_out", trial=nothing), data)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"clustering": {"source": "labels"}}, "has no labels, and this needs them"),
        ({"evaluation": {"held_out": ["lft"]}}, "unknown column of 'bare': 'lft'; did you mean"),
    ],
)
def test_mistakes_take_one_line(data, changes, message):
    spec = TrialSpec.model_validate({**TRAINED, **changes})
    with pytest.raises(InputError, match=message):
        check_trial(spec, data)


ATTRIBUTES = {"source": "attributes", "attributes": ["left"]}
OF_WEIGHT = {"columns": {"heavy": {"kernel": "gaussian", "of": ["weight"]}}}


@pytest.mark.parametrize(
    ("place", "name", "changes"),
    [
        ("clustering.column", "left", {"clustering": {"source": "column", "column": "left"}}),
        ("clustering.attributes", "left", {"clustering": ATTRIBUTES}),
        (
            "clustering.parts", "weight",
            {"clustering": {"source": "crossing", "parts": [{"column": "weight", "bins": 2}]}},
        ),
        ("similarity.columns", "left", {"similarity": {"columns": {"left": {}}}}),
        (
            "similarity.columns", "left",
            {"similarity": {"columns": {"camera": {}, "left": {"role": "suppress"}}}},
        ),
        ("similarity.columns.heavy.of", "weight", {"similarity": OF_WEIGHT}),
        ("terms.1.clustering.attributes", "left", {"terms": [{}, {"clustering": ATTRIBUTES}]}),
        ("terms.0.similarity.columns.heavy.of", "weight", {"terms": [{"similarity": OF_WEIGHT}]}),
    ],
)  # fmt: skip
def test_what_is_held_out_is_not_trained_on(data, place, name, changes):
    given = {**TRAINED, "clustering": {"source": "instances"}, **changes}
    with pytest.raises(InputError) as caught:
        check_trial(TrialSpec.model_validate(given), data)
    assert str(caught.value).startswith(
        f"column '{name}' is held out (evaluation.held_out), but {place} names it: "
    )
    given["evaluation"] = {"every": 1}
    assert check_trial(TrialSpec.model_validate(given), data) is not None


@pytest.mark.parametrize(
    ("place", "space"),
    [
        ("clustering.attributes of", {"clustering.attributes": {"subset": ["camera", "left"]}}),
        ("clustering.attributes of", {"clustering": {"choices": [
            {"source": "instances"}, ATTRIBUTES]}}),
        ("search.space.clustering", {"clustering": {"choices": "all", "columns": ["left"]}}),
        ("similarity.columns of", {"roles": {"columns": ["camera", "left"]}}),
    ],
)  # fmt: skip
def test_no_search_is_over_what_is_held_out(place, space):
    source = "instances" if "roles" in space else "attributes"
    trial = {**TRAINED, "clustering": {"source": source} | (
        {} if "roles" in space else {"attributes": ["camera"]})}  # fmt: skip
    search = {**SEARCH, "space": space}
    with pytest.raises(InputError, match=f"column 'left' is held out .* but {place}.* names it"):
        check_search_holds_out(sweep(search=search, metric="held_out", trial=trial))
    free = {**trial, "evaluation": {}}
    check_search_holds_out(sweep(search=search, metric="val_features_rankme", trial=free))


def test_kmeans_of_embeddings_needs_no_cache_of_features(data):
    chosen = {"source": "kmeans", "n_clusters": 5, "features": "pretrained"}
    spec = TrialSpec.model_validate({**TRAINED, "clustering": chosen})
    assert check_trial(spec, data).n_clusters == 5


def test_attributes_of_highest_entropy_are_not_those_held_out(data):
    chosen = {"source": "attributes", "top_k": 1}
    spec = TrialSpec.model_validate({**TRAINED, "clustering": chosen})
    clustering = check_trial(spec, data)
    assert clustering.provenance["attributes"] == ["camera"]
