import math

import pytest
import torch
from torch import nn

from clinfonce.errors import InputError
from clinfonce.losses import (
    Attribute,
    AttributePrediction,
    Workers,
    attribute_loss,
    standardised,
)
from clinfonce.losses.collectives import global_mean
from tests.losses.reference import value_and_gradient

NAN = float("nan")
N = 7
GENERATOR = torch.Generator().manual_seed(0)
FEATURES = torch.randn(N, 5, dtype=torch.float64, generator=GENERATOR)
ATTRIBUTES = {
    "marks": Attribute("boolean", 3),
    "scene.kind": Attribute("categorical", 4),
    "year": Attribute("numeric"),
}
VALUES = {
    "marks": torch.tensor([[1.0, 0, NAN], [NAN, NAN, NAN], *[[0.0, 1, 1]] * 5]).double(),
    "scene.kind": torch.tensor([0, 3, -1, 1, 2, -1, 0]),
    "year": torch.tensor([[0.5], [NAN], [-1], [2], [0], [1], [NAN]]).double(),
}


def by_loop(predictions, name):
    """Mean over what is known, entry by entry."""
    values, terms = VALUES[name], []
    for row, p in zip(values.tolist(), predictions, strict=True):
        if name == "scene.kind":
            if row >= 0:
                terms.append(torch.logsumexp(p, 0) - p[row])
            continue
        for value, x in zip(row, p, strict=True):
            if math.isnan(value):
                continue
            terms.append((x - value) ** 2 if name == "year" else torch.log1p(x.exp()) - value * x)
    return torch.stack(terms).mean()


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_a_loss_is_the_mean_over_what_is_known(name):
    predictions = torch.randn(
        N, ATTRIBUTES[name].size, dtype=torch.float64, generator=torch.Generator().manual_seed(1)
    )
    ours = value_and_gradient(
        lambda p: attribute_loss(p, VALUES[name], ATTRIBUTES[name]), predictions
    )
    for got, expected in zip(
        ours, value_and_gradient(lambda p: by_loop(p, name), predictions), strict=True
    ):
        torch.testing.assert_close(got, expected)


def model(workers=None, weights=None):
    torch.manual_seed(0)
    return AttributePrediction(5, ATTRIBUTES, weights=weights, workers=workers).double()


def test_columns_of_different_types_are_averaged_by_their_weights():
    one = model(weights={"year": 0.5, "marks": 0})
    parts = {
        name: attribute_loss(head(FEATURES), VALUES[name], ATTRIBUTES[name])
        for name, head in zip(ATTRIBUTES, one.heads, strict=True)
    }
    expected = (0.5 * parts["year"] + parts["scene.kind"]) / 1.5
    torch.testing.assert_close(one(FEATURES, VALUES), expected)


def test_nothing_known_teaches_nothing():
    values = {
        "marks": torch.full((N, 3), NAN).double(),
        "scene.kind": torch.full((N,), -1),
        "year": torch.full((N, 1), NAN).double(),
    }
    loss, gradient = value_and_gradient(lambda f: model()(f, values), FEATURES)
    assert loss == 0
    assert not gradient.any()


def one_step(lengths):
    workers = Workers.of()
    own = slice(sum(lengths[: workers.rank]), sum(lengths[: workers.rank + 1]))
    spread = nn.parallel.DistributedDataParallel(model(workers))
    loss = spread(FEATURES[own], {name: each[own] for name, each in VALUES.items()})
    loss.backward()
    return loss.detach(), [p.grad for p in spread.module.parameters()]


@pytest.mark.parametrize("lengths", [[6, 1], [2, 0, 5]])
def test_workers_get_the_value_and_gradient_of_one_process(gloo, lengths):
    alone = model()
    loss = alone(FEATURES, VALUES)
    loss.backward()
    for got, gradients in gloo.run(len(lengths), one_step, lengths):
        torch.testing.assert_close(got, loss.detach())
        torch.testing.assert_close(gradients, [p.grad for p in alone.parameters()])


def test_half_precision_is_computed_in_single():
    predictions = torch.randn(N, 4, generator=torch.Generator().manual_seed(2)).bfloat16()
    loss = attribute_loss(predictions, VALUES["scene.kind"], ATTRIBUTES["scene.kind"])
    assert loss == attribute_loss(
        predictions.float(), VALUES["scene.kind"], ATTRIBUTES["scene.kind"]
    )


def test_numbers_are_standardised_over_what_is_known():
    values = torch.tensor([[1.0, 5, NAN], [3, 5, NAN], [NAN, 5, NAN], [5, NAN, NAN]])
    found = standardised(values)
    spread = math.sqrt(8 / 3)
    assert found[:, 0].nan_to_num(9).tolist() == pytest.approx([-2 / spread, 0, 9, 2 / spread])
    assert found[:3, 1].tolist() == [0, 0, 0]
    assert found.isnan().equal(values.isnan())


def test_weights_make_a_weighted_mean():
    values, weights = torch.tensor([1.0, 5, 2]), torch.tensor([1.0, 0, 3])
    assert global_mean(values, weights=weights) == pytest.approx(7 / 4)
    assert global_mean(values, weights=0 * weights) == 0


LOGITS = torch.zeros(N, 4)
BAD = [
    (lambda: Attribute("text"), "unknown kind of attribute: 'text'"),
    (lambda: Attribute("categorical", 1), "categorical attribute of size 1: must be 2 or above"),
    (lambda: Attribute("numeric", 0), "numeric attribute of size 0: must be 1 or above"),
    (lambda: AttributePrediction(5, {}), "attributes are empty: at least one is needed"),
    (lambda: model(weights={"mark": 1}), "unknown attribute: 'mark'; did you mean 'marks'?"),
    (lambda: model(weights={"marks": -1}), "weight of 'marks' is -1: must be finite"),
    (lambda: model(weights=dict.fromkeys(ATTRIBUTES, 0)), "attributes: all weights are 0"),
    (lambda: model()(FEATURES, {"marks": VALUES["marks"]}), "unknown attribute: 'scene.kind'"),
    (lambda: attribute_loss(LOGITS, torch.arange(N), ATTRIBUTES["scene.kind"], name="scene"),
     "scene: row 4 holds 4: must be 0 to 3, or -1 where missing"),
    (lambda: attribute_loss(LOGITS, torch.zeros(N), ATTRIBUTES["scene.kind"], name="scene"),
     "scene: values are torch.float32 of shape (7,): must be int64 of (7,)"),
    (lambda: attribute_loss(LOGITS[:, :1], torch.full((N, 1), 2.0), Attribute("boolean")),
     "attribute: row 0 holds 2: must be 0 or 1, or NaN where missing"),
    (lambda: attribute_loss(LOGITS[:, :1], torch.full((N, 1), math.inf), Attribute("numeric")),
     "attribute: row 0 holds inf: must be finite, or NaN where missing"),
    (lambda: attribute_loss(LOGITS, torch.zeros(N, 3), Attribute("numeric", 4)),
     "attribute: values are torch.float32 of shape (7, 3): must be floating of (7, 4)"),
]  # fmt: skip


@pytest.mark.parametrize(("make", "message"), BAD, ids=[message for _, message in BAD])
def test_bad_input_is_named(make, message):
    with pytest.raises(InputError) as caught:
        make()
    assert str(caught.value).startswith(message)
