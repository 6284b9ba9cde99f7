import math

import pytest
import torch

from clinfonce.errors import InputError
from clinfonce.losses import Adversary, reversal_strength, reverse_gradient
from tests.losses.reference import value_and_gradient
from tests.losses.test_attributes import ATTRIBUTES, FEATURES, VALUES


def test_the_gradient_is_reversed_and_the_value_is_not():
    values = torch.arange(6.0).reshape(2, 3)
    loss, gradient = value_and_gradient(lambda f: (reverse_gradient(f, 0.3) ** 2).sum(), values)
    assert loss == (values**2).sum()
    torch.testing.assert_close(gradient, -0.3 * 2 * values)


def adversary(**more):
    torch.manual_seed(0)
    return Adversary(5, ATTRIBUTES, hidden_dim=8, **more).double()


def test_features_are_pushed_against_what_the_adversary_learns():
    one = adversary(weight=0.5)
    strength = reversal_strength(0.4, weight=0.5)
    plain = one.prediction(one.hidden(FEATURES), VALUES)
    expected = torch.autograd.grad(plain, list(one.parameters()))
    leaf = FEATURES.clone().requires_grad_()
    towards = torch.autograd.grad(one.prediction(one.hidden(leaf), VALUES), leaf)[0]
    loss = one(leaf, VALUES, progress=0.4)
    loss.backward()
    assert loss == plain
    torch.testing.assert_close([p.grad for p in one.parameters()], list(expected))
    torch.testing.assert_close(leaf.grad, -strength * towards)


def test_a_step_of_the_features_misleads_the_adversary():
    one = adversary(weight=1.0)
    leaf = FEATURES.clone().requires_grad_()
    before = one(leaf, VALUES, progress=1.0)
    (gradient,) = torch.autograd.grad(before, leaf)
    after = one(FEATURES - 0.1 * gradient, VALUES, progress=1.0)
    assert after > before


def test_the_schedule_rises_from_nothing_to_the_weight():
    values = [reversal_strength(p / 10, weight=0.3) for p in range(11)]
    assert values == sorted(values)
    assert values[0] == 0
    assert values[-1] == pytest.approx(0.3, rel=1e-3)
    assert reversal_strength(0.5, steepness=2) == pytest.approx(2 / (1 + math.exp(-1)) - 1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"progress": 1.1}, "progress is 1.1: must be 0 to 1"),
        ({"progress": math.nan}, "progress is nan: must be 0 to 1"),
        ({"progress": 0, "weight": -1}, "adversary weight is -1: must be finite and 0 or above"),
        ({"progress": 0, "steepness": 0}, "adversary steepness is 0: must be finite and above 0"),
    ],
)
def test_bad_schedules_are_named(arguments, message):
    with pytest.raises(InputError, match=f"^{message}"):
        reversal_strength(**arguments)


def test_a_bad_weight_is_refused_when_the_adversary_is_made():
    with pytest.raises(InputError, match=r"adversary weight is -0\.1"):
        adversary(weight=-0.1)
