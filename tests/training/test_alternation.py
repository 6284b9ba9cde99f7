"""Clusters of the encoder's own features: when, on how many workers, after a resumption."""

import numpy as np
import pytest
import torch

from clinfonce.clusterings import from_kmeans
from clinfonce.config import TrialSpec
from clinfonce.training.alternation import Alternation, embed
from clinfonce.training.images import ImageSource
from clinfonce.training.inputs import ImageInputs
from clinfonce.training.loop import Pretraining

CPU = torch.device("cpu")
N, SIDE = 90, 8


def images():
    """Three kinds of pictures, so that the clusters do not hang on the last bit."""
    rng = np.random.default_rng(0)
    kinds = rng.integers(0, 256, (3, 1, SIDE, SIDE))
    noise = rng.integers(-9, 9, (N, 1, SIDE, SIDE))
    return np.clip(kinds[np.arange(N) % 3] + noise, 0, 255).astype(np.uint8)


def spec(**clustering):
    return TrialSpec.model_validate(
        {
            "augmentation": "digits",
            "clustering": {"source": "kmeans", "n_clusters": 3, "features": "encoder", "warmup": 2}
            | clustering,
            "encoder": {"width": 4},
            "head": {"hidden_dim": 16, "out_dim": 8},
            "sampler": {"batch_size": 30, "images_per_cluster": 3},
            "optimizer": {"learning_rate": 0.01, "name": "sgd"},
            "epochs": 5,
        }
    )


def pretraining(trial, checkpoint=None):
    return Pretraining(
        trial,
        ImageInputs.of(trial, ImageSource(images(), np.arange(N), CPU)),
        np.arange(N),
        device=CPU,
        checkpoint=checkpoint,
    )


def train(trial, checkpoint=None):
    """Losses, and the clusters (m, n) that each epoch was trained on."""
    training = pretraining(trial, checkpoint)
    seen = []
    losses = [seen.append(training._clusters.numpy().copy()) or e.loss for e in training.epochs()]
    return losses, seen, training.clustering


def test_epochs_of_warm_up_have_instances_and_later_ones_clusters():
    _, seen, last = train(spec(every=2))
    sizes = [len(np.unique(clusters)) for clusters in seen]
    assert sizes == [N, N, 3, 3, 3]
    assert np.array_equal(seen[2], seen[3])  # every second epoch
    assert np.array_equal(last.ids, seen[4][0])
    assert (last.name, last.provenance["epoch"]) == ("k-means 3 (encoder)", 4)


def test_the_clusters_are_those_of_the_features_before_the_epoch():
    training = pretraining(spec(warmup=0))
    features = embed(training.encoder, training._inputs)
    assert features.shape == (N, training.encoder.feature_dim)
    assert training.encoder.training
    next(training.epochs())
    alternation = Alternation.of(spec(warmup=0).clustering)
    model = pretraining(spec())._model
    again = alternation.cluster(model, training._inputs, 0)
    assert np.array_equal(training._clusters.numpy(), again)
    kinds = from_kmeans(features, 3).ids
    assert len(set(zip(kinds, again[0], strict=True))) == 3  # well apart: the same partition


def test_embeddings_of_the_head():
    training = pretraining(spec(features="head"))
    assert embed(training._model, training._inputs).shape == (N, 8)
    _, _, last = train(spec(features="head"))
    assert last.name == "k-means 3 (head)"


def test_the_objective_is_the_mean_over_several_clusterings():
    rates = {"learning_rate": 1e-12, "name": "sgd"}  # so that all see the same weights

    def losses(*counts):
        trial = spec(n_clusters=list(counts), warmup=0)
        trial = trial.model_copy(update={"optimizer": type(trial.optimizer)(**rates)})
        training = pretraining(trial)
        training._cluster_anew()
        if len(counts) > 1:
            assert training._clusters.shape == (len(counts), N)
        batch = np.arange(30)
        return float(training._train_step(batch).loss.detach()), training._clusters

    both, clusters = losses(3, 9)
    assert sorted(len(ids.unique()) for ids in clusters) == [3, 9]
    coarse, _ = losses(3)
    training = pretraining(spec(n_clusters=9, warmup=0))
    training._use(clusters[1:].numpy())
    fine = float(training._train_step(np.arange(30)).loss.detach())
    assert both == pytest.approx((coarse + fine) / 2, abs=1e-5)
    assert abs(coarse - fine) > 0.01


@pytest.mark.parametrize("workers", [2, 3])
def test_several_workers_cluster_and_train_as_one(gloo, workers):
    losses, seen, last = train(spec())
    for their_losses, their_clusters, their_last in gloo.run(workers, train, spec()):
        assert their_losses == pytest.approx(losses, abs=1e-4)
        assert all(np.array_equal(a, b) for a, b in zip(seen, their_clusters, strict=True))
        assert their_last.clustering_id == last.clustering_id


@pytest.mark.parametrize("steps", [3, 7, 9, 11])
def test_a_killed_run_ends_with_the_same_clusters_and_bits(tmp_path, monkeypatch, steps):
    losses, _, last = train(spec())
    killed = pretraining(spec(), tmp_path / "trial.pt")
    set_learning_rate = killed._set_learning_rate

    def save_and_die():
        if killed._position.step == steps:
            killed.save()
            raise KeyboardInterrupt
        return set_learning_rate()

    monkeypatch.setattr(killed, "_set_learning_rate", save_and_die)
    with pytest.raises(KeyboardInterrupt):
        list(killed.epochs())
    resumed_losses, _, resumed = train(spec(), tmp_path / "trial.pt")
    assert resumed_losses == losses
    assert np.array_equal(resumed.ids, last.ids)
    assert resumed.provenance == last.provenance


def test_clusters_are_not_made_anew_in_the_middle_of_an_epoch(tmp_path, monkeypatch):
    """A resumed run has them from its checkpoint: of its weights there would be others."""
    noise = np.random.default_rng(1).integers(0, 256, (N, 1, SIDE, SIDE), dtype=np.uint8)
    monkeypatch.setattr(f"{__name__}.images", lambda: noise)
    trial = spec(warmup=0, every=5, n_clusters=9)
    killed = pretraining(trial, tmp_path / "trial.pt")
    take_step = killed._train_step

    def save_and_die(*step):
        if killed._position.step == 2:
            killed.save()
            raise KeyboardInterrupt
        return take_step(*step)

    monkeypatch.setattr(killed, "_train_step", save_and_die)
    with pytest.raises(KeyboardInterrupt):
        list(killed.epochs())
    resumed = pretraining(trial, tmp_path / "trial.pt")
    next(resumed.epochs())
    assert np.array_equal(resumed._clusters, killed._clusters)
    losses, _, last = train(trial)
    resumed_losses, _, again = train(trial, tmp_path / "trial.pt")
    assert (resumed_losses, again.provenance) == (losses, last.provenance)
    assert again.provenance["epoch"] == 0
