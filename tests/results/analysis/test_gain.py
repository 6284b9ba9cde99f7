import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from clinfonce.errors import InputError
from clinfonce.information import measure
from clinfonce.results import open as open_results
from clinfonce.results.analysis.gain import (
    Point,
    end_points,
    fit_gain,
    gain_points,
    read_points,
    useful_bits,
    write_points,
)
from tests.results.example_store import DATA, write_example


def points(data: str = "d", noise: float = 0.0) -> list[Point]:
    """Clusterings whose gain is −0.5 + 1.5 u + 0.5 (1 − u) v − 0.2 u v."""
    rng = np.random.default_rng(0)
    found = []
    for i in range(30):
        u, v = rng.random(2)
        gain = -0.5 + 1.5 * u + 0.5 * (1 - u) * v - 0.2 * u * v + noise * rng.normal()
        found.append(Point(data, "scratch", f"c{i}", u, v, gain, 0.5, 1))
    return found


def bits(clusters: list[int], labels: list[int]) -> float:
    m = measure(clusters, labels)
    return useful_bits(m.h_z, m.h_t, m.i_zt, m.i_zt_chance)


def test_useful_bits_of_clusterings_that_are_known() -> None:
    labels = [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]
    assert bits(labels, labels) == pytest.approx(2)
    assert bits([t // 2 for t in labels], labels) == pytest.approx(1), "all it can say"
    assert bits(list(range(12)), labels) == 0, "chance alone"
    assert bits([0] * 12, labels) == 0
    assert bits([0, 1] * 6, labels) == 0, "nothing, or less than chance"
    within_classes = [2 * t + (i % 3 > 1) for i, t in enumerate(labels)]
    assert bits(within_classes, labels) == pytest.approx(2), "finer than the labels"


def test_the_fit_finds_what_the_points_were_made_of() -> None:
    fit = fit_gain(points())
    assert fit.coefficients["scratch"] == pytest.approx([-0.5, 1.5, 0.5, -0.2], abs=0.03)
    assert fit.coefficients["adapter"] == pytest.approx([-0.5, 1.5, 0.5, -0.2], abs=0.1)
    at = fit.predict(np.array([1.0]), np.array([0.0]), "scratch")
    assert at == pytest.approx([1], abs=0.02)
    assert fit.spread["scratch"][0] < 0.03


def test_a_regime_has_a_fit_of_its_own() -> None:
    lower = [replace(p, regime="adapter", gain=p.gain - 0.6, data="e") for p in points()]
    fit = fit_gain([*points(), *lower])
    here = np.array([0.5]), np.array([0.5])
    apart = fit.predict(*here, "scratch") - fit.predict(*here, "adapter")
    assert 0.4 < apart < 0.65, "drawn towards adapters"
    assert fit.predict(*here, "fine-tuning") == fit.predict(*here, "adapter"), "nothing is known"


def test_the_spread_is_that_on_data_sets_left_out_and_grows_with_useful_bits() -> None:
    shifted = [replace(p, data="other", gain=p.gain + 2 * min(p.useful, 0.5)) for p in points()]
    fit = fit_gain([*points(), *shifted])
    assert fit.data == ("d", "other")
    rng = np.random.default_rng(0)
    spreads = [
        fit.draw(np.full(9000, u), np.full(9000, 0.5), "scratch", rng).std() for u in (0, 0.5, 1)
    ]
    assert spreads[0] < 0.5 * spreads[1]
    assert spreads[1] == pytest.approx(1, abs=0.3), "a data set is 1 off"
    assert spreads[2] == pytest.approx(spreads[1], rel=0.2)


def test_other_targets_of_the_same_images_are_no_other_data_set() -> None:
    shifted = [replace(p, data="d/other", gain=p.gain + 1) for p in points()]
    far = [replace(p, data="e", gain=p.gain + 0.5) for p in points()]
    alone = fit_gain([*points(), *shifted])
    assert alone.spread["scratch"][0] == pytest.approx(0.5, abs=0.2), "around the fit of both"
    assert fit_gain([*points(), *shifted, *far]).spread["scratch"][0] > 0.3


def test_every_data_set_weighs_the_same() -> None:
    few = [
        Point("few", "scratch", "c", p.useful, p.nuisance, p.gain + 1, 0.5, 1)
        for p in points()[:10]
    ]
    fit = fit_gain([*points(), *few])
    at_half = fit.predict(np.array([0.5]), np.array([0.5]), "scratch")[0]
    assert at_half == pytest.approx(-0.5 + 0.75 + 0.125 - 0.05 + 0.5, abs=0.1)


def test_too_few_points() -> None:
    with pytest.raises(InputError, match="at least 6 clusterings"):
        fit_gain(points()[:5])


def test_points_are_written_and_read(tmp_path: Path) -> None:
    write_points(points()[:3], tmp_path / "p.csv", ["what", "where"])
    assert (tmp_path / "p.csv").read_text().startswith("# what\n# where\n")
    for read, made in zip(read_points(tmp_path / "p.csv"), points()[:3], strict=True):
        assert (read.data, read.clustering, read.trials) == (made.data, made.clustering, 1)
        assert read.gain == pytest.approx(made.gain, abs=1e-4)


def test_the_shipped_points_say_that_labels_are_best() -> None:
    fit = fit_gain(read_points())
    of = np.array([1.0, 0.0, 0.0]), np.array([0.0, 1.0, 0.3])
    worth_nothing = {}
    for regime in ("adapter", "fine-tuning", "scratch"):
        labels, instances, worth_nothing[regime] = fit.predict(*of, regime)
        assert labels == pytest.approx(1, abs=0.4)
        assert worth_nothing[regime] < labels
        assert instances < labels
    order = sorted(worth_nothing, key=worth_nothing.__getitem__)
    assert order == ["scratch", "fine-tuning", "adapter"], "the more is trained the more it harms"
    assert len(fit.data) > 1


def test_the_points_of_a_store(tmp_path: Path) -> None:
    results = open_results(write_example(tmp_path))
    found = {p.clustering: p for p in gain_points(results)}
    low, high = found["InfoNCE"], found["SupCon"]
    assert (low.gain, low.useful, low.nuisance) == pytest.approx((0, 0, 1))
    assert (high.gain, high.useful, high.nuisance) == pytest.approx((1, 1, 0), abs=1e-6)
    assert end_points(results, DATA) == pytest.approx((low.accuracy, high.accuracy))
    assert end_points(results, "other") is None
    assert all(math.isfinite(p.gain) for p in found.values())
    with pytest.raises(InputError, match="metric"):
        gain_points(results, metric="nope")
