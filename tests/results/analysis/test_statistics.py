import functools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from clinfonce.results.analysis import statistics

mean = functools.partial(np.mean, axis=-1)
points = st.lists(st.tuples(st.integers(-4, 4), st.integers(-4, 4)), min_size=3, max_size=30)


@given(points)
def test_spearman_is_that_of_scipy(pairs: list[tuple[int, int]]) -> None:
    x, y = np.array(pairs, dtype=float).T
    found = statistics.spearman(x, y)
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        assert np.isnan(found)
    else:
        assert found == pytest.approx(stats.spearmanr(x, y).statistic, abs=1e-12)


def _plane(noise: float = 0.0, n: int = 25) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(1)
    x = generator.normal(size=(n, 2)) * [2.0, 0.5]
    return x, 0.3 * x[:, 0] - 0.8 * x[:, 1] + 0.6 + noise * generator.normal(size=n)


def test_coefficients_are_per_standard_deviation() -> None:
    x, y = _plane()
    expected = [0.3 * x[:, 0].std(), -0.8 * x[:, 1].std()]
    np.testing.assert_allclose(statistics.standardised_coefficients(x, y), expected)


def test_coefficients_are_undefined_for_constant_or_collinear_predictors() -> None:
    x, y = _plane()
    for second in (np.ones(len(x)), 3 * x[:, 0]):
        found = statistics.standardised_coefficients(np.column_stack([x[:, 0], second]), y)
        assert np.isnan(found).all()


def test_partial_r2_is_the_squared_partial_correlation() -> None:
    x, y = _plane(noise=0.5)

    def rest(v: np.ndarray) -> np.ndarray:
        slope, intercept = np.polyfit(x[:, 0], v, 1)
        return v - slope * x[:, 0] - intercept

    expected = np.corrcoef(rest(x[:, 1]), rest(y))[0, 1] ** 2
    assert statistics.partial_r2(x, y, 1) == pytest.approx(expected)


@pytest.mark.parametrize("k", [0, 1, 2])
def test_leave_one_out_is_that_of_a_plain_loop(k: int) -> None:
    x, y = _plane(noise=0.5)
    x = x[:, :k]
    errors = []
    for i in range(len(y)):
        design = np.column_stack([np.ones(len(y)), x])
        kept = np.arange(len(y)) != i
        fit = np.linalg.lstsq(design[kept], y[kept], rcond=None)[0]
        errors.append(abs(y[i] - design[i] @ fit))
    assert statistics.leave_one_out_error(x, y) == pytest.approx(np.mean(errors))


def test_leave_one_out_is_undefined_where_one_point_decides() -> None:
    x = np.array([[0.0], [0.0], [0.0], [1.0]])
    assert np.isnan(statistics.leave_one_out_error(x, np.arange(4.0)))


def test_the_bootstrap_interval_of_a_mean_is_near_its_normal_one() -> None:
    x = np.random.default_rng(0).normal(3, 1, size=400)
    (interval,) = statistics.bootstrap(mean, x)
    assert interval.estimate == pytest.approx(x.mean())
    half = 1.96 * x.std() / 20
    assert interval.low == pytest.approx(x.mean() - half, abs=0.02)
    assert interval.high == pytest.approx(x.mean() + half, abs=0.02)
    assert statistics.bootstrap(mean, x)[0] == interval, "seeded"


def test_the_bootstrap_is_that_of_a_plain_loop() -> None:
    x, y = _plane(noise=0.5)
    generator = np.random.default_rng(0)
    rows = [generator.integers(len(y), size=len(y)) for _ in range(2000)]
    for statistic, columns in (
        (statistics.spearman, (x[:, 0], np.round(y))),
        (statistics.standardised_coefficients, (x, y)),
    ):
        draws = [np.atleast_1d(statistic(*(c[r] for c in columns))) for r in rows]
        found = statistics.bootstrap(statistic, *columns)
        for interval, drawn in zip(found, np.array(draws).T, strict=True):
            edges = np.percentile(drawn, (2.5, 97.5))
            assert (interval.low, interval.high) == pytest.approx(tuple(edges))


def test_an_undefined_statistic_has_no_interval() -> None:
    (interval,) = statistics.bootstrap(statistics.spearman, np.ones(6), np.arange(6.0))
    assert interval == statistics.Interval(None, None, None)
    # ten equal points and an odd one: many resamples are constant, the rest count
    (interval,) = statistics.bootstrap(statistics.spearman, np.eye(1, 11)[0], np.arange(11.0))
    assert interval.low is not None


def test_finite_rows() -> None:
    x, y = statistics.finite_rows([1, None, 3, 4], [1.0, 2.0, float("nan"), 5.0])
    assert x.tolist() == [1, 4]
    assert y.tolist() == [1, 5]
