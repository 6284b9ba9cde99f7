"""Encoders that are trained in part, and adapters: resumed to the bit, alike on workers."""

import numpy as np
import pytest
import torch

from clinfonce.config import TrialSpec, change_trial
from clinfonce.models import Weights, build_encoder
from clinfonce.models.blocks import trained_blocks
from clinfonce.training.images import ImageSource
from clinfonce.training.inputs import FeatureInputs, ImageInputs, moments
from clinfonce.training.loop import Pretraining

CPU = torch.device("cpu")
N, SIDE, DIM = 45, 8, 12
CNN = {"name": "small_cnn", "channels": 1, "image_size": SIDE, "stem": None, "width": 4}
PARTS = {
    "all": {"train": "all"},
    "last 1": {"train": {"last": 1}},
    "warm-up": {"train": "all", "freeze_epochs": 1, "layer_decay": 0.7},
    "last 2, warm-up": {"train": {"last": 2}, "freeze_epochs": 1},
}


def weights():
    torch.manual_seed(3)
    return Weights(CNN, build_encoder(**CNN).state_dict(), "a" * 64, "")


def spec(encoder, **changes):
    values = {
        "augmentation": "digits",
        "encoder": {"width": 4, "weights": "some.pth", "weights_sha256": "a" * 64, **encoder},
        "head": {"hidden_dim": 8, "out_dim": 8},
        "sampler": {"batch_size": 23, "images_per_cluster": 3},
        "optimizer": {"name": "sgd", "learning_rate": 0.05, "head_learning_rate": 0.1},
        "epochs": 3,
    }
    return TrialSpec.model_validate(values | changes)


def of_images(trial, checkpoint=None):
    images = np.random.default_rng(0).integers(0, 256, (N, 1, SIDE, SIDE), dtype=np.uint8)
    inputs = ImageInputs.of(trial, ImageSource(images, np.arange(N), CPU))
    return Pretraining(
        trial, inputs, np.arange(N) % 5, device=CPU, weights=weights(), checkpoint=checkpoint
    )


def features(copies=0):
    rng = np.random.default_rng(1)
    values = rng.normal(size=(1 + copies, N + 7, DIM)) * np.arange(1, DIM + 1)
    return values.astype(np.float32)


def adapter_spec(**adapter):
    encoder = {"name": "embeddings"} if "views" not in adapter else {"weights": "x.pth"}
    values = {
        "encoder": {**encoder, "train": "none"},
        "adapter": {"hidden_dim": 8, "out_dim": 6, **adapter},
        "head": {"hidden_dim": 8, "out_dim": 8},
        "sampler": {"batch_size": 23, "images_per_cluster": 3},
        "optimizer": {"name": "sgd", "learning_rate": 0.05},
        "epochs": 3,
    }
    return TrialSpec.model_validate(values)


def of_features(trial, checkpoint=None):
    adapter = trial.own_adapter
    inputs = FeatureInputs(features(adapter.views), np.arange(3, N + 3), adapter, trial.seed, CPU)
    return Pretraining(trial, inputs, np.arange(N) % 5, device=CPU, checkpoint=checkpoint)


def bits(training):
    losses = [epoch.loss for epoch in training.epochs()]
    return losses, {name: w.clone() for name, w in training.encoder.state_dict().items()}


PCL = {
    "objective": {"name": "pcl", "prototypes": [4], "momentum_encoder": True, "memory": 30},
    "epochs": 1,  # k-means may put a point elsewhere once the last bits differ
}

TRAININGS = [
    *(pytest.param(of_images, spec(part), id=name) for name, part in PARTS.items()),
    pytest.param(
        of_images,
        spec(
            PARTS["last 2, warm-up"],
            sampler={"batch_size": 23, "images_per_cluster": 3, "chunk": 8},
        ),
        id="in chunks",
    ),
    pytest.param(of_features, adapter_spec(), id="adapter"),
    pytest.param(of_features, adapter_spec(output="add", views=3), id="adapter on copies"),
    pytest.param(of_images, spec(PARTS["last 1"], **PCL), id="PCL, last 1"),
    pytest.param(of_features, change_trial(adapter_spec(views=3), PCL), id="PCL, adapter"),
]


@pytest.mark.parametrize(("make", "trial"), TRAININGS)
def test_a_resumed_training_ends_with_the_same_bits(make, trial, tmp_path):
    losses, expected = bits(make(trial))
    half = make(trial, tmp_path / "t.pt")
    epochs = half.epochs()
    for _ in range(min(2, trial.epochs)):
        next(epochs)
        half.save()
    again, found = bits(make(trial, tmp_path / "t.pt"))
    assert again == losses
    assert all(torch.equal(found[name], w) for name, w in expected.items())


def both(make, trial):
    return bits(make(trial))


@pytest.mark.parametrize(("make", "trial"), TRAININGS)
def test_two_workers_train_as_one(gloo, make, trial):
    if trial.sampler.chunk is not None:
        pytest.skip("chunks see other batches in their norms")
    losses, expected = bits(make(trial))
    for their_losses, found in gloo.run(2, both, make, trial):
        assert their_losses == pytest.approx(losses, abs=1e-4)
        for name, w in expected.items():
            torch.testing.assert_close(found[name], w, atol=1e-3, rtol=1e-2)


def test_only_the_last_blocks_move_and_frozen_norms_keep_their_statistics():
    before = weights().state
    _, after = bits(of_images(spec({"train": {"last": 1}})))
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    last = set(trained_blocks(weights().build(), 1))
    assert last <= moved
    assert {name.rsplit(".", 1)[0] for name in moved} <= {n.rsplit(".", 1)[0] for n in last}


def test_the_encoder_rests_while_the_head_warms_up():
    training = of_images(spec({"freeze_epochs": 2}))
    epochs = training.epochs()
    before = {name: w.clone() for name, w in training.encoder.state_dict().items()}
    head = training._model.head.layers[0].weight.clone()
    for _ in range(2):
        next(epochs)
    assert all(torch.equal(before[n], w) for n, w in training.encoder.state_dict().items())
    assert not torch.equal(head, training._model.head.layers[0].weight)
    next(epochs)
    assert not torch.equal(before["blocks.0.weight"], training.encoder.blocks[0].weight)


def test_views_of_features_are_noisy_about_the_features_and_differ():
    adapter = adapter_spec(noise=0.5, dropout=0.2).own_adapter
    inputs = FeatureInputs(features(), np.arange(N), adapter, 0, CPU)

    def whole(size):
        return slice(0, size)

    batch = np.arange(40)
    held = next(inputs.stream([batch], whole, 0))
    many = torch.stack([inputs.views(held, 40, whole, step) for step in range(400)])
    first, second = many.chunk(2, 1)
    plain = inputs.plain(batch)
    assert not torch.equal(first, second)
    assert not torch.equal(many[0], many[1])
    assert torch.equal(many[0], inputs.views(held, 40, whole, 0))
    off = (first.mean(0) - plain) / inputs.deviation
    assert off.abs().max() < 0.3  # neither noise nor leaving out moves the mean
    # Left out with 0.2: variance 0.25 of what is kept about the mean, and the noise's own.
    expected = 0.25 * ((plain - inputs.mean) / inputs.deviation) ** 2 + 0.25 / 0.8
    measured = (first / inputs.deviation).var(0)
    assert float((measured / expected).mean()) == pytest.approx(1.0, abs=0.05)


def test_without_noise_views_of_several_copies_are_those_copies():
    adapter = adapter_spec(noise=0, dropout=0, views=2).own_adapter
    inputs = FeatureInputs(features(2), np.arange(N), adapter, 0, CPU)
    batch = np.arange(20)
    seen = set()
    for step in range(20):
        held = next(inputs.stream([batch], lambda size: slice(0, size), step))
        views = inputs.views(held, 20, lambda size: slice(0, size), step)
        for row, view in zip(np.tile(batch, 2), views.numpy(), strict=True):
            copies = [c for c in range(3) if np.array_equal(view, features(2)[c, row])]
            assert len(copies) == 1
            seen.add(copies[0])
    assert seen == {0, 1, 2}


def test_moments_are_taken_block_by_block(monkeypatch):
    values = features()[0]
    monkeypatch.setattr("clinfonce.training.inputs._BLOCK", 10 * DIM * 4)
    mean, deviation = moments(values, np.arange(5, 30))
    np.testing.assert_allclose(mean, values[5:30].mean(0), rtol=1e-5)
    np.testing.assert_allclose(deviation, values[5:30].std(0), rtol=1e-5)
