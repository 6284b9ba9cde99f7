import pytest
import torch

from clinfonce.errors import InputError
from clinfonce.losses import (
    Workers,
    cl_infonce,
    level_weights,
    multilevel_cl_infonce,
    weighted_sum,
)
from tests.losses.reference import loop, unit, value_and_gradient

FINE = torch.tensor([0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 4, 5, 6])
LEVELS = torch.stack([FINE * 0, FINE // 4, FINE // 2, FINE])


def test_levels_add_up_by_their_weights():
    z = unit(13, 5, seed=0)
    for weights in (None, [0.0, 1.0, 0.5, 2.0]):
        factors = [2 ** (1 / depth) / 4 for depth in (4, 3, 2, 1)] if weights is None else weights

        def dense(e, factors=factors):
            parts = zip(factors, LEVELS, strict=True)
            return sum(factor * loop(e, level, 0.2) for factor, level in parts)

        ours = value_and_gradient(
            lambda e, w=weights: multilevel_cl_infonce(e, LEVELS, temperature=0.2, weights=w), z
        )
        for got, expected in zip(ours, value_and_gradient(dense, z), strict=True):
            torch.testing.assert_close(got, expected, rtol=0, atol=1e-9)


def test_one_level_is_cl_infonce():
    z = unit(13, 5, seed=1)
    loss = multilevel_cl_infonce(z, FINE[None], temperature=0.1, weights=[1.0])
    assert float(loss) == pytest.approx(float(cl_infonce(z, FINE, temperature=0.1)))


def spread(z, lengths):
    workers = Workers.of()
    own = slice(sum(lengths[: workers.rank]), sum(lengths[: workers.rank + 1]))
    return value_and_gradient(
        lambda e: multilevel_cl_infonce(e, LEVELS[:, own], temperature=0.2, workers=workers),
        z[own],
    )


@pytest.mark.parametrize("lengths", [[9, 4], [0, 7, 6]])
def test_workers_get_the_value_and_gradient_of_one_process(gloo, lengths):
    z = unit(13, 5, seed=2)
    value, gradient = spread(z, [13])
    answers = gloo.run(len(lengths), spread, z, lengths)
    for got, _ in answers:
        torch.testing.assert_close(got, value)
    joined = torch.cat([each for _, each in answers])
    torch.testing.assert_close(joined, len(lengths) * gradient)


def test_a_level_at_which_nothing_attracts_adds_nothing():
    z = unit(6, 5, seed=3)
    levels = torch.stack([torch.arange(6) // 2, torch.arange(6)])
    loss = multilevel_cl_infonce(z, levels, temperature=0.2, weights=[0.5, 9.0])
    assert float(loss) == pytest.approx(0.5 * float(cl_infonce(z, levels[0], temperature=0.2)))


def test_terms_are_summed_by_their_weights():
    losses = {"a": torch.tensor(2.0, requires_grad=True), "b": torch.tensor(torch.nan)}
    total = weighted_sum(losses, {"a": 1.5, "b": 0})
    total.backward()
    assert total == 3
    assert losses["a"].grad == 1.5
    assert weighted_sum({"a": torch.tensor(1.0), "b": torch.tensor(2.0)}) == 3


Z = unit(4, 3, seed=0, dtype=torch.float32)
PAIRS = torch.tensor([[0, 0, 1, 1]])
BAD = [
    (lambda: weighted_sum({}), "terms are empty: at least one is needed"),
    (lambda: weighted_sum({"a": Z.sum()}, {"a": 0}), "terms: all weights are 0: at least one must"),
    (lambda: weighted_sum({"a": Z.sum()}, {"a": -1}), "weight of term 'a' is -1: must be finite"),
    (lambda: weighted_sum({"a": Z.sum()}, {"b": 1}), "unknown term: 'b'"),
    (lambda: level_weights(0), "levels are 0: must be 1 or above"),
    (
        lambda: multilevel_cl_infonce(Z, PAIRS[0], temperature=1),
        "levels are of shape (4,): must be",
    ),
    (lambda: multilevel_cl_infonce(Z, PAIRS - 1, temperature=1), "levels row 0 is -1: ids must be"),
    (
        lambda: multilevel_cl_infonce(Z, PAIRS[:, :3], temperature=1),
        "levels are torch.int64 of sha",
    ),
    (lambda: multilevel_cl_infonce(Z, PAIRS, temperature=0), "temperature is 0: must be a finite"),
    (lambda: multilevel_cl_infonce(2 * Z, PAIRS, temperature=1), "embeddings row 0 has length 2"),
    (lambda: multilevel_cl_infonce(Z, torch.arange(4)[None], temperature=1), "clusters give none"),
    (
        lambda: multilevel_cl_infonce(Z, PAIRS, temperature=1, weights=[1, 2]),
        "weights are 2: must ",
    ),
    (
        lambda: multilevel_cl_infonce(Z, PAIRS, temperature=1, weights=[0]),
        "weights of levels are [0",
    ),
]


@pytest.mark.parametrize(("make", "message"), BAD, ids=[message for _, message in BAD])
def test_bad_input_is_named(make, message):
    with pytest.raises(InputError) as caught:
        make()
    assert str(caught.value).startswith(message)
