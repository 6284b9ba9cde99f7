"""Objectives of weights, conditions and predicted columns: on workers, resumed, and in chunks."""

import numpy as np
import pytest
import torch

from clinfonce.config import TrialSpec
from clinfonce.data import load
from clinfonce.training.images import ImageSource
from clinfonce.training.inputs import ImageInputs
from clinfonce.training.loop import Pretraining
from clinfonce.trial.attraction import build_attraction

CPU = torch.device("cpu")
GLYPH = {"loop": {}, "even": {}, "prime": {}}
SOFT = {"similarity": {"columns": GLYPH}}
WITHIN = {
    "similarity": {
        "columns": {**GLYPH, "above_four": {"role": "suppress"}},
        "suppress": {"images_per_condition": 16},
    }
}
AGAINST = {
    "similarity": {
        "columns": {**GLYPH, "ink": {"role": "suppress"}}, "suppress": {"by": "adversary"}
    }
}  # fmt: skip
PREDICTED = {**AGAINST, "objective": {"name": "attribute_prediction"}}
FINO = {
    "similarity": {"columns": {**GLYPH, "ink": {"role": "suppress"}}},
    "objective": {"name": "fino", "temperature": 0.3, "guide_weight": 1.0, "guide_dropout": 0.0},
}
TERMS = {
    "terms": [
        SOFT,
        {"clustering": {"source": "column", "column": "even"}, "weight": 0.5},
        {**SOFT, "objective": {"name": "attribute_prediction"}, "weight": 2.0},
    ]
}
MEMORY = {**AGAINST, "objective": {"memory": 64, "temperature": 0.3}}
ALIKE = {
    "similarity": {"columns": {"ink": {"bandwidth": 0.1}}},
    "sampler": {"batch_size": 31, "images_per_cluster": 4},
}
TRIALS = {
    "soft": SOFT, "within": WITHIN, "against": AGAINST, "predicted": PREDICTED, "fino": FINO,
    "terms": TERMS, "memory": MEMORY, "alike": ALIKE,
}  # fmt: skip


def spec(name, **changes):
    values = {
        "augmentation": "digits",
        "encoder": {"width": 4},
        "head": {"hidden_dim": 16, "out_dim": 8},
        "sampler": {"batch_size": 61},
        "objective": {"temperature": 0.3},
        "optimizer": {"learning_rate": 0.05, "name": "sgd"},
        "epochs": 2,
        "device": "cpu",
    }
    return TrialSpec.model_validate(values | TRIALS[name] | changes)


def pretraining(trial, checkpoint=None):
    digits = load("digits")
    rows = digits.rows(0)[:244]
    split = np.full(len(digits), 2, dtype=np.int8)
    split[rows] = 0
    table = type(digits)("some", digits.images, None, (), split, digits.columns)
    attraction = build_attraction(trial, table)
    source = ImageSource(table.images, rows, CPU)
    return Pretraining(
        trial,
        ImageInputs.of(trial, source),
        attraction.clustering.ids,
        device=CPU,
        checkpoint=checkpoint,
        sources=attraction.sources,
    )


def train(trial, checkpoint=None):
    training = pretraining(trial, checkpoint)
    losses = [epoch.loss for epoch in training.epochs()]
    return losses, {k: v.clone() for k, v in training._model.state_dict().items()}


def first_gradient(trial):
    training = pretraining(trial)
    training._train_step(training._sampler.batches(0)[0])
    return {name: p.grad.clone() for name, p in training._model.named_parameters()}


@pytest.mark.parametrize("name", TRIALS)
def test_two_workers_have_the_gradient_and_the_losses_of_one(gloo, name):
    one = first_gradient(spec(name))
    assert all(bool(gradient.isfinite().all()) for gradient in one.values())
    for gradient in gloo.run(2, first_gradient, spec(name)):
        for part, value in one.items():
            torch.testing.assert_close(gradient[part], value, atol=2e-5, rtol=1e-3)
    losses, _ = train(spec(name))
    for theirs, _ in gloo.run(2, train, spec(name)):
        assert theirs == pytest.approx(losses, abs=1e-4)


@pytest.mark.parametrize("name", TRIALS)
def test_a_training_that_is_resumed_ends_with_the_same_bits(tmp_path, name):
    _, whole = train(spec(name))
    checkpoint = tmp_path / "trial.pt"
    training = pretraining(spec(name), checkpoint)
    next(training.epochs())
    training.save()
    _, resumed = train(spec(name), checkpoint)
    assert whole.keys() == resumed.keys()
    assert all(torch.equal(value, resumed[key]) for key, value in whole.items())


def test_dropout_of_the_guides_follows_from_seed_and_step(tmp_path):
    trial = spec("fino", objective={"name": "fino", "temperature": 0.3, "guide_dropout": 0.5})
    torch.manual_seed(1)
    _, whole = train(trial)
    checkpoint = tmp_path / "trial.pt"
    training = pretraining(trial, checkpoint)
    next(training.epochs())
    training.save()
    torch.manual_seed(2)
    _, resumed = train(trial, checkpoint)
    assert all(torch.equal(value, resumed[key]) for key, value in whole.items())


@pytest.mark.parametrize("name", ["soft", "predicted", "terms"])
def test_chunks_have_the_gradient_of_the_whole_batch(name):
    # One chunk: batch norm takes the statistics of a chunk.
    whole = first_gradient(spec(name))
    chunked = first_gradient(spec(name, sampler={"batch_size": 61, "chunk": 61}))
    for part, value in whole.items():
        torch.testing.assert_close(chunked[part], value, atol=1e-5, rtol=1e-4)


def test_the_adversary_pushes_more_as_the_training_goes_on():
    training = pretraining(spec("against"))
    batch = training._sampler.batches(0)[0]

    def gradient(step):
        training._objective.start_step = lambda *_: None  # as if it were this step
        training._objective._progress = step / training.steps
        before = {k: v.clone() for k, v in training._model.state_dict().items()}
        training._train_step(batch)
        found = torch.cat([p.grad.flatten() for p in training.encoder.parameters()])
        training._model.load_state_dict(before)
        return found

    start, middle, end = gradient(0), gradient(training.steps / 2), gradient(training.steps)
    assert 0 < (middle - start).norm() < (end - start).norm()


def test_a_partition_as_a_similarity_trains_as_its_clustering():
    exact = {"similarity": {"columns": {"loop": "equal", "even": "equal"}}}
    plain = {"clustering": {"source": "attributes", "attributes": ["loop", "even"]}}
    one, other = (
        train(TrialSpec.model_validate(spec("soft").model_dump() | {"similarity": None} | each))[0]
        for each in (exact, plain)
    )
    assert one == pytest.approx(other, abs=1e-5)
