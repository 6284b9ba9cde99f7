"""Batches of images that are like each other."""

import numpy as np
import pytest

from clinfonce.errors import InputError
from clinfonce.similarity import batches_alike, combine, gaussian

NUMBERS = np.random.default_rng(0).normal(size=203)
ALIKE = combine({"x": gaussian(NUMBERS, bandwidth=0.05)})


def nearest(batches):
    """Median distance of an image to the nearest other of its batch."""
    apart = [np.abs(NUMBERS[b][:, None] - NUMBERS[b]) + 9 * np.eye(len(b)) for b in batches]
    return np.median(np.concatenate([each.min(1) for each in apart]))


def test_every_image_is_in_one_batch_and_batches_are_equally_large():
    batches = batches_alike(ALIKE, batch_size=32, group=4, seed=3, epoch=2)
    assert sorted(np.concatenate(batches).tolist()) == list(range(203))
    assert {len(batch) for batch in batches} == {29}


def test_images_meet_others_that_they_are_like():
    alike = batches_alike(ALIKE, batch_size=16, group=4)
    uniform = np.array_split(np.random.default_rng(0).permutation(203), len(alike))
    assert nearest(alike) < 0.5 * nearest(uniform)


def test_batches_follow_from_seed_and_epoch():
    def order(**changes):
        options = {"batch_size": 32, "group": 4, "seed": 0, "epoch": 0} | changes
        return np.concatenate(batches_alike(ALIKE, **options)).tolist()

    assert order() == order()
    assert order(seed=1) != order() != order(epoch=1)


def test_images_that_are_like_no_other_stand_alone():
    apart = combine({"x": gaussian(np.arange(10.0), bandwidth=1e-3, unit="value")})
    batches = batches_alike(apart, batch_size=5, group=2)
    assert sorted(np.concatenate(batches).tolist()) == list(range(10))


@pytest.mark.parametrize(("size", "group"), [(0, 2), (204, 2), (8, 1), (8, 9)])
def test_bad_sizes_are_refused(size, group):
    with pytest.raises(InputError, match="must be"):
        batches_alike(ALIKE, batch_size=size, group=group)
