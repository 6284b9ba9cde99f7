"""Bits of weights: those of a partition, and of a plain double loop."""

import numpy as np
import pytest

from clinfonce.errors import InputError
from clinfonce.information import measure, weighted_information


@pytest.fixture(scope="module")
def problem():
    rng = np.random.default_rng(0)
    z = rng.integers(0, 30, 400)
    t = np.where(rng.random(400) < 0.5, z % 5, rng.integers(0, 5, 400))
    return z, t, rng.random(400) < 0.4


def alike(places, width):
    def weights(a, b):
        return np.exp(-np.square((places[a][:, None] - places[b]) / width))

    return weights


def test_of_a_partition_they_are_its_own(problem):
    z, t, known = problem
    expected = measure(z[known], t[known])
    for weights in (None, lambda a, b: (a[:, None] == b).astype(float)):
        found = weighted_information(z, t, weights, known=known, n_draws=100)
        assert found.h_z == pytest.approx(measure(z, t).h_z)
        assert found.i_zt == pytest.approx(expected.i_zt)
        assert found.i_zt_chance == pytest.approx(expected.i_zt_chance, abs=0.03)
        assert found.h_t == pytest.approx(expected.h_t)
        assert found.i_zt_excess == found.i_zt - found.i_zt_chance
        assert found.h_z_given_t == found.h_z - found.i_zt


def test_of_weights_as_a_double_loop_has_them(problem, monkeypatch):
    z, t, known = problem
    monkeypatch.setattr("clinfonce.information._pairs._TILE", 100)  # a few rows at a time
    places = np.random.default_rng(1).random(30)
    weights = alike(places, 0.1)
    found = weighted_information(z, t, weights, known=known)
    entropy, bits = 0.0, 0.0
    overall = np.bincount(t[known]) / known.sum()
    for i in range(len(z)):
        a = np.array([float(np.exp(-(((places[z[i]] - places[z[j]]) / 0.1) ** 2)))
                      for j in range(len(z))])  # fmt: skip
        entropy -= np.log2(a.mean()) / len(z)
        if known[i]:
            p = np.array([a[known & (t == c)].sum() for c in range(5)])
            p /= p.sum()
            bits += sum(x * np.log2(x / o) for x, o in zip(p, overall, strict=True) if x > 0)
    assert found.h_z == pytest.approx(entropy)
    assert found.i_zt == pytest.approx(bits / known.sum())
    assert 0 < found.i_zt_chance < found.i_zt


def test_wider_kernels_say_less(problem):
    z, t, _ = problem
    places = np.arange(30.0)
    found = [weighted_information(z, t, alike(places, width)) for width in (0.1, 1, 5, 1e6)]
    for name in ("h_z", "i_zt"):
        values = [getattr(each, name) for each in found]
        assert values == sorted(values, reverse=True)
        assert values[-1] == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"labels": [0, 1]}, "differ in length: 3 and 2"),
        ({"known": np.zeros(3, bool)}, "no label is known"),
        ({"n_draws": 0}, "n_draws is 0: must be 1 or more"),
        ({"profiles": [0, -1, 0]}, "profiles"),
    ],
)
def test_mistakes(arguments, message):
    with pytest.raises(InputError, match=message):
        weighted_information(**{"profiles": [0, 0, 1], "labels": [0, 1, 1]} | arguments)
