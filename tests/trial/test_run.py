"""One trial: a pure function of its specification and its data."""

from pathlib import Path

import numpy as np
import pytest
import torch

from clinfonce.config import ObjectiveSpec, SamplerSpec, TrialSpec
from clinfonce.data import TEST, ImageTable, load
from clinfonce.errors import InputError
from clinfonce.results.store.measures import SPREADS, metric_or_none
from clinfonce.results.store.schema import TABLES
from clinfonce.training.checkpoint import load_checkpoint, save_checkpoint
from clinfonce.trial import run as experiment
from clinfonce.trial.rows import describe_machine
from clinfonce.trial.run import build_clustering, check_trial, run_trial

SPEC = TrialSpec.model_validate(
    {
        "device": "cpu",  # on a GPU the last bits differ each time
        "clustering": {"source": "attributes", "attributes": ["loop", "even"]},
        "augmentation": "digits",
        "encoder": {"width": 4},
        "evaluation": {"every": 2, "draws": 3},
        "epochs": 3,
    }
)
MEASURED = {column.name for table in TABLES.values() for column in table if column.measured}


def reproducible(row):
    return {name: value for name, value in row.items() if name not in MEASURED}


@pytest.fixture(scope="module")
def table():
    return load("digits")


@pytest.fixture(scope="module")
def result(table):
    return run_trial(SPEC, table, experiment="demo")


def test_a_trial_leaves_rows_of_the_tables(result):
    for row, name in (
        (result.trial, "trials"),
        (result.epochs[0], "epochs"),
        (result.clustering, "clusterings"),
    ):
        known = {column.name for column in TABLES[name]}
        assert {key for key in row.keys() - known if metric_or_none(key) is None} <= set(SPREADS)
        missing = known - row.keys() - {"number", "role", "name", "visible_bits"}
        assert not missing, name


def test_the_same_specification_gives_the_same_row(table, result):
    again = run_trial(SPEC, table, experiment="demo")
    assert reproducible(again.trial) == reproducible(result.trial)
    assert [reproducible(row) for row in again.epochs] == [
        reproducible(row) for row in result.epochs
    ]
    assert again.clustering == result.clustering
    assert all(torch.equal(again.encoder[k], v) for k, v in result.encoder.items())


def test_a_trial_resumed_from_a_checkpoint_gives_the_same_row(table, result, tmp_path):
    checkpoint = tmp_path / "trial.pt"

    def stop(epoch):
        if epoch.epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_trial(SPEC, table, experiment="demo", on_epoch=stop, checkpoint=checkpoint)
    assert checkpoint.exists()
    state = load_checkpoint(checkpoint)
    state["history"][0]["seconds"] += 1000  # it took long
    save_checkpoint(checkpoint, state)
    seen = []
    resumed = run_trial(
        SPEC,
        table,
        experiment="demo",
        on_epoch=lambda e: seen.append(e.epoch),
        checkpoint=checkpoint,
    )
    assert seen == [1, 2, 3]  # those before the interruption are told again
    assert resumed.trial["seconds"] > resumed.trial["train_seconds"]
    assert reproducible(resumed.trial) == reproducible(result.trial)


def test_every_trial_measures_its_speed_its_waiting_and_its_memory(table):
    if not Path("/proc/self/clear_refs").exists():
        pytest.skip("the peak of a process cannot be reset here")
    np.ones(1 << 27)  # a GiB of an earlier trial in this process
    before = describe_machine(torch.device("cpu"))["peak_memory_mb"]
    row = run_trial(SPEC, table, experiment="demo").trial
    assert row["images_per_second"] == pytest.approx(3 * 898 / row["train_seconds"])
    assert 0 < row["data_wait_share"] < 0.5
    assert 50 < row["peak_memory_mb"] < before - 512


def test_a_batch_too_small_for_its_workers_is_refused_before_training(table):
    spec = SPEC.model_copy(update={"workers": 3, "sampler": SamplerSpec(batch_size=2)})
    with pytest.raises(InputError, match=r"workers is 3, but of 898 .* some have only 2: choose"):
        check_trial(spec, table)


def test_more_prototypes_than_images_are_refused_before_training(table):
    pcl = ObjectiveSpec(name="pcl", prototypes=(5, 899))
    with pytest.raises(InputError, match="prototypes asks for 899, but there are 898 training"):
        check_trial(SPEC.model_copy(update={"objective": pcl}), table)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_the_machine_that_trains_needs_the_device_and_not_the_one_that_proposes(table):
    spec = SPEC.model_copy(update={"device": "cuda"})
    assert check_trial(spec, table).n_clusters > 1
    with pytest.raises(InputError, match="device is cuda, but PyTorch sees no CUDA device here"):
        run_trial(spec, table, experiment="demo")


def test_validation_knn_is_measured_when_due(result):
    assert [row["val_knn"] is not None for row in result.epochs] == [False, True, True]
    assert result.trial["val_knn"] == result.epochs[-1]["val_knn"]
    assert result.trial["val_knn"] == result.trial["val_knn_top1_all"]


def test_the_test_split_is_seen_once_and_last(table, monkeypatch):
    on_test = []
    encoder_of_images = experiment.encoder_of_images

    def noted(*arguments):
        encoded = encoder_of_images(*arguments)
        return lambda rows: on_test.append(len(rows)) or encoded(rows)

    monkeypatch.setattr(experiment, "encoder_of_images", noted)
    run_trial(SPEC, table, experiment="demo")
    n_test = int((table.split == TEST).sum())
    assert on_test.count(n_test) == 1
    assert on_test[-1] == n_test


def test_labels_do_not_reach_the_training_of_other_clusterings(table, result):
    """Shuffled labels change what is measured, never the encoder."""
    shuffled = ImageTable(
        "digits",
        table.images,
        np.random.default_rng(0).permutation(table.labels),
        table.label_names,
        table.split,
        table.columns,
    )
    other = run_trial(SPEC, shuffled, experiment="demo")
    assert all(torch.equal(other.encoder[k], v) for k, v in result.encoder.items())
    assert other.trial["test_linear_top1_all"] < result.trial["test_linear_top1_all"] - 0.3


@pytest.mark.parametrize(
    ("clustering", "clusters"),
    [
        ({"source": "instances"}, 898),
        ({"source": "labels"}, 10),
        ({"source": "attributes", "top_k": 1}, 4),
        ({"source": "column", "column": "ink", "bins": 3}, 3),
        ({"source": "kmeans", "n_clusters": 7}, 7),
    ],
)
def test_every_source_makes_a_clustering_of_the_training_images(table, clustering, clusters):
    spec = TrialSpec.model_validate({"clustering": clustering}).clustering
    built = build_clustering(spec, table)
    assert (len(built.ids), built.n_clusters) == (898, clusters)
