import pytest
import torch
from torch import Tensor, nn

from clinfonce.errors import InputError
from clinfonce.losses import FORMS, cl_infonce_terms, distributed_cl_infonce
from clinfonce.losses.collectives import Workers, gather_with_gradient, global_mean
from tests.losses.reference import loop, unit, value_and_gradient

CLUSTERS = torch.tensor([3, 3, 8, 8, 3, 5, 8, 1, 1, 8, 3])
SHARES = {
    2: ([6, 5], [1, 10], [0, 11]),
    3: ([4, 4, 3], [0, 2, 9], [0, 11, 0]),
}
CASES = [(size, lengths) for size in SHARES for lengths in SHARES[size]]


def own_rows(lengths: list[int]) -> slice:
    rank = Workers.of().rank
    start = sum(lengths[:rank])
    return slice(start, start + lengths[rank])


def terms_and_parameter_gradient(z, clusters, lengths, form, weights):
    """One step of a linear encoder under DistributedDataParallel."""
    rows = own_rows(lengths)
    model = nn.parallel.DistributedDataParallel(encoder())
    terms = distributed_cl_infonce(
        nn.functional.normalize(model(z[rows]), dim=1),
        clusters[rows],
        temperature=0.2,
        form=form,
        weights=None if weights is None else weights[rows],
    )
    terms.loss.backward()
    return [each.detach() for each in terms], model.module.weight.grad


def encoder() -> nn.Linear:
    torch.manual_seed(0)
    return nn.Linear(5, 4, bias=False, dtype=torch.float64)


def alone(z: Tensor, form: str, weights: Tensor | None):
    model = encoder()
    terms = cl_infonce_terms(
        nn.functional.normalize(model(z), dim=1),
        CLUSTERS,
        temperature=0.2,
        form=form,
        weights=weights,
    )
    terms.loss.backward()
    return terms, model.weight.grad


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("size", "lengths"), CASES)
def test_workers_get_the_value_and_gradient_of_one_process(gloo, form, size, lengths):
    z = unit(len(CLUSTERS), 5, seed=1)
    weights = torch.linspace(0, 1, len(CLUSTERS), dtype=z.dtype) if lengths[0] else None
    terms, gradient = alone(z, form, weights)
    answers = gloo.run(size, terms_and_parameter_gradient, z, CLUSTERS, lengths, form, weights)
    for got, got_gradient in answers:
        torch.testing.assert_close(got, [each.detach() for each in terms], rtol=0, atol=1e-12)
        torch.testing.assert_close(got_gradient, gradient, rtol=0, atol=1e-12)


IMAGES = torch.tensor([0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 4])
OLD = (unit(6, 5, seed=7), torch.tensor([3, 1, 20, 8, 3, 20]))


def everything(z, form, rows):
    """Loss and gradient with weights, an instance term and a memory."""
    weights = torch.linspace(0, 1, len(CLUSTERS), dtype=z.dtype)

    def loss(e):
        return distributed_cl_infonce(
            e,
            CLUSTERS[rows],
            temperature=0.2,
            form=form,
            weights=weights[rows],
            instances=IMAGES[rows],
            instance_weight=0.3,
            memory=OLD,
        ).loss

    return value_and_gradient(loss, z[rows])


def everything_of_own(z, form, lengths):
    return everything(z, form, own_rows(lengths))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("size", "lengths"), [(2, [1, 10]), (3, [4, 4, 3]), (3, [0, 2, 9])])
def test_weights_instances_and_memory_together_over_workers(gloo, form, size, lengths):
    z = unit(len(CLUSTERS), 5, seed=1)
    value, gradient = everything(z, form, slice(None))
    answers = gloo.run(size, everything_of_own, z, form, lengths)
    for got, _ in answers:
        torch.testing.assert_close(got, value, rtol=0, atol=1e-12)
    joined = torch.cat([each for _, each in answers])
    torch.testing.assert_close(joined, size * gradient, rtol=0, atol=1e-11)


def local_gradient(z, clusters, lengths):
    rows = own_rows(lengths)
    return value_and_gradient(
        lambda e: distributed_cl_infonce(e, clusters[rows], temperature=0.1).loss, z[rows]
    )


def test_local_gradient_is_the_number_of_workers_times_that_of_the_definition(gloo):
    z = unit(len(CLUSTERS), 5, seed=3, dtype=torch.float32)
    value, gradient = value_and_gradient(lambda e: loop(e, CLUSTERS, 0.1), z.double())
    answers = gloo.run(3, local_gradient, z, CLUSTERS, [4, 5, 2])
    for got, _ in answers:
        assert got == pytest.approx(float(value), rel=1e-6)
    joined = torch.cat([each for _, each in answers])
    torch.testing.assert_close(joined.double(), 3 * gradient, rtol=0, atol=3e-5)


def bad_rows(z, clusters, lengths):
    rows = own_rows(lengths)
    try:
        distributed_cl_infonce(z[rows], clusters[rows], temperature=0.1)
    except InputError as error:
        return str(error)
    return "no error"


def test_a_bad_row_on_one_worker_raises_on_all(gloo):
    z = unit(6, 4, seed=0)
    z[4] *= 2
    first, second = gloo.run(2, bad_rows, z, torch.zeros(6, dtype=torch.int64), [3, 3])
    assert first == "the input of 1 other worker(s) is bad: see the error there"
    assert second.startswith("embeddings row 1 has length 2")


def test_positives_are_looked_for_in_the_whole_batch(gloo):
    z = unit(6, 4, seed=0)
    assert gloo.run(2, bad_rows, z, torch.tensor([0, 1, 2, 0, 1, 2]), [3, 3]) == ["no error"] * 2
    for message in gloo.run(2, bad_rows, z, torch.arange(6), [3, 3]):
        assert message.startswith("clusters give none of the 6 embeddings a positive")


def gathered(lengths):
    rows = torch.arange(float(sum(lengths)))[own_rows(lengths)]
    (values, doubled), own = Workers.of().gather(rows, rows[:, None].long() * 2)
    return values, doubled, values[own].equal(rows)


def test_gathering_keeps_rank_order(gloo):
    for values, doubled, own in gloo.run(3, gathered, [2, 0, 5]):
        assert values.tolist() == list(range(7))
        assert doubled.tolist() == [[2 * i] for i in range(7)]
        assert own


def whole_batch_objective(z, lengths):
    return value_and_gradient(
        lambda e: (gather_with_gradient(e, Workers.of()).prod(1) ** 2).sum(), z[own_rows(lengths)]
    )


def row_mean_objective(z, lengths):
    return value_and_gradient(
        lambda e: global_mean(e.prod(1) ** 2, Workers.of()), z[own_rows(lengths)]
    )


@pytest.mark.parametrize("lengths", [[3, 2], [0, 5]])
def test_other_objectives_have_their_gradient_times_the_workers(gloo, lengths):
    z = unit(5, 3, seed=0)
    for spread, single in [
        (whole_batch_objective, lambda e: (e.prod(1) ** 2).sum()),
        (row_mean_objective, lambda e: (e.prod(1) ** 2).mean()),
    ]:
        value, gradient = value_and_gradient(single, z)
        answers = gloo.run(2, spread, z, lengths)
        for got, _ in answers:
            torch.testing.assert_close(got, value)
        torch.testing.assert_close(torch.cat([each for _, each in answers]), 2 * gradient)


def test_one_process_needs_no_group():
    z = unit(6, 4, seed=0)
    clusters = torch.tensor([0, 0, 1, 1, 2, 2])
    expected = cl_infonce_terms(z, clusters, temperature=0.1)
    assert distributed_cl_infonce(z, clusters, temperature=0.1) == expected
    assert gather_with_gradient(z).equal(z)
    assert global_mean(z[:, 0]) == pytest.approx(float(z[:, 0].mean()))
    (rows,), own = Workers.of().gather(z)
    assert rows[own].equal(z)
