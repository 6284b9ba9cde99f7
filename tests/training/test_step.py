"""Options of a training step: chunks, half precision, clipping, compilation, data from disk."""

import functools

import numpy as np
import pytest
import torch
from torch import nn

from clinfonce.training.chunks import backward_in_chunks
from clinfonce.training.images import ImageSource
from clinfonce.training.inputs import ImageInputs
from clinfonce.training.loop import Pretraining, TrainingDivergedError
from tests.training.test_objectives import CPU, SIDE, N, pretraining, spec, train


class Quiet(nn.Module):
    """An encoder without batch norm: what it makes of an image does not depend on the others."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(48, 9), nn.Tanh(), nn.Linear(9, 5))

    def forward(self, x):
        return self.layers(x)


@pytest.mark.parametrize("chunks", [1, 2, 3, 13])
def test_chunks_have_the_gradient_of_the_whole_batch(chunks):
    torch.manual_seed(0)
    encoder, views = Quiet().double(), torch.randn(13, 3, 4, 4, dtype=torch.float64)

    def objective(features):  # every pair of images matters
        return (features @ features.T).logsumexp(1).mean()

    objective(encoder(views)).backward()
    whole = [p.grad.clone() for p in encoder.parameters()]
    encoder.zero_grad()

    def back(features):
        loss = objective(features)
        loss.backward()
        return loss

    backward_in_chunks(encoder, encoder, views.tensor_split(chunks), back)
    for p, expected in zip(encoder.parameters(), whole, strict=True):
        torch.testing.assert_close(p.grad, expected)


def test_chunks_have_the_gradient_of_their_concatenated_features_with_batch_norm():
    torch.manual_seed(0)
    encoder = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten())
    parts = torch.randn(12, 3, 4, 4).tensor_split(3)

    def back(features):
        loss = (features @ features.T).logsumexp(1).mean()
        loss.backward()
        return loss

    joined = nn.Sequential(*encoder)
    back(torch.cat([joined(part) for part in parts]))
    whole = [p.grad.clone() for p in encoder.parameters()]
    statistics = encoder[1].running_mean.clone()
    encoder.zero_grad()
    encoder[1].reset_running_stats()
    backward_in_chunks(encoder, encoder, parts, back)
    for p, expected in zip(encoder.parameters(), whole, strict=True):
        torch.testing.assert_close(p.grad, expected)
    torch.testing.assert_close(encoder[1].running_mean, statistics)
    assert int(encoder[1].num_batches_tracked) == 3
    assert encoder[1].momentum == 0.1


VIT = {"encoder": {"name": "vit_s8"}, "augmentation": "digits", "epochs": 1}


def gradients(**sampler):
    trial = spec({}, **VIT, sampler={"batch_size": 12} | sampler)
    training = pretraining(trial)
    training._train_step(np.arange(12))
    return {name: p.grad.clone() for name, p in training._model.named_parameters()}


def test_a_transformer_trained_in_chunks_has_the_gradient_of_one_pass():
    whole, chunked = gradients(), gradients(chunk=5)
    for name, value in whole.items():
        torch.testing.assert_close(chunked[name], value, atol=1e-6, rtol=1e-3)


def test_chunks_on_two_workers_train_alike(gloo):
    trial = spec({}, sampler={"batch_size": 31, "chunk": 4}, **{**VIT, "epochs": 2})
    one, _ = train(trial)
    for losses, _ in gloo.run(2, train, trial):
        assert losses == pytest.approx(one, abs=1e-4)


def test_chunks_and_batch_norm_on_two_workers(gloo):
    trial = spec({}, sampler={"batch_size": 31, "chunk": 4})
    (first, weights), (second, others) = gloo.run(2, train, trial)
    assert first == second
    assert all(torch.equal(weights[name], others[name]) for name in weights)


@pytest.mark.parametrize("workers", [1, 2])
def test_bfloat16_trains_nearly_alike_and_leaves_float32_weights(gloo, workers):
    exact, _ = train(spec({}))
    [(losses, weights), *_] = gloo.run(workers, train, spec({}, precision="bfloat16"))
    assert losses != exact
    assert losses == pytest.approx(exact, abs=0.1)
    assert all(w.dtype in (torch.float32, torch.int64) for w in weights.values())


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # within PyTorch
def test_a_compiled_network_trains_alike():
    exact, _ = train(spec({}, epochs=1))
    compiled, weights = train(spec({}, epochs=1, compile=True))
    assert compiled == pytest.approx(exact, abs=1e-3)
    assert not any("_orig_mod" in name for name in weights)


def test_networks_compiled_in_turn_are_compiled_for_their_own_sizes(monkeypatch):
    sizes = []

    def backend(graph, inputs):
        sizes.extend(size for x in inputs for size in x.shape)
        return graph.forward

    monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend=backend))
    exact, _ = train(spec({}, epochs=1))
    trial = spec({}, compile=True, epochs=1)
    assert train(trial)[0] == exact
    known = len(sizes)
    assert train(trial)[0] == exact
    assert len(sizes) == known  # nothing is compiled twice
    with torch._dynamo.config.patch(fail_on_recompile_limit_hit=True):
        for batch in (30, 28, 26, 24, 22):  # and the rest of the images each
            train(spec({}, compile=True, epochs=1, sampler={"batch_size": batch}))
            assert len(sizes) > known
            known = len(sizes)
    assert {type(size) for size in sizes} == {int}  # none is left open


def test_a_clipped_gradient_has_at_most_its_length():
    def length(**optimizer):
        trial = spec({}, optimizer={"name": "sgd", "learning_rate": 1e-9} | optimizer)
        training = pretraining(trial)
        training._train_step(np.arange(30))
        return float(torch.cat([p.grad.flatten() for p in training._model.parameters()]).norm())

    assert length() > 0.02
    assert length(clip_norm=0.01) == pytest.approx(0.01, rel=1e-3)


def test_lars_trains_and_resumes(tmp_path):
    trial = spec({}, optimizer={"name": "lars", "learning_rate": 5.0})
    losses, weights = train(trial)
    assert losses[-1] < losses[0]
    half = pretraining(trial, tmp_path / "t.pt")
    next(half.epochs())
    half.save()
    again, resumed = train(trial, tmp_path / "t.pt")
    assert again == losses
    assert all(torch.equal(resumed[name], weights[name]) for name in weights)


def test_a_diverged_run_names_the_step_and_the_last_good_checkpoint(tmp_path):
    path = tmp_path / "trial.pt"
    training = pretraining(spec({}), path)
    epochs = training.epochs()
    next(epochs)
    training.save()
    with torch.no_grad():
        next(training.encoder.parameters()).fill_(torch.nan)
    with pytest.raises(TrainingDivergedError, match=r"at step 2 .epoch 2.*trial.pt, after 2 steps"):
        next(epochs)
    # The checkpoint is one to go on from.
    assert len(list(pretraining(spec({}), path).epochs())) == 3


def test_a_diverged_run_without_checkpoint_says_so():
    training = pretraining(spec({}))
    with torch.no_grad():
        next(training.encoder.parameters()).fill_(torch.nan)
    with pytest.raises(TrainingDivergedError, match="no checkpoint was saved"):
        list(training.epochs())


def on_disk(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (N, 1, SIDE, SIDE), dtype=np.uint8)
    np.save(tmp_path / "images.npy", images)
    return images, np.load(tmp_path / "images.npy", mmap_mode="r")


def test_images_read_ahead_are_those_that_were_asked_for(tmp_path):
    images, mapped = on_disk(tmp_path)
    rows = np.arange(N)[::-1].copy()
    source = ImageSource(mapped, rows, CPU)
    for length in (0, 1, 2, 7):
        batches = [np.arange(3) + start for start in range(length)]
        for batch, read in zip(batches, source.stream(batches), strict=True):
            np.testing.assert_array_equal(read.numpy(), images[rows[batch]])


def test_images_on_disk_train_the_same_weights(tmp_path):
    _, mapped = on_disk(tmp_path)
    losses, _ = train(spec({}))
    source = ImageSource(mapped, np.arange(N), CPU)
    training = Pretraining(spec({}), ImageInputs.of(spec({}), source), np.arange(N) % 7, device=CPU)
    epochs = list(training.epochs())
    assert [epoch.loss for epoch in epochs] == losses
    assert all(0 < epoch.data_seconds < epoch.seconds for epoch in epochs)
