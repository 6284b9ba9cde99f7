"""Positives with weights: value and gradient against a plain loop, for every kernel."""

import numpy as np
import pytest
import torch

from clinfonce.losses import (
    WEIGHTED_FORMS,
    Workers,
    _kin,
    cl_infonce,
    cl_infonce_terms,
    weighted_cl_infonce,
)
from clinfonce.losses._tiles import Task
from clinfonce.similarity import combine, differences, equal, gaussian, jaccard
from tests.losses.reference import loop, unit, value_and_gradient, weighted_loop
from tests.losses.test_cl_infonce import LargestTensor
from tests.similarity.kernels import CASES, N

RNG = np.random.default_rng(3)
SOME = {"unknown": np.arange(N) % 4 == 1}


def similarity(*names, dtype=torch.float64, by="product", **more):
    columns = {name: CASES[name].encode(CASES[name].values, **more) for name in names}
    return combine(columns, by=by, dtype=dtype)


def images_of(n, seed=0):
    """A batch with repeated images, other views and images alone."""
    return torch.from_numpy(np.random.default_rng(seed).integers(N, size=n))


SIMILARITIES = {
    "product": similarity("differences", "gaussian"),
    "sum": similarity("equal", "cyclic", by="sum"),
    "missing": similarity("equal", "gaussian", **SOME),
    "partition": similarity("equal"),
    "nothing alike": similarity("equal", unknown=np.ones(N, dtype=bool)),
}
CONDITIONS = {
    "none": None,
    "groups": combine({"by": equal(np.arange(N) % 3)}, dtype=torch.float64),
    "kernel": similarity("gaussian in the own unit"),
}


def shares(condition, images):
    n = len(images)
    one = torch.ones(n, n, dtype=torch.float64)
    return one if condition is None else condition.weights(images, images)


def ours_and_loops(z, images, likeness, condition, temperature, form, **more):
    ours = value_and_gradient(
        lambda e: (
            weighted_cl_infonce(
                e, images, likeness, temperature=temperature, form=form, condition=condition, **more
            ).loss
        ),
        z,
    )
    k, c = likeness.weights(images, images), shares(condition, images)
    expected = value_and_gradient(
        lambda e: weighted_loop(e, k, c, temperature, form, more.get("weights")), z
    )
    return ours, expected


def assert_close(ours, expected, temperature=1.0, tolerance=1e-9):
    for power, (left, right) in enumerate(zip(ours, expected, strict=True), start=1):
        scale = max(1.0, 1 / temperature) ** power
        torch.testing.assert_close(left, right, rtol=0, atol=tolerance * scale)


@pytest.mark.parametrize("form", WEIGHTED_FORMS)
@pytest.mark.parametrize("name", CASES)
def test_every_kernel_gives_the_value_and_gradient_of_the_definition(name, form):
    for n, temperature in [(3, 0.5), (14, 0.02), (31, 0.1)]:
        images = torch.cat([images_of(n - 1, seed=n), images_of(1, seed=n)])
        ours, expected = ours_and_loops(
            unit(n, 5, seed=n), images, similarity(name), None, temperature, form
        )
        assert_close(ours, expected, temperature)


@pytest.mark.parametrize("form", WEIGHTED_FORMS)
@pytest.mark.parametrize("condition", CONDITIONS)
@pytest.mark.parametrize("name", SIMILARITIES)
@pytest.mark.parametrize("tile", [1, 4, 100])
def test_conditions_and_tiles(name, condition, form, tile, monkeypatch):
    monkeypatch.setattr(Task, "tile_height", tile)
    weights = torch.linspace(0, 2, 17, dtype=torch.float64)
    for temperature, more in [(0.05, {}), (0.4, {"weights": weights})]:
        ours, expected = ours_and_loops(
            unit(17, 4, seed=1), images_of(17), SIMILARITIES[name], CONDITIONS[condition],
            temperature, form, **more,
        )  # fmt: skip
        assert_close(ours, expected, temperature)


@pytest.mark.parametrize("form", WEIGHTED_FORMS)
@pytest.mark.parametrize("condition", CONDITIONS)
def test_items_counted_without_waiting_for_the_device_give_the_same(form, condition, monkeypatch):
    arguments = (unit(17, 4, seed=1), images_of(17), SIMILARITIES["product"])
    ours, expected = ours_and_loops(*arguments, CONDITIONS[condition], 0.2, form)
    monkeypatch.setattr(_kin, "_unique", _kin._rank)
    padded, _ = ours_and_loops(*arguments, CONDITIONS[condition], 0.2, form)
    assert_close(padded, expected)
    assert_close(padded, ours, tolerance=1e-13)


@pytest.mark.parametrize("form", WEIGHTED_FORMS)
@pytest.mark.parametrize("temperature", [0.01, 0.1])
def test_single_precision_comes_near(form, temperature):
    z, images = unit(19, 5, seed=2), images_of(19)
    value, gradient = value_and_gradient(
        lambda e: weighted_cl_infonce(
            e, images, similarity("jaccard of tags", dtype=torch.float32),
            temperature=temperature, form=form,
        ).loss,
        z.float(),
    )  # fmt: skip
    assert value.dtype == gradient.dtype == torch.float32
    k = similarity("jaccard of tags").weights(images, images)
    expected = value_and_gradient(
        lambda e: weighted_loop(e, k, torch.ones_like(k), temperature, form), z
    )
    assert_close((value.double(), gradient.double()), expected, temperature, 1e-6)


@pytest.mark.parametrize("form", WEIGHTED_FORMS)
@pytest.mark.parametrize("condition", CONDITIONS)
def test_instances_and_memory(form, condition):
    z, old, limits = unit(9, 4, seed=3), unit(6, 4, seed=4), CONDITIONS[condition]
    images, old_images = torch.tensor([1, 2, 3, 4, 5, 1, 2, 3, 4]), torch.tensor([1, 2, 7, 8, 9, 9])
    likeness = SIMILARITIES["product"]
    everything = torch.cat([images, old_images])
    views = torch.cat([images, torch.arange(100, 106)])
    k, c = likeness.weights(everything, everything), shares(limits, everything)
    anchors = torch.cat([torch.ones(9), torch.zeros(6)]).double()

    def ours(e):
        return weighted_cl_infonce(
            e, images, likeness, temperature=0.3, form=form, condition=limits,
            instance_weight=0.4, memory=(old, old_images),
        ).loss  # fmt: skip

    def dense(e):
        rows = torch.cat([e, old])
        same = (views[:, None] == views).double()
        return weighted_loop(rows, k, c, 0.3, form, anchors) + 0.4 * weighted_loop(
            rows, same, c, 0.3, "out", anchors
        )

    assert_close(value_and_gradient(ours, z), value_and_gradient(dense, z))


@pytest.mark.parametrize("form", WEIGHTED_FORMS)
def test_a_partition_is_cl_infonce(form):
    z, images, old = unit(20, 5, seed=5), images_of(20), unit(4, 5, seed=6)
    likeness, groups = SIMILARITIES["partition"], CONDITIONS["groups"]
    memory = torch.tensor([3, 5, 7, 9])
    whole = weighted_cl_infonce(
        z, images, likeness, temperature=0.1, form=form, condition=groups, instance_weight=0.3,
        memory=(old, memory),
    )  # fmt: skip
    clusters, conditions = likeness.profiles, groups.profiles
    expected = cl_infonce_terms(
        z, clusters[images], temperature=0.1, form=form, conditions=conditions[images],
        instances=images, instance_weight=0.3,
        memory=(old, clusters[memory], conditions[memory]),
    )  # fmt: skip
    assert whole == expected


def test_equal_weights_are_one_cluster_and_soft_ones_lie_between():
    z, images = unit(12, 5, seed=7), torch.arange(6).repeat(2)
    one_value = combine({"x": gaussian(np.ones(6))}, dtype=torch.float64)
    together = torch.zeros(12, dtype=torch.int64)

    def loss(likeness):
        return float(weighted_cl_infonce(z, images, likeness, temperature=0.2).loss)

    assert loss(one_value) == pytest.approx(float(loop(z, together, 0.2)))
    values = RNG.random((6, 3)) < 0.5
    sharp = combine({"x": differences(values, bandwidth=0.01)}, dtype=torch.float64)
    exact = cl_infonce(z, sharp.profiles[images], temperature=0.2)
    assert loss(sharp) == pytest.approx(float(exact))


@pytest.mark.parametrize("form", WEIGHTED_FORMS)
@pytest.mark.parametrize("condition", CONDITIONS)
def test_gradcheck(form, condition):
    z = unit(9, 4, seed=0).requires_grad_()
    images = torch.tensor([0, 1, 2, 3, 0, 1, 2, 9, 9])

    def objective(e):
        return 3 * weighted_cl_infonce(
            e, images, SIMILARITIES["product"], temperature=0.5, form=form,
            condition=CONDITIONS[condition], check=False,
        ).loss  # fmt: skip

    assert torch.autograd.gradcheck(objective, (z,))


@pytest.mark.parametrize("form", WEIGHTED_FORMS)
def test_images_that_nothing_is_like_are_left_out_of_the_mean(form):
    likeness = combine({"tags": jaccard([("a",), ("a", "b"), ("c",), ("d",)])}, dtype=torch.float64)
    z, images = unit(5, 3, seed=1), torch.tensor([0, 1, 2, 3, 3])
    terms = weighted_cl_infonce(z, images, likeness, temperature=0.1, form=form)
    assert (terms.anchors, terms.anchors_without_positive) == (4, 1)
    assert terms.anchors.dtype == terms.anchors_without_positive.dtype == torch.int64
    assert terms.positives_per_anchor == pytest.approx((0.5 + 0.5 + 1 + 1) / 5)
    _, gradient = value_and_gradient(
        lambda e: weighted_cl_infonce(e, images, likeness, temperature=0.1, form=form).loss, z
    )
    assert gradient[2].any()  # it still repels


@pytest.mark.parametrize("form", WEIGHTED_FORMS)
@pytest.mark.parametrize("distance", [1, 5, 8, 9, 10, 13, 20])
def test_next_to_no_weight_is_weight_or_none_but_never_infinite(form, distance):
    near = gaussian([0.0, distance, 2 * distance], unit="value")
    z, images = unit(3, 4, seed=0, dtype=torch.float32), torch.arange(3)
    likeness = combine({"a": near, "b": near})
    value, gradient = value_and_gradient(
        lambda e: (
            weighted_cl_infonce(e, images, likeness, temperature=0.01, form=form, check=False).loss
        ),
        z,
    )
    k = combine({"a": near, "b": near}, dtype=torch.float64).weights(images, images)
    if float(k[0, 1]) < 1e-31:
        assert value == 0
        assert not gradient.any()
    else:
        expected = value_and_gradient(
            lambda e: weighted_loop(e, k, torch.ones_like(k), 0.01, form), z.double()
        )
        assert_close((value.double(), gradient.double()), expected, 0.01, 1e-6)


@pytest.mark.parametrize("form", WEIGHTED_FORMS)
def test_unchecked_batch_without_positives_teaches_nothing(form):
    images = torch.arange(5)
    loss, gradient = value_and_gradient(
        lambda e: weighted_cl_infonce(
            e, images, similarity("jaccard of tags", unknown=np.ones(N, dtype=bool)),
            temperature=0.1, form=form, check=False,
        ).loss,
        unit(5, 3, seed=0),
    )  # fmt: skip
    assert loss == 0
    assert not gradient.any()


@pytest.mark.parametrize("form", WEIGHTED_FORMS)
@pytest.mark.parametrize("temperature", [1e-30, 1e-4, 0.005, 1e4, 1e30])
@pytest.mark.parametrize("arrangement", ["random", "all alike", "positives opposite"])
@pytest.mark.parametrize("condition", CONDITIONS)
def test_extreme_temperatures_stay_finite(form, temperature, arrangement, condition):
    z, images = unit(16, 4, seed=0, dtype=torch.float32), torch.arange(16) % 5
    if arrangement == "all alike":
        z = z[:1].repeat(16, 1)
    if arrangement == "positives opposite":
        z = z[:1] * (1 - 2 * (torch.arange(16) % 2))[:, None]
        images = torch.arange(16) // 2
    likeness = similarity("gaussian", dtype=torch.float32)
    value, gradient = value_and_gradient(
        lambda e: (
            weighted_cl_infonce(
                e,
                images,
                likeness,
                temperature=temperature,
                form=form,
                condition=CONDITIONS[condition],
            ).loss
        ),
        z,
    )
    assert value.isfinite()
    assert gradient.isfinite().all()


@pytest.mark.parametrize("form", WEIGHTED_FORMS)
def test_without_gradient_and_under_autocast_the_value_is_the_same(form):
    z, images = unit(24, 8, seed=0, dtype=torch.float32), images_of(24)
    likeness = similarity("differences", dtype=torch.float32)

    def loss(e):
        return weighted_cl_infonce(e, images, likeness, temperature=0.1, form=form).loss

    leaf = z.clone().requires_grad_()
    assert not loss(z).requires_grad
    assert loss(leaf) == loss(z)
    with torch.no_grad():
        assert not loss(leaf).requires_grad
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert loss(z) == loss(leaf)
    half, gradient = value_and_gradient(loss, z.bfloat16())
    assert half.dtype == torch.float32
    assert gradient.dtype == torch.bfloat16


@pytest.mark.parametrize("form", WEIGHTED_FORMS)
@pytest.mark.parametrize("condition", CONDITIONS)
def test_nothing_of_the_batch_squared_is_made(form, condition):
    n, images = 1000, torch.arange(500).repeat(2)
    z = unit(n, 8, seed=0, dtype=torch.float32).requires_grad_()
    values = np.random.default_rng(0).normal(size=500)
    likeness = combine({"x": gaussian(values)})
    limits = {
        "none": None,
        "groups": combine({"c": equal(np.arange(500) % 7)}),
        "kernel": combine({"c": gaussian(values[::-1].copy())}),
    }[condition]
    with LargestTensor() as largest:
        weighted_cl_infonce(
            z, images, likeness, temperature=0.1, form=form, condition=limits
        ).loss.backward()
    assert largest.elements <= 256 * n


def spread(z, images, name, condition, form, lengths, more):
    rank = Workers.of().rank
    own = slice(sum(lengths[:rank]), sum(lengths[: rank + 1]))
    if "weights" in more:
        more = {**more, "weights": more["weights"][own]}
    terms = []

    def loss(e):
        terms.append(
            weighted_cl_infonce(
                e, images[own], SIMILARITIES[name], temperature=0.2, form=form,
                condition=CONDITIONS[condition], workers=Workers.of(), **more,
            )
        )  # fmt: skip
        return terms[0].loss

    value, gradient = value_and_gradient(loss, z[own])
    return value, gradient, [each.detach() for each in terms[0]]


@pytest.mark.parametrize("form", WEIGHTED_FORMS)
@pytest.mark.parametrize("name", ["product", "missing", "partition"])
@pytest.mark.parametrize("condition", CONDITIONS)
@pytest.mark.parametrize("lengths", [[11, 6], [1, 16], [9, 0, 8], [4, 7, 6]])
def test_workers_get_the_value_and_gradient_of_one_process(gloo, form, name, condition, lengths):
    z, images = unit(17, 4, seed=8), images_of(17, seed=2)
    old = (unit(3, 4, seed=9), torch.tensor([0, 5, 9]))
    weights = torch.linspace(0.5, 2, 17, dtype=torch.float64)
    more = {"weights": weights, "instance_weight": 0.3, "memory": old} if lengths[0] == 4 else {}
    arguments = (images, name, condition, form)
    value, gradient, terms = spread(z, *arguments, [17], more)
    answers = gloo.run(len(lengths), spread, z, *arguments, lengths, more)
    for got, _, got_terms in answers:
        torch.testing.assert_close(got, value, rtol=0, atol=1e-12)
        torch.testing.assert_close(got_terms, terms)
    joined = torch.cat([each for _, each, _ in answers])
    torch.testing.assert_close(joined, len(lengths) * gradient, rtol=0, atol=1e-11)
