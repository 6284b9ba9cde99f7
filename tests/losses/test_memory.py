import pytest
import torch

from clinfonce.errors import InputError
from clinfonce.losses import ClusterMemory, Workers
from tests.losses.reference import unit


def rows(start, stop):
    return unit(20, 3, seed=0, dtype=torch.float32)[start:stop], torch.arange(start, stop)


def kept(memory):
    embeddings, clusters = memory.contents
    assert embeddings.equal(rows(0, 20)[0][clusters])
    return sorted(clusters.tolist())


def test_the_newest_entries_stay():
    memory = ClusterMemory(5, 3)
    assert len(memory) == 0
    assert kept(memory) == []
    memory.push(*rows(0, 3))
    assert kept(memory) == [0, 1, 2]
    memory.push(*rows(3, 7))
    assert kept(memory) == [2, 3, 4, 5, 6]
    memory.push(*rows(7, 19))
    assert kept(memory) == [14, 15, 16, 17, 18]
    memory.push(*rows(19, 20))
    assert kept(memory) == [15, 16, 17, 18, 19]


def test_state_dict_restores_it():
    memory, other = ClusterMemory(5, 3), ClusterMemory(5, 3)
    memory.push(*rows(0, 7))
    other.load_state_dict(memory.state_dict())
    for each in (memory, other):
        each.push(*rows(7, 8))
    assert kept(other) == kept(memory) == [3, 4, 5, 6, 7]


def test_bad_input():
    with pytest.raises(InputError, match="size is 0"):
        ClusterMemory(0, 3)
    with pytest.raises(InputError, match=r"kept embeddings are .* must have d = 4"):
        ClusterMemory(5, 3).push(unit(2, 4, seed=0), torch.arange(2))


def push_own():
    workers = Workers.of()
    memory = ClusterMemory(8, 3, workers=workers)
    memory.push(*(rows(0, 2), rows(2, 5))[workers.rank])
    return kept(memory)


def test_embeddings_of_all_workers_enter(gloo):
    assert gloo.run(2, push_own) == [[0, 1, 2, 3, 4]] * 2
