"""Data of which only some training images have a label."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from clinfonce import results
from clinfonce.advice import advise
from clinfonce.clusterings import from_instances, from_labels, rebuild
from clinfonce.config import ClusteringSpec, TrialSpec
from clinfonce.data import TRAIN, UNLABELLED, load
from clinfonce.errors import InputError
from clinfonce.information import measure
from clinfonce.losses import Workers
from clinfonce.results import relate
from clinfonce.results.store.store import Store
from clinfonce.training.online_probe import OnlineProbe
from clinfonce.trial.clusterings import build_clustering
from clinfonce.trial.rows import describe_clustering
from clinfonce.trial.run import run_trial

LABELLED = 200


@pytest.fixture(scope="module")
def whole():
    return load("digits")


@pytest.fixture(scope="module")
def table(whole):
    """Digits, with a label of the first 200 of 898 training images."""
    labels = whole.labels.copy()
    labels[whole.rows(TRAIN)[LABELLED:]] = UNLABELLED
    return replace(whole, labels=labels)


def clustering(table, **spec):
    return build_clustering(ClusteringSpec.model_validate(spec), table)


def test_pretraining_uses_all_images_and_evaluation_those_with_a_label(whole, table):
    spec = TrialSpec.model_validate(
        {
            "clustering": {"source": "attributes", "attributes": ["loop", "even"]},
            "augmentation": "digits",
            "encoder": {"width": 4},
            "evaluation": {"every": 1, "draws": 3},
            "epochs": 2,
        }
    )
    trained, other = (run_trial(spec, data, experiment="demo") for data in (table, whole))
    for name, weights in trained.encoder.items():
        assert torch.equal(weights, other.encoder[name])
    assert trained.trial["data_fingerprint"] != other.trial["data_fingerprint"]
    assert [e["loss"] for e in trained.epochs] == [e["loss"] for e in other.epochs]
    assert all(0.1 < e["val_online"] <= 1 for e in trained.epochs)
    rows = table.rows(TRAIN)[:LABELLED]
    kept = np.concatenate([rows, np.flatnonzero(table.split != TRAIN)])
    few = replace(
        whole,
        images=whole.images[kept],
        labels=whole.labels[kept],
        split=whole.split[kept],
        columns={n: replace(c, values=c.values[kept]) for n, c in whole.columns.items()},
    )
    found = evaluated(trained.encoder, spec, few)
    assert trained.scores == found
    assert trained.clustering["n_labelled"] == LABELLED
    assert other.clustering["n_labelled"] == len(whole.rows(TRAIN))


def evaluated(weights, spec, table):
    """What an encoder reaches on a table of which every image has a label."""
    from clinfonce.models import build_encoder
    from clinfonce.trial.encoding import encoder_of_images, views_of_images
    from clinfonce.trial.probing import probe

    _, channels, height, _ = table.images.shape
    encoder = build_encoder(**spec.encoder.description(channels=channels, image_size=height))
    encoder.load_state_dict(weights)
    encoded = encoder_of_images(encoder, table, torch.device("cpu"))
    views = views_of_images(encoder, spec, table, torch.device("cpu"))
    return probe(encoded, views, table, spec.evaluation)


def test_bits_are_measured_where_there_are_labels(table):
    found = clustering(table, source="column", column="loop")
    row = describe_clustering(found, table)
    labels = table.labels[table.rows(TRAIN)][:LABELLED]
    assert (row["n_images"], row["n_labelled"]) == (898, LABELLED)
    assert row["i_zt"] == measure(found.ids[:LABELLED], labels).i_zt
    report = found.report(table.labels[table.rows(TRAIN)])
    assert (report.n_images, report.information.i_zt) == (898, row["i_zt"])


def test_labels_cluster_what_has_one_and_the_rest_stays_alone(table):
    found = clustering(table, source="labels")
    assert (found.n_clusters, found.n_singletons) == (10 + 898 - LABELLED, 898 - LABELLED)
    again = rebuild(found.provenance, table.labels[table.rows(TRAIN)])
    assert again.clustering_id == found.clustering_id
    assert from_labels([-1, -1, -1]).clustering_id == from_instances(3).clustering_id
    with pytest.raises(InputError, match="labels must not be negative, got -2 at row 1"):
        from_labels([0, -2, -1])


def test_selected_attributes_and_advice_look_at_labelled_images_alone(table):
    spec = {"source": "selected", "top_k": 3, "fraction": 0.5}
    shuffled = table.labels.copy()
    hidden = table.rows(TRAIN)[LABELLED:]
    assert (shuffled[hidden] == UNLABELLED).all()
    names = clustering(table, **spec).provenance["attributes"]
    assert len(names) == 3
    found = advise(table, label_fraction=0.5)
    assert (found.n_labelled, found.n_images) == (LABELLED // 2, 898)
    assert advise(table).n_labelled == LABELLED


def test_what_needs_all_labels_says_so(table):
    with pytest.raises(InputError, match="698 of 898 training images have no label, and this"):
        clustering(table, source="synthetic", family="split", level=1)


def test_the_online_probe_passes_unknown_labels_by():
    labels = np.array([0, 1, -1, -1])
    features = torch.randn(4, 6, generator=torch.Generator().manual_seed(0))
    partly = OnlineProbe(6, labels, torch.device("cpu"), Workers())
    partly.learn(features, torch.arange(4))
    known = OnlineProbe(6, labels[:2], torch.device("cpu"), Workers())
    known.learn(features[:2], torch.arange(2))
    torch.testing.assert_close(partly.state(), known.state())
    partly.learn(features[2:], torch.tensor([2, 3]))  # nothing to learn from
    torch.testing.assert_close(partly.state(), known.state())


def test_the_relation_says_what_its_bits_are_of(table, tmp_path):
    store = Store.create(tmp_path)
    trial = TrialSpec.model_validate(
        {"augmentation": "digits", "encoder": {"width": 4}, "epochs": 1}
    )
    result = run_trial(trial, table, experiment="few")
    row = result.trial | {"number": 0, "role": "fixed", "name": "InfoNCE"}
    store.write_trial(row, result.epochs, result.clustering)
    notes = relate(results.open(tmp_path)).notes
    assert "Bits are of the 200 of 898 training images that have a label." in notes
