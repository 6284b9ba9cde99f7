"""Bits of a clustering that can be seen in features."""

import numpy as np
import pytest
import torch

from clinfonce.evaluation.usable import _RIDGE, Visibility


def features(n=400, d=20, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=(n, d)))


def test_what_is_a_function_of_the_features_is_seen_and_what_is_not_is_not():
    x = features(4000)
    seen = (x[:, 0] > 0).long()
    unseen = torch.from_numpy(np.random.default_rng(1).integers(0, 2, 4000))
    visibility = Visibility(x)
    assert visibility.bits(seen) > 0.4
    assert visibility.bits(unseen) < 0.05
    both = visibility.bits(2 * seen + unseen)
    assert both == pytest.approx(visibility.bits(seen), abs=0.1)


def test_a_cluster_for_each_image_cannot_be_predicted():
    visibility = Visibility(features())
    assert visibility.bits(torch.arange(400)) == 0.0
    assert visibility.bits(torch.zeros(400, dtype=torch.long)) == 0.0


def test_each_image_is_predicted_by_a_fit_without_it():
    x = features(60, 5)
    clusters = torch.from_numpy(np.random.default_rng(2).integers(0, 3, 60))
    visibility = Visibility(x)
    z = (x - x.mean(0)) / x.std(0, correction=0)
    variances = torch.linalg.eigvalsh(z.T @ z / 60)
    penalty = _RIDGE * float(variances.mean()) * 60
    onehot = torch.nn.functional.one_hot(clusters).double()
    design = torch.cat((z, torch.ones(60, 1)), 1).double()
    ridge = torch.diag(torch.tensor([penalty] * 5 + [0.0]).double())
    expected = []
    for i in range(60):
        rest = torch.arange(60) != i
        a, b = design[rest], onehot[rest]
        expected.append(design[i] @ torch.linalg.solve(a.T @ a + ridge, a.T @ b))
    weights = visibility._basis.mT @ onehot
    scores, leverage = visibility._basis @ weights, visibility._leverage[:, None]
    found = (scores - leverage * onehot) / (1 - leverage)
    torch.testing.assert_close(found, torch.stack(expected), atol=1e-8, rtol=1e-6)


def test_blocks_change_nothing(monkeypatch):
    x = features()
    clusters = (x[:, 0] > 0).long() + 2 * (x[:, 1] > 0.5).long()
    whole = Visibility(x).bits(clusters)
    monkeypatch.setattr("clinfonce.evaluation.usable._CHUNK_VALUES", 100)
    assert Visibility(x).bits(clusters) == pytest.approx(whole, abs=1e-9)


def test_clusters_of_different_size_are_told_by_how_much_likelier_they_are():
    """As a plain loop over images, classes and powers has it."""
    x = features(300, 6)
    clusters = (x[:, 0] > 1.2).long() + (x[:, 1] > 0.3).long()
    found = Visibility(x)
    scores = found.left_out(torch.nn.functional.one_hot(clusters).double())
    prior = torch.bincount(clusters) / 300
    losses = []
    for floor in (0.02, 0.2):
        for power in (0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0):
            weights = prior * (scores / prior).clamp(min=floor) ** power
            told = weights[torch.arange(300), clusters] / weights.sum(1)
            losses.append(-float(told.log2().mean()))
    entropy = -float((prior * prior.log2()).sum())
    assert found.bits(clusters) == pytest.approx(entropy - min(losses), abs=1e-6)
    assert found.bits(clusters) > 0.3
