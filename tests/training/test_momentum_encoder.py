"""PCL with a momentum encoder: what makes its keys and prototypes, and what learns of them."""

import copy
import functools

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from clinfonce.config import TrialSpec, trial_id
from tests.training.test_finetuning import of_images
from tests.training.test_finetuning import spec as finetuning
from tests.training.test_objectives import N, pretraining, spec, train

PCL = {"name": "pcl", "prototypes": [4], "momentum_encoder": True, "momentum": 0.9}
NO_PROTOTYPES = {**PCL, "prototypes_after": 1.0}
INSTANCES = {"source": "instances"}


def views_of(training, batch):
    held = next(training._inputs.stream([batch], training._share, training._position.step))
    return training._inputs.views(held, len(batch), training._share, training._position.step)


def reference(network, average, views, queue):
    """InfoNCE of instances, a query at a time, and what the average adds to the queue."""
    queries = network(views).chunk(2)
    with torch.no_grad():
        keys = average(views).chunk(2)
    terms = []
    for own, other in ((0, 1), (1, 0)):
        for i, query in enumerate(queries[own]):
            logits = torch.cat([keys[other], queue]) @ query / 0.2
            terms.append(logits.logsumexp(0) - logits[i])
    return torch.stack(terms).mean(), torch.cat([queue, *keys])


def test_queries_are_contrasted_with_keys_of_the_average_and_of_the_queue():
    training = pretraining(spec({**NO_PROTOTYPES, "memory": 100}, clustering=INSTANCES))
    training._use(np.arange(N)[None])
    average = copy.deepcopy(training._model)
    queue = torch.zeros(0, 8)
    for start in (0, 20, 40):  # no image twice, else its earlier keys would attract it
        batch = np.arange(start, start + 20)
        network = copy.deepcopy(training._model)
        expected, queue = reference(network, average, views_of(training, batch), queue)
        expected.backward()
        measured = training._train_step(batch)
        training._position.step += 1
        assert float(measured.loss.detach()) == pytest.approx(float(expected.detach()), rel=1e-5)
        assert float(measured.positives_per_anchor) == 1
        for learned, known in zip(training._model.parameters(), network.parameters(), strict=True):
            torch.testing.assert_close(learned.grad, known.grad, atol=1e-5, rtol=1e-4)
        with torch.no_grad():
            for mine, theirs in zip(
                average.parameters(), training._model.parameters(), strict=True
            ):
                mine.mul_(0.9).add_(0.1 * theirs)
    queue = queue[-100:]  # the oldest ones made room
    kept, _ = training._objective._contrast._momentum_encoder._queue.contents
    torch.testing.assert_close(kept.sort(0).values, queue.sort(0).values)
    assert all(p.grad is None for p in training._objective._average.parameters())


def test_an_image_s_earlier_keys_and_those_of_its_cluster_attract():
    training = pretraining(spec({**NO_PROTOTYPES, "memory": 100}))
    positives = [float(training._train_step(np.arange(14)).positives_per_anchor) for _ in range(2)]
    assert positives == [2, 2 + 4]  # of 7 clusters; the second time, both views of the queue too


def test_prototypes_are_of_the_average_s_embeddings():
    training = pretraining(spec({**PCL, "momentum": 0.99}, epochs=2))
    list(training.epochs())
    training._objective.start_epoch(2, training._embed)
    [(centroids, _, assignments)] = training._objective._prototypes
    average = training._objective._average
    for network, alike in ((average, True), (training._model, False)):
        embeddings = training._embed(network)
        means = torch.stack([embeddings[assignments == k].mean(0) for k in range(4)])
        assert torch.allclose(normalize(means, dim=1), centroids, atol=1e-5) == alike


def test_prototypes_add_their_part_to_the_loss():
    losses = []
    for after in (0.0, 1.0):
        training = pretraining(spec({**PCL, "prototypes_after": after}))
        training._objective.start_epoch(0, training._embed)
        losses.append(float(training._train_step(np.arange(30)).loss.detach()))
    training = pretraining(spec({**PCL, "prototypes_after": 0.0}))
    training._objective.start_epoch(0, training._embed)
    [(centroids, concentrations, assignments)] = training._objective._prototypes
    with torch.no_grad():
        logits = training._model(views_of(training, np.arange(30))) @ centroids.T / concentrations
    own = assignments[:30].repeat(2)
    added = float(torch.nn.functional.cross_entropy(logits, own))
    assert losses[0] - losses[1] == pytest.approx(added, rel=1e-4)


def test_norms_that_are_frozen_in_the_network_are_so_in_the_average():
    trial = finetuning({"train": {"last": 1}}, objective=PCL)
    training = of_images(trial)
    before = copy.deepcopy(training._objective._average.state_dict())
    list(training.epochs())
    after = training._objective._average.state_dict()
    network = training._model.state_dict()
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved == {name for name in before if not torch.equal(before[name], network[name])}
    assert 0 < len(moved) < len(before)


VIT = {"encoder": {"name": "vit_s8"}, "epochs": 1}


def test_chunks_have_the_loss_and_gradient_of_one_pass():
    found = []
    for chunk in ({}, {"chunk": 5}):
        training = pretraining(spec(PCL, **VIT, sampler={"batch_size": 12} | chunk))
        training._objective.start_epoch(0, training._embed)
        loss = float(training._train_step(np.arange(12)).loss.detach())
        found.append((loss, [p.grad for p in training._model.parameters()]))
    (whole, gradients), (chunked, others) = found
    assert chunked == pytest.approx(whole, rel=1e-5)
    for mine, theirs in zip(gradients, others, strict=True):
        torch.testing.assert_close(theirs, mine, atol=1e-6, rtol=1e-3)


def test_chunks_and_batch_norm_on_two_workers(gloo):
    trial = spec({**PCL, "memory": 40}, sampler={"batch_size": 31, "chunk": 4})
    (first, weights), (second, others) = gloo.run(2, train, trial)
    assert first == second
    assert all(torch.equal(weights[name], others[name]) for name in weights)


def test_a_compiled_network_trains_alike(monkeypatch):
    monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend="eager"))
    objective = {**PCL, "memory": 40}
    assert train(spec(objective, compile=True))[0] == train(spec(objective))[0]


def test_bfloat16_trains_nearly_alike():
    exact, half = (train(spec(NO_PROTOTYPES, precision=p))[0] for p in ("float32", "bfloat16"))
    assert half != exact
    assert half == pytest.approx(exact, abs=0.1)


def test_a_trial_without_keeps_its_name():
    def name(**objective):
        given = {"name": "pcl", "prototypes": [3], "memory": 40} | objective
        return trial_id("digits", TrialSpec.model_validate({"objective": given}), "abc")

    assert name() == name(momentum_encoder=False) == "07ea0e731998"
    assert name(momentum_encoder=True) != name()
