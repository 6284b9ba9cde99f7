"""Standard errors against the spread of independent samples."""

import numpy as np
import pytest

from clinfonce.errors import InputError
from clinfonce.information import estimate, measure
from clinfonce.information._estimate import _spread

RNG = np.random.default_rng(5)
LABELS = RNG.integers(0, 10, 40_000)
CLUSTERS = np.where(RNG.random(40_000) < 0.3, RNG.integers(0, 40, 40_000), LABELS * 4)


def samples(size, count):
    order = np.random.default_rng(0).permutation(40_000)
    return np.split(order[: size * count], count)


@pytest.mark.parametrize("name", ["i_zt", "i_zt_excess", "ami"])
def test_error_is_the_spread_of_independent_samples(name):
    rows = samples(400, 80)
    values = [getattr(measure(CLUSTERS[r], LABELS[r]), name) for r in rows]
    errors = [getattr(estimate(CLUSTERS[r], LABELS[r]), f"{name}_error") for r in rows[:12]]
    assert np.mean(errors) == pytest.approx(np.std(values, ddof=1), rel=0.25)


@pytest.mark.parametrize("name", ["i_zt", "i_zt_excess", "ami"])
def test_interval_holds_what_other_samples_have_on_average(name):
    rows = samples(400, 80)
    truth = np.mean([getattr(measure(CLUSTERS[r], LABELS[r]), name) for r in rows])
    found = [estimate(CLUSTERS[r], LABELS[r], n_draws=100) for r in rows[:40]]
    intervals = [getattr(one, f"{name}_interval") for one in found]
    held = np.mean([low <= truth <= high for low, high in intervals])
    assert 0.85 <= held <= 1
    errors = [getattr(one, f"{name}_error") for one in found]
    widths = [high - low for low, high in intervals]
    assert np.mean(widths) == pytest.approx(2 * 1.96 * np.mean(errors), rel=0.1)


def test_measures_the_known_labels_only():
    known = np.zeros(2000, bool)
    known[500:1000] = True
    hidden = np.where(known, LABELS[:2000], -1)
    found = estimate(CLUSTERS[:2000], hidden, known=known)
    assert found.information == measure(CLUSTERS[500:1000], LABELS[500:1000])
    assert (found.n_labelled, found.n_images) == (500, 2000)
    assert 0 < found.i_zt_excess_error < 0.2


def test_more_labels_smaller_error_and_same_seed_same_error():
    few, many = (estimate(CLUSTERS[:n], LABELS[:n]) for n in (500, 8000))
    assert many.i_zt_error < few.i_zt_error / 2
    assert estimate(CLUSTERS[:500], LABELS[:500]) == few
    assert estimate(CLUSTERS[:500], LABELS[:500], seed=1) != few


def test_accepts_tensors():
    torch = pytest.importorskip("torch")
    found = estimate(torch.tensor(CLUSTERS[:500]), torch.tensor(LABELS[:500]))
    assert found == estimate(CLUSTERS[:500], LABELS[:500])


@pytest.mark.parametrize(
    ("labels", "options", "message"),
    [
        ([0, 1, 0], {}, "differ in length: 6 and 3"),
        ([0, 1, -1, 0, 1, 0], {}, "known labels must not be negative, got -1 at row 2"),
        ([0] * 6, {"known": np.ones(3, bool)}, r"known must be \(6,\) bool"),
        ([0] * 6, {"known": np.zeros(6, bool)}, "known labels is empty"),
        ([0] * 6, {"known": np.arange(6) < 3}, "got 3 and 100"),
        ([0] * 6, {"n_draws": 1}, "got 6 and 1"),
    ],
)
def test_refusals(labels, options, message):
    with pytest.raises(InputError, match=message):
        estimate([0, 1, 2, 0, 1, 2], labels, **options)
    assert estimate([0, 1, 2, 0, 1, 2], [0, 1, 0, 1, 0, 1], n_draws=2).i_zt_error >= 0


def test_the_interval_of_a_skewed_measure_leans_the_other_way():
    """What halves often miss on one side, the measure itself may miss too: it is moved there."""
    drawn = np.random.default_rng(0).exponential(size=1000)
    error, (low, high) = _spread(10.0, drawn.tolist())
    ordered = np.sort(drawn - drawn.mean())
    assert low == pytest.approx(10 - ordered[975], abs=0.1)
    assert high == pytest.approx(10 - ordered[25], abs=0.1)
    assert 10 - low > 2 * (high - 10) > 0
    assert error == pytest.approx(np.sqrt(((drawn - drawn.mean()) ** 2).sum() / 999))
