import pytest
import torch

from clinfonce.losses import Workers, cl_infonce, soft_cl_infonce
from clinfonce.losses._tiles import Task
from tests.losses.reference import unit, value_and_gradient

ATTRIBUTES = torch.tensor(
    [[1, 1, 0], [1, 0, 0], [0, 0, 0.5], [0, 0, 0], [0, 2, 1], [1, 1, 1], [0, 0, 3]]
)


def loop(z, attributes, temperature):
    n, terms = len(z), []
    for i in range(n):
        others = [j for j in range(n) if j != i]
        shared = torch.stack([attributes[i] @ attributes[j] for j in others])
        if shared.sum() == 0:
            continue
        s = torch.stack([z[i] @ z[j] / temperature for j in others])
        terms.append(-(shared / shared.sum() * torch.log_softmax(s, 0)).sum())
    return torch.stack(terms).mean()


@pytest.mark.parametrize("tile", [2, 100])
def test_value_and_gradient_are_those_of_the_definition(tile, monkeypatch):
    monkeypatch.setattr(Task, "tile_height", tile)
    z = unit(7, 4, seed=0)
    value, gradient = value_and_gradient(
        lambda e: soft_cl_infonce(e, ATTRIBUTES, temperature=0.2), z
    )
    expected, slope = value_and_gradient(lambda e: loop(e, ATTRIBUTES.double(), 0.2), z)
    torch.testing.assert_close(value, expected, rtol=0, atol=1e-9)
    torch.testing.assert_close(gradient, slope, rtol=0, atol=1e-9)


def test_one_hot_attributes_are_clusters():
    z, clusters = unit(9, 4, seed=0), torch.arange(9) % 4
    one_hot = torch.nn.functional.one_hot(clusters).bool()
    for got, expected in zip(
        value_and_gradient(lambda e: soft_cl_infonce(e, one_hot, temperature=0.2), z),
        value_and_gradient(lambda e: cl_infonce(e, clusters, temperature=0.2), z),
        strict=True,
    ):
        torch.testing.assert_close(got, expected)


def spread(z, attributes, lengths):
    workers = Workers.of()
    start = sum(lengths[: workers.rank])
    own = slice(start, start + lengths[workers.rank])
    return value_and_gradient(
        lambda e: soft_cl_infonce(e, attributes[own], temperature=0.2, workers=workers), z[own]
    )


@pytest.mark.parametrize("lengths", [[5, 2], [3, 3, 1], [0, 6, 1]])
def test_workers_get_the_value_and_gradient_of_one_process(gloo, lengths):
    z = unit(7, 4, seed=0)
    value, gradient = value_and_gradient(
        lambda e: soft_cl_infonce(e, ATTRIBUTES, temperature=0.2), z
    )
    size = len(lengths)
    answers = gloo.run(size, spread, z, ATTRIBUTES, lengths)
    for got, _ in answers:
        torch.testing.assert_close(got, value)
    torch.testing.assert_close(torch.cat([each for _, each in answers]), size * gradient)
