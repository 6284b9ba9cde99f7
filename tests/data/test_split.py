"""The fixed split: shares, determinism, refusals."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinfonce.data import TEST, TRAIN, VALIDATION, stratified_split
from clinfonce.data.split import grouped_split, hold_out
from clinfonce.errors import InputError


@given(st.lists(st.integers(3, 60), min_size=1, max_size=6), st.integers(0, 2**31))
def test_every_class_has_the_shares(sizes, seed):
    labels = np.repeat(np.arange(len(sizes)), sizes)
    labels = np.random.default_rng(0).permutation(labels)
    split = stratified_split(labels, train=0.6, validation=0.1, seed=seed)
    for label, size in enumerate(sizes):
        counts = np.bincount(split[labels == label], minlength=3)
        assert counts.min() >= 1
        assert counts.sum() == size
        assert abs(counts[TRAIN] - 0.6 * size) <= 1
        assert abs(counts[VALIDATION] - 0.1 * size) <= 1
        assert abs(counts[TEST] - 0.3 * size) <= 1.5


def test_is_fixed_for_ever():
    split = stratified_split(np.zeros(12, dtype=np.int64))
    assert split.tolist() == [2, 1, 0, 2, 0, 0, 0, 2, 0, 2, 0, 1]


def test_rows_are_mixed_and_seeds_differ():
    labels = np.arange(4000) % 4
    split = stratified_split(labels)
    halves = [np.mean(part == TRAIN) for part in np.split(split, 8)]
    assert np.ptp(halves) < 0.15
    other = stratified_split(labels, seed=1)
    assert 0.3 < np.mean(other == split) < 0.45  # .5^2 + .2^2 + .3^2 = .38


def test_refuses_empty_splits():
    with pytest.raises(InputError, match="class 1 has 2 images"):
        stratified_split(np.array([0, 0, 0, 1, 1]))
    with pytest.raises(InputError, match="leave no rows"):
        stratified_split(np.zeros(9, dtype=np.int64), train=0.8, validation=0.2)


@given(st.lists(st.integers(2, 40), min_size=1, max_size=5))
def test_hold_out_takes_a_share_of_each_class(sizes):
    labels = np.repeat(np.arange(len(sizes)), sizes)
    held = hold_out(labels, 0.2)
    for label, size in enumerate(sizes):
        n_held = np.count_nonzero(held[labels == label])
        assert 1 <= n_held < size
        assert n_held == 1 or abs(n_held - 0.2 * size) <= 0.5


def test_hold_out_refuses_lonely_rows():
    with pytest.raises(InputError, match="class 1 has one training image"):
        hold_out(np.array([0, 0, 1]), 0.2)


def test_grouped_split_keeps_groups_whole_and_classes_in_their_shares():
    rng = np.random.default_rng(0)
    groups = np.minimum(rng.geometric(0.02, 4000), 200)
    labels = (groups + rng.integers(0, 3, 4000)) % 5  # groups that prefer some classes
    split = grouped_split(labels, groups)
    assert len(set(zip(groups.tolist(), split.tolist(), strict=True))) == len(set(groups.tolist()))
    for label in range(5):
        shares = np.bincount(split[labels == label], minlength=3) / np.sum(labels == label)
        np.testing.assert_allclose(shares, [0.5, 0.2, 0.3], atol=0.03)
    assert np.array_equal(split, grouped_split(labels, groups))
    with pytest.raises(InputError, match="leave no rows"):
        grouped_split(labels, groups, train=1.0)


@given(st.integers(3, 9), st.floats(0.01, 0.98), st.floats(0.01, 0.98))
def test_a_small_class_is_in_every_split_whatever_the_shares(size, train, validation):
    train, validation = (share / (1.02 * (train + validation)) for share in (train, validation))
    split = stratified_split(np.zeros(size, dtype=np.int64), train=train, validation=validation)
    assert set(split.tolist()) == {TRAIN, VALIDATION, TEST}


@pytest.mark.parametrize("shares", [(0.5, 0.2), (0.1, 0.8), (0.8, 0.1), (0.34, 0.33)])
def test_a_class_of_three_has_one_image_in_each_split(shares):
    split = stratified_split(np.zeros(3, dtype=np.int64), train=shares[0], validation=shares[1])
    assert sorted(split.tolist()) == [TRAIN, VALIDATION, TEST]
