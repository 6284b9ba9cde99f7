"""The linear probe that learns while the encoder does."""

import numpy as np
import pytest
import torch

from clinfonce.losses import Workers
from clinfonce.training.images import ImageSource
from clinfonce.training.inputs import ImageInputs
from clinfonce.training.loop import Pretraining
from clinfonce.training.online_probe import OnlineProbe
from tests.evaluation.problems import blobs
from tests.training.test_loop import CPU, N, images, spec

LABELS = np.arange(N) % 5


def train(trial, labels):
    source = ImageSource(images(), np.arange(N), CPU)
    training = Pretraining(
        trial, ImageInputs.of(trial, source), np.arange(N) % 7, device=CPU, labels=labels
    )
    losses = [epoch.loss for epoch in training.epochs()]
    return losses, training.encoder.state_dict(), training.probe and training.probe.state()


@pytest.mark.parametrize("chunk", [None, 8])
def test_it_leaves_the_encoder_as_it_is(chunk):
    trial = spec(sampler={"batch_size": 31, "chunk": chunk})
    losses, encoder, probe = train(trial, LABELS)
    without, bare, none = train(trial, None)
    assert none is None
    assert losses == without
    assert all(torch.equal(encoder[name], bare[name]) for name in bare)
    assert probe["weights"].abs().sum() > 0


def test_it_learns_to_tell_classes_apart():
    x, y = blobs(600, 16, 4, distance=1.0)
    probe = OnlineProbe(16, y.numpy(), CPU, Workers())
    rows = torch.arange(600)
    assert probe.accuracy(x, y) == pytest.approx(0.25)  # everything is of the first class
    for step in range(300):
        batch = rows[step % 10 :: 10]
        probe.learn(x[batch] * 7, batch)
    assert probe.accuracy(x * 7, y) > 0.9


def test_workers_keep_the_classifier_of_one(gloo):
    _, _, one = train(spec(), LABELS)
    for _, _, theirs in gloo.run(2, train, spec(), LABELS):
        torch.testing.assert_close(theirs["weights"], one["weights"], atol=1e-3, rtol=1e-2)
