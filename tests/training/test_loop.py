"""The pretraining loop: the same on several workers, after a resumption, and each time."""

import numpy as np
import pytest
import torch

from clinfonce.config import TrialSpec
from clinfonce.training.images import ImageSource
from clinfonce.training.inputs import ImageInputs
from clinfonce.training.loop import Pretraining, TrainingDivergedError

CPU = torch.device("cpu")
N, SIDE = 61, 8


def images():
    return np.random.default_rng(0).integers(0, 256, (N, 1, SIDE, SIDE), dtype=np.uint8)


def spec(**changes):
    values = {
        "augmentation": "digits",
        "encoder": {"width": 4},
        "head": {"hidden_dim": 16, "out_dim": 8},
        "sampler": {"batch_size": 31, "images_per_cluster": 3},
        "optimizer": {"learning_rate": 0.05, "name": "sgd"},
        "epochs": 3,
    }
    return TrialSpec.model_validate(values | changes)


def pretraining(trial, checkpoint=None):
    clusters = np.arange(N) % 7
    source = ImageSource(images(), np.arange(N), CPU)
    return Pretraining(
        trial, ImageInputs.of(trial, source), clusters, device=CPU, checkpoint=checkpoint
    )


def weights(training):
    return {name: value.clone() for name, value in training.encoder.state_dict().items()}


def train(trial, checkpoint=None):
    training = pretraining(trial, checkpoint)
    return [epoch.loss for epoch in training.epochs()], weights(training)


def first_gradient(trial):
    training = pretraining(trial)
    training._train_step(training._sampler.batches(0)[0])
    return {name: p.grad.clone() for name, p in training.encoder.named_parameters()}


@pytest.mark.parametrize("workers", [2, 3])
def test_several_workers_train_as_one(gloo, workers):
    one_losses, one_weights = train(spec())
    for losses, their_weights in gloo.run(workers, train, spec()):
        assert losses == pytest.approx(one_losses, abs=1e-5)
        for name, value in one_weights.items():
            torch.testing.assert_close(their_weights[name], value, atol=1e-4, rtol=1e-3)


def test_several_workers_have_the_gradient_of_one(gloo):
    one = first_gradient(spec())
    for gradient in gloo.run(2, first_gradient, spec()):
        for name, value in one.items():
            torch.testing.assert_close(gradient[name], value, atol=1e-5, rtol=1e-4)


def test_the_same_specification_trains_the_same_weights():
    losses, first = train(spec())
    again, second = train(spec())
    assert losses == again
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert train(spec(seed=1))[0] != losses


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
@pytest.mark.parametrize("steps", [1, 2, 3, 5])
def test_a_run_killed_at_any_step_ends_with_the_same_bits(tmp_path, monkeypatch, optimizer, steps):
    trial = spec(optimizer={"name": optimizer, "learning_rate": 0.01})
    losses, undisturbed = train(trial)
    killed = pretraining(trial, tmp_path / "trial.pt")
    set_learning_rate = killed._set_learning_rate

    def save_and_die():
        if killed._position.step == steps:
            killed.save()
            raise KeyboardInterrupt
        return set_learning_rate()

    monkeypatch.setattr(killed, "_set_learning_rate", save_and_die)
    with pytest.raises(KeyboardInterrupt):
        list(killed.epochs())
    resumed, resumed_weights = train(trial, tmp_path / "trial.pt")
    assert resumed == losses
    assert all(torch.equal(resumed_weights[name], undisturbed[name]) for name in undisturbed)


def test_resuming_reports_the_earlier_epochs_too(tmp_path):
    first = pretraining(spec(), tmp_path / "trial.pt")
    epochs = first.epochs()
    next(epochs)
    first.save()
    resumed = pretraining(spec(), tmp_path / "trial.pt")
    assert [epoch.epoch for epoch in resumed.epochs()] == [1, 2, 3]
    assert [epoch.epoch for epoch in resumed.history] == [1, 2, 3]


def test_training_lowers_the_loss():
    losses, _ = train(spec(epochs=20))
    assert losses[-1] < losses[0] - 0.1


def test_a_loss_that_is_not_finite_ends_the_training(monkeypatch):
    training = pretraining(spec())
    with torch.no_grad():
        next(training.encoder.parameters()).fill_(torch.inf)
    with pytest.raises((TrainingDivergedError, ValueError), match=r"step 0|finite|NaN"):
        list(training.epochs())


def test_an_epoch_counts_its_positives():
    grouped = next(iter(pretraining(spec()).epochs()))
    alone = next(iter(pretraining(spec(sampler={"batch_size": 31})).epochs()))
    assert grouped.positives_per_anchor > alone.positives_per_anchor > 1
    assert grouped.anchors_without_positive == 0
    assert (grouped.epoch, grouped.step, grouped.images) == (1, 2, N)
