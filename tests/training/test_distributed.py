import pytest
import torch

from clinfonce.training.distributed import all_reduce_mean, all_reduce_sum, shard, world


@pytest.mark.parametrize("length", [0, 1, 2, 7, 100])
@pytest.mark.parametrize("size", [1, 2, 3, 8])
def test_shares_cover_the_batch_in_order_and_evenly(length, size):
    shares = [shard(length, rank, size) for rank in range(size)]
    assert [i for each in shares for i in range(length)[each]] == list(range(length))
    lengths = [each.stop - each.start for each in shares]
    assert max(lengths) - min(lengths) <= 1


def reductions():
    rank, size = world()
    return rank, size, all_reduce_sum(torch.tensor(rank)), all_reduce_mean(torch.tensor(rank / 2))


def test_reductions_reach_every_worker(gloo):
    assert gloo.run(3, reductions) == [(rank, 3, 3, 0.5) for rank in range(3)]


def test_one_process_reduces_to_itself():
    value = torch.tensor([1.0, 2.0])
    assert world() == (0, 1)
    assert all_reduce_sum(value).equal(value)
    assert all_reduce_mean(value).equal(value)
