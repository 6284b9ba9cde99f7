"""Which images share a batch."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinfonce.config import TrialSpec
from clinfonce.data import load
from clinfonce.errors import InputError
from clinfonce.similarity import batches_within
from clinfonce.training.distributed import shard
from clinfonce.training.sampler import AlikeSampler, BatchSampler, WithinSampler, build_sampler
from clinfonce.trial.attraction import build_attraction

CLUSTERS = np.repeat(np.arange(30), np.arange(1, 31))  # 465 images, clusters of 1 to 30


@given(
    batch_size=st.integers(2, 465), group=st.none() | st.integers(2, 9), epoch=st.integers(0, 99)
)
def test_every_image_is_seen_once_an_epoch_in_even_batches(batch_size, group, epoch):
    group = None if group is None else min(group, batch_size)
    sampler = BatchSampler(CLUSTERS, batch_size, group)
    batches = sampler.batches(epoch)
    assert sorted(np.concatenate(batches)) == list(range(len(CLUSTERS)))
    sizes = [len(batch) for batch in batches]
    assert len(sizes) == sampler.batches_per_epoch
    assert max(sizes) <= batch_size
    assert max(sizes) - min(sizes) <= 1


def others_of_its_cluster(batches):
    """For each image in turn: how many other images of its cluster are in its batch."""
    return np.concatenate([(CLUSTERS[b][:, None] == CLUSTERS[b]).sum(axis=1) - 1 for b in batches])


def test_groups_give_an_anchor_its_positives():
    uniform = others_of_its_cluster(BatchSampler(CLUSTERS, 32).batches(0))
    grouped = others_of_its_cluster(BatchSampler(CLUSTERS, 32, 4).batches(0))
    large = CLUSTERS[np.concatenate(BatchSampler(CLUSTERS, 32, 4).batches(0))] >= 3  # 4 or more
    assert uniform.mean() < 2
    assert (grouped[large] >= 3).mean() > 0.7  # but the cut and the smaller last groups
    assert grouped.mean() > 1.5 * uniform.mean()


def test_order_follows_from_seed_and_epoch():
    def flat(seed, epoch):
        return np.concatenate(BatchSampler(CLUSTERS, 50, 4, seed).batches(epoch)).tolist()

    assert flat(0, 3) == flat(0, 3)
    assert flat(0, 3) != flat(0, 4)
    assert flat(0, 3) != flat(1, 3)


@pytest.mark.parametrize(
    ("batch_size", "group", "said"),
    [(466, None, "there are 465 training images"), (8, 9, "more than the batch of 8")],
)
def test_impossible_batches_are_refused(batch_size, group, said):
    with pytest.raises(InputError, match=said):
        BatchSampler(CLUSTERS, batch_size, group)


@given(batch_size=st.integers(2, 465), group=st.none() | st.integers(2, 9), size=st.integers(1, 9))
def test_no_worker_goes_without_an_image_and_none_is_seen_twice(batch_size, group, size):
    group = None if group is None else min(group, batch_size)
    sampler = BatchSampler(CLUSTERS, batch_size, group)
    batches = sampler.batches(3)
    shares = [[batch[shard(len(batch), rank, size)] for batch in batches] for rank in range(size)]
    assert sorted(np.concatenate([s for each in shares for s in each])) == list(range(465))
    if all(len(share) > 0 for each in shares for share in each):
        sampler.check_workers(size)
    else:
        with pytest.raises(InputError, match=f"workers is {size}, but of 465"):
            sampler.check_workers(size)


def test_an_image_meets_all_others_of_its_cluster_in_time():
    """Its groups are drawn anew each epoch, not only put into other batches."""
    clusters = np.repeat(np.arange(6), 8)
    sampler = BatchSampler(clusters, 4, 4)  # a batch is a group
    met = np.zeros((48, 48), dtype=bool)
    for epoch in range(40):
        for batch in sampler.batches(epoch):
            assert len(set(clusters[batch])) == 1
            met[np.ix_(batch, batch)] = True
    assert (met == (clusters[:, None] == clusters)).all()


def test_batches_within_groups_are_of_these_groups_and_of_the_epoch():
    groups = np.arange(len(CLUSTERS)) % 5
    sampler = WithinSampler(CLUSTERS, 60, 3, 7, groups=groups, images_per_group=12)
    expected = batches_within(
        groups, CLUSTERS, batch_size=60, images_per_condition=12, images_per_cluster=3, seed=7,
        epoch=2,
    )  # fmt: skip
    for batch, other in zip(sampler.batches(2), expected, strict=True):
        assert batch.tolist() == other.tolist()
    assert [b.tolist() for b in sampler.batches(3)] != [b.tolist() for b in expected]


def test_what_attracts_first_decides_how_batches_are_drawn():
    similarity = {
        "columns": {"ink": {}, "loop": {"role": "suppress"}},
        "suppress": {"images_per_condition": 16},
    }
    sampler = {"batch_size": 64, "images_per_cluster": 4}
    kinds = []
    for fields in ({"similarity": similarity}, {"similarity": {"columns": {"ink": {}}}}, {}):
        spec = TrialSpec.model_validate({"sampler": sampler, **fields})
        found = build_attraction(spec, load("digits"))
        kinds.append(type(build_sampler(spec, found.clustering.ids, found.sources)))
    assert kinds == [WithinSampler, AlikeSampler, BatchSampler]
