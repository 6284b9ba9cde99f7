"""How well facts are read from features: against probes really fitted without an image."""

import numpy as np
import pytest
import torch

from clinfonce.evaluation.leave_one_out import read_categories, read_numbers
from clinfonce.evaluation.usable import Visibility


def features(n=60, d=5, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=(n, d)))


def fitted_without_each(x, y):
    """Predictions (n, k) of ridge regressions that never saw the image they are asked of."""
    x = (x - x.mean(0)) / x.std(0, unbiased=False)
    strength = 10.0**-1.5 * len(x)
    design = torch.cat([x, torch.ones(len(x), 1, dtype=x.dtype)], 1)
    penalty = torch.diag(torch.tensor([strength] * x.shape[1] + [0.0], dtype=x.dtype))
    found = []
    for i in range(len(x)):
        kept = torch.arange(len(x)) != i
        a, b = design[kept], y[kept]
        found.append(design[i] @ torch.linalg.solve(a.mT @ a + penalty, a.mT @ b))
    return torch.stack(found)


def test_numbers_are_read_as_by_fits_without_each_image():
    x = features()
    y = x @ torch.tensor([1.0, -2, 0, 0.5, 0], dtype=x.dtype) + 0.7 * features(60, 1, 1)[:, 0]
    left = fitted_without_each(x, y[:, None])[:, 0]
    mean_of_others = (y.sum() - y) / (len(y) - 1)
    wanted = 1 - ((y - left) ** 2).sum() / ((y - mean_of_others) ** 2).sum()
    bits, r2 = read_numbers(Visibility(x), y)
    assert r2.value == pytest.approx(float(wanted), abs=1e-6)
    assert bits.value == pytest.approx(-0.5 * np.log2(1 - float(wanted)), abs=1e-5)


def test_categories_are_read_as_by_fits_without_each_image():
    x = features()
    codes = torch.from_numpy(np.random.default_rng(2).integers(0, 2, 60)) + (x[:, 0] > 0.5).long()
    left = fitted_without_each(x, torch.nn.functional.one_hot(codes).double())
    bits, accuracy = read_categories(Visibility(x), codes)
    assert accuracy.value == pytest.approx(float((left.argmax(1) == codes).double().mean()))
    assert accuracy.chance == pytest.approx(float(torch.bincount(codes).max()) / 60)
    assert 0 <= bits.value <= bits.most <= np.log2(3)


def test_what_features_do_not_hold_is_read_at_chance():
    x, rng = features(500), np.random.default_rng(3)
    assert read_numbers(Visibility(x), torch.from_numpy(rng.normal(size=500)))[1].value < 0.02
    bits, accuracy = read_categories(Visibility(x), torch.from_numpy(rng.integers(0, 4, 500)))
    assert bits.value < 0.02
    assert accuracy.value < accuracy.chance + 0.08


def test_more_features_than_images_are_read_as_by_their_axes():
    x = features(40, 90)
    wide = Visibility(x)
    assert wide.left_out(x[:, :2]).shape == (40, 2)
    codes = (x[:, 0] > 0).long()
    both = torch.cat([x, torch.zeros(40, 1, dtype=x.dtype)], 1)
    assert Visibility(both).bits(codes) == pytest.approx(wide.bits(codes), abs=1e-9)
