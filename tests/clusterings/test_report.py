"""Expected positives against drawn batches, and the rest of the report."""

import math

import numpy as np
import pytest

from clinfonce.clusterings import from_column, from_instances
from clinfonce.errors import InputError
from clinfonce.information import measure

training = pytest.importorskip("clinfonce.training.sampler")


@pytest.fixture(scope="module")
def skewed():
    rng = np.random.default_rng(0)
    return from_column(np.minimum(rng.geometric(0.15, 1200), 20), name="skewed")


def mean_positives(clustering, sampler, epochs=60):
    counts = []
    for epoch in range(epochs):
        for rows in sampler.batches(epoch):
            ids = clustering.ids[rows]
            counts.append(np.bincount(ids)[ids] - 1)
    return np.concatenate(counts).mean()


def test_uniform_positives_as_drawn(skewed):
    sampler = training.BatchSampler(skewed.ids, 40)
    expected = skewed.report(batch_size=40).positives_uniform
    assert mean_positives(skewed, sampler) == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize("group", [2, 4, 10])
def test_grouped_positives_as_drawn(skewed, group):
    sampler = training.BatchSampler(skewed.ids, 40, group)
    expected = skewed.report(batch_size=40, images_per_cluster=group).positives_grouped
    assert mean_positives(skewed, sampler) == pytest.approx(expected, rel=0.02)


def test_whole_batch_meets_everyone(skewed):
    sizes = skewed.sizes
    everyone = float(sizes @ (sizes - 1)) / 1200
    found = skewed.report(batch_size=1200, images_per_cluster=7)
    assert found.positives_uniform == pytest.approx(everyone)
    assert found.positives_grouped == pytest.approx(everyone, rel=0.001)


def test_groups_that_fit_are_never_cut():
    even = from_column(np.arange(1200) % 60, name="even")
    sampler = training.BatchSampler(even.ids, 40, 20)
    expected = even.report(batch_size=40, images_per_cluster=20).positives_grouped
    assert expected >= 19
    assert mean_positives(even, sampler) == pytest.approx(expected, rel=0.002)


def test_sizes_and_bits(skewed):
    labels = np.arange(1200) % 5
    found = skewed.report(labels, batch_size=64)
    assert found.n_images == 1200
    assert found.n_clusters == 20
    assert found.size_quantiles[0] == skewed.sizes.min()
    assert found.size_quantiles[2] == np.median(skewed.sizes)
    assert found.size_quantiles[4] == skewed.sizes.max()
    assert found.information == measure(skewed.ids, labels)
    assert found.h_z == found.information.h_z
    assert found.bits_ceiling == math.log2(127)
    assert found.positives_grouped is None


def test_instances_have_no_positives():
    found = from_instances(50).report(batch_size=10, images_per_cluster=5)
    assert found.positives_uniform == 0
    assert found.positives_grouped == 0
    assert found.n_singletons == 50
    assert found.information is None
    assert from_instances(50).report().bits_ceiling is None
    assert from_instances(1).report(batch_size=1).positives_uniform == 0


def test_refusals(skewed):
    with pytest.raises(InputError, match=r"batch_size must be in 1\.\.1200, got 1201"):
        skewed.report(batch_size=1201)
    with pytest.raises(InputError, match="images_per_cluster is 8, but the batch has 4 images"):
        skewed.report(batch_size=4, images_per_cluster=8)
    with pytest.raises(InputError, match="but the batch has None images"):
        skewed.report(images_per_cluster=8)
    with pytest.raises(InputError, match="differ in length: 1200 and 1"):
        skewed.report([0])
