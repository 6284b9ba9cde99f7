"""Contrast within a condition alone: other groups hold neither positives nor negatives."""

import pytest
import torch

from clinfonce.errors import InputError
from clinfonce.losses import FORMS, cl_infonce, cl_infonce_terms, distributed_cl_infonce
from clinfonce.losses._tiles import Task
from tests.losses.reference import loop, unit, value_and_gradient

N = 14
CLUSTERS = torch.arange(N) // 2 * 7 % 3
CONDITIONS = torch.tensor([4, 4, 9, 9, 4, 4, 0, 0, 9, 4, 9, 9, 4, 7])


def assert_close(got, expected, tolerance=1e-9):
    for left, right in zip(got, expected, strict=True):
        torch.testing.assert_close(left, right, rtol=0, atol=tolerance)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("temperature", [0.05, 0.5])
@pytest.mark.parametrize("tile", [1, 3, 100])
@pytest.mark.parametrize("weighted", [False, True])
def test_value_and_gradient_are_those_of_the_definition(
    form, temperature, tile, weighted, monkeypatch
):
    monkeypatch.setattr(Task, "tile_height", tile)
    z = unit(N, 5, seed=1)
    weights = torch.linspace(0, 2, N, dtype=z.dtype) if weighted else None
    ours = value_and_gradient(
        lambda e: cl_infonce(
            e, CLUSTERS, temperature=temperature, form=form, weights=weights, conditions=CONDITIONS
        ),
        z,
    )
    expected = value_and_gradient(
        lambda e: loop(e, CLUSTERS, temperature, form, weights, CONDITIONS), z
    )
    assert_close(ours, expected, 1e-8)


@pytest.mark.parametrize("form", FORMS)
def test_one_condition_for_all_is_none(form):
    z = unit(N, 5, seed=2)
    ours = [
        value_and_gradient(
            lambda e, c=c: cl_infonce(e, CLUSTERS, temperature=0.2, form=form, conditions=c), z
        )
        for c in (None, torch.full((N,), 3))
    ]
    assert_close(*ours)


@pytest.mark.parametrize("form", FORMS)
def test_groups_do_not_feel_each_other(form):
    z = unit(N, 5, seed=3)
    moved = torch.where((CONDITIONS == 9)[:, None], unit(N, 5, seed=4), z)

    def of_group(e):
        weights = (CONDITIONS == 4).double()
        return cl_infonce(
            e, CLUSTERS, temperature=0.2, form=form, conditions=CONDITIONS, weights=weights
        )

    value, gradient = value_and_gradient(of_group, z)
    assert of_group(moved) == pytest.approx(float(value), abs=1e-12)
    assert not gradient[CONDITIONS != 4].any()


@pytest.mark.parametrize("form", FORMS)
def test_instances_and_memory_keep_to_the_condition(form):
    z, old = unit(8, 5, seed=5), unit(5, 5, seed=6)
    clusters, old_clusters = torch.tensor([0, 0, 1, 1, 0, 0, 1, 1]), torch.tensor([0, 1, 0, 1, 0])
    groups, old_groups = torch.tensor([0, 0, 0, 1, 1, 1, 1, 0]), torch.tensor([0, 1, 1, 0, 5])
    images = torch.tensor([0, 1, 2, 3, 4, 4, 3, 2])
    everything = torch.cat([groups, old_groups])
    anchors = torch.cat([torch.ones(8), torch.zeros(5)]).double()

    def ours(e):
        return cl_infonce(
            e, clusters, temperature=0.3, form=form, instances=images, instance_weight=0.4,
            conditions=groups, memory=(old, old_clusters, old_groups),
        )  # fmt: skip

    def dense(e):
        rows = torch.cat([e, old])
        both = torch.cat([clusters, old_clusters])
        views = torch.cat([images, torch.arange(100, 105)])
        attraction = loop(rows, both, 0.3, form, anchors, everything)
        return attraction + 0.4 * loop(rows, views, 0.3, "out", anchors, everything)

    assert_close(value_and_gradient(ours, z), value_and_gradient(dense, z))


def spread(z, form, lengths):
    from clinfonce.losses import Workers

    rank = Workers.of().rank
    own = slice(sum(lengths[:rank]), sum(lengths[: rank + 1]))

    def loss(e):
        terms = distributed_cl_infonce(
            e, CLUSTERS[own], temperature=0.2, form=form, conditions=CONDITIONS[own]
        )
        return terms.loss

    return value_and_gradient(loss, z[own])


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("lengths", [[9, 5], [5, 0, 9]])
def test_workers_get_the_value_and_gradient_of_one_process(gloo, form, lengths):
    z = unit(N, 5, seed=7)
    value, gradient = value_and_gradient(
        lambda e: cl_infonce(e, CLUSTERS, temperature=0.2, form=form, conditions=CONDITIONS), z
    )
    answers = gloo.run(len(lengths), spread, z, form, lengths)
    for got, _ in answers:
        torch.testing.assert_close(got, value, rtol=0, atol=1e-12)
    joined = torch.cat([each for _, each in answers])
    torch.testing.assert_close(joined, len(lengths) * gradient, rtol=0, atol=1e-11)


def test_anchors_are_counted_within_their_condition():
    terms = cl_infonce_terms(
        unit(5, 3, seed=0),
        torch.tensor([0, 0, 0, 1, 1]),
        temperature=0.1,
        conditions=torch.tensor([0, 0, 1, 0, 1]),
    )
    assert (terms.anchors, terms.anchors_without_positive) == (2, 3)
    assert terms.positives_per_anchor == pytest.approx(2 / 5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"conditions": torch.zeros(3, dtype=torch.int64)}, r"conditions are torch.int64 of shape"),
        ({"conditions": torch.zeros(4)}, r"conditions are torch.float32 of shape \(4,\): must be "),
        ({"conditions": torch.tensor([0, 0, -2, 0])}, "conditions row 2 is -2: ids must be 0 or a"),
        ({"conditions": torch.arange(4)}, "clusters give none of the 4 embeddings a positive"),
        ({"memory": (unit(2, 3, 1), torch.zeros(2, dtype=torch.int64))}, "memory holds 2 tensors"),
    ],
)
def test_bad_conditions_are_named(change, message):
    arguments = {"conditions": torch.zeros(4, dtype=torch.int64), **change}
    with pytest.raises(InputError, match="^" + message):
        cl_infonce(unit(4, 3, seed=0), torch.tensor([0, 0, 1, 1]), temperature=0.1, **arguments)
