import numpy as np
import pytest
import torch

from clinfonce.errors import InputError
from clinfonce.similarity import (
    batches_within,
    check_contrast,
    combine,
    contrast,
    contrast_left,
    equal,
    gaussian,
)

RNG = np.random.default_rng(0)
CONDITIONS = RNG.integers(0, 7, size=200)
CLUSTERS = RNG.integers(0, 12, size=200)


def runs(values):
    """Lengths of stretches of equal values."""
    changes = np.flatnonzero(np.diff(values)) + 1
    return np.diff([0, *changes, len(values)])


@pytest.mark.parametrize("clusters", [None, CLUSTERS])
def test_every_image_is_in_one_batch_and_batches_are_equally_large(clusters):
    batches = batches_within(CONDITIONS, clusters, batch_size=48, images_per_condition=12)
    assert sorted(np.concatenate(batches).tolist()) == list(range(200))
    assert {len(batch) for batch in batches} == {40}


def test_batches_hold_whole_runs_of_a_condition():
    batches = batches_within(CONDITIONS, batch_size=50, images_per_condition=10)
    left = contrast_left(batches, combine({"x": gaussian(RNG.random(200))}), groups(CONDITIONS))
    uniform = np.array_split(RNG.permutation(200), 4)
    worse = contrast_left(uniform, combine({"x": gaussian(RNG.random(200))}), groups(CONDITIONS))
    assert left.positives + left.negatives > 1.3 * (worse.positives + worse.negatives)
    for batch in batches:
        counts = np.bincount(CONDITIONS[batch])
        assert counts.max() >= 10


def test_clusters_stay_together_within_a_condition():
    order = np.concatenate(
        batches_within(
            CONDITIONS, CLUSTERS, batch_size=200, images_per_condition=12, images_per_cluster=3
        )
    )
    both = CONDITIONS * 100 + CLUSTERS
    # Stretches of one cluster: its groups of three, and what the end of a run has cut off.
    groups_of_three = sum(-(-size // 3) for size in np.bincount(both))
    runs_of_twelve = sum(-(-size // 12) for size in np.bincount(CONDITIONS))
    assert len(runs(both[order])) <= groups_of_three + runs_of_twelve
    shuffled = np.concatenate(batches_within(CONDITIONS, batch_size=200, images_per_condition=12))
    assert len(runs(both[order])) < 0.7 * len(runs(both[shuffled]))


def test_batches_depend_on_seed_and_epoch_alone():
    def of(**more):
        batches = batches_within(CONDITIONS, batch_size=48, images_per_condition=8, **more)
        return np.concatenate(batches).tolist()

    assert of() == of()
    assert len({tuple(of(seed=s, epoch=e)) for s in (0, 1) for e in (0, 1)}) == 4


def groups(values):
    return combine({"group": equal(values)})


@pytest.mark.parametrize("tile", [1, 7, 1 << 22])
def test_what_is_left_is_counted_image_by_image(tile, monkeypatch):
    monkeypatch.setattr(contrast, "_TILE", tile)
    similarity = combine({"x": gaussian(RNG.random(200))})
    condition = combine({"c": gaussian(RNG.random(200), bandwidth=0.2)})
    batches = [np.array([3, 5, 9, 11]), np.array([2, 8, 1])]
    met = []
    for batch in batches:
        for i in batch:
            pair = torch.tensor([i]), torch.tensor([j for j in batch if j != i])
            k, c = similarity.weights(*pair)[0], condition.weights(*pair)[0]
            met.append((len(k), float((k * c).sum()), float(((1 - k) * c).sum())))
    left = contrast_left(batches, similarity, condition)
    assert [left.others, left.positives, left.negatives] == pytest.approx(np.mean(met, axis=0))
    assert (left.without_positives, left.without_negatives) == (0, 0)


def test_images_without_negatives_or_positives_are_counted():
    similarity = groups([0, 0, 1, 1, 2])
    left = contrast_left([np.arange(5)], similarity, groups([0, 0, 0, 1, 1]))
    # 0 and 1 attract each other and repel 2; 3 and 4 repel each other.
    assert left.positives == pytest.approx(2 / 5)
    assert left.negatives == pytest.approx((1 + 1 + 2 + 1 + 1) / 5)
    assert (left.without_positives, left.without_negatives) == (3 / 5, 0)
    assert contrast_left([np.arange(5)], similarity).negatives == pytest.approx(16 / 5)


def test_a_condition_that_leaves_no_negatives_is_refused_with_the_number():
    similarity, own = groups(CLUSTERS), groups(np.arange(200))
    batches = np.array_split(np.arange(200), 4)
    with pytest.raises(InputError) as caught:
        check_contrast(contrast_left(batches, similarity, own))
    assert str(caught.value) == (
        "the suppressed columns leave an image 0 negatives of the 49 other images in its batch, "
        "and none to 100% of the images: at least 1 are needed; suppress fewer columns, or put "
        "more images of each of their values into a batch"
    )
    check_contrast(contrast_left(batches, similarity, groups(CONDITIONS)))
    check_contrast(contrast_left(batches, similarity))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"batch_size": 201}, "batch_size is 201: must be 1 to the 200 images"),
        ({"images_per_condition": 1}, "images_per_condition is 1: must be 2 to the batch's 40"),
        ({"images_per_condition": 41}, "images_per_condition is 41: must be 2 to the batch's 40"),
        ({"images_per_cluster": 9}, "images_per_cluster is 9: must be 1 to images_per_condition"),
        ({"clusters": CLUSTERS[:9]}, "clusters are of 9 images, conditions of 200"),
    ],
)
def test_bad_sizes_are_named(change, message):
    arguments = {"batch_size": 40, "images_per_condition": 8, **change}
    with pytest.raises(InputError, match="^" + message):
        batches_within(CONDITIONS, arguments.pop("clusters", CLUSTERS), **arguments)


def test_no_batches():
    with pytest.raises(InputError, match="contrast: batches are empty"):
        contrast_left([], groups([0, 1]))
