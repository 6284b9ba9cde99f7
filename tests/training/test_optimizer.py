"""Optimisers and the course of the learning rate."""

import copy
import subprocess
import sys

import pytest
import torch
from torch import nn

from clinfonce.config import OptimizerSpec
from clinfonce.training.optimizer import build_optimizer, eager, learning_rate


def test_the_rate_warms_up_then_falls_to_nothing():
    rates = [learning_rate(s, steps=100, peak=0.5, warmup=0.1) for s in range(100)]
    assert rates[0] == pytest.approx(0.05)
    assert max(rates) == rates[9] == rates[10] == 0.5
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert 0 < rates[-1] < 1e-3


def test_without_warm_up_the_rate_starts_at_its_peak():
    assert learning_rate(0, steps=3, peak=1.0, warmup=0.0) == 1.0


@pytest.mark.parametrize("name", ["adamw", "sgd"])
def test_biases_and_norms_do_not_decay(name):
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
    optimizer = build_optimizer(model, OptimizerSpec(name=name, weight_decay=0.5))
    decay = {id(p): g["weight_decay"] for g in optimizer.param_groups for p in g["params"]}
    assert decay == {id(p): 0.5 if p.ndim > 1 else 0.0 for p in model.parameters()}


@pytest.mark.parametrize("name", ["adamw", "sgd"])
def test_a_step_goes_downhill(name):
    torch.manual_seed(0)
    layer = nn.Linear(3, 1)
    optimizer = build_optimizer(layer, OptimizerSpec(name=name, learning_rate=0.05, weight_decay=0))
    x, losses = torch.randn(20, 3), []
    for _ in range(30):
        loss = (layer(x) - 1).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]


def test_an_optimiser_steps_as_pytorch_s_and_goes_on_from_its_state():
    torch.manual_seed(0)
    networks = [nn.Linear(3, 2)]
    networks.append(copy.deepcopy(networks[0]))
    kinds = torch.optim.AdamW, eager(torch.optim.AdamW)
    optimizers = [k(n.parameters(), lr=0.1) for k, n in zip(kinds, networks, strict=True)]
    for step in range(4):
        x = torch.randn(5, 3)
        for network, optimizer in zip(networks, optimizers, strict=True):
            optimizer.zero_grad()
            network(x).square().mean().backward()
            optimizer.step()
        if step == 1:
            optimizers[1] = kinds[1](networks[1].parameters(), lr=0.1)
            optimizers[1].load_state_dict(copy.deepcopy(optimizers[0].state_dict()))
    theirs, ours = networks
    assert torch.equal(theirs.weight, ours.weight)
    assert torch.equal(theirs.bias, ours.bias)


def test_no_compiler_is_loaded_that_is_not_asked_for():
    """It takes a process longer than PyTorch itself."""
    code = """
import sys, torch
from clinfonce.config import OptimizerSpec
from clinfonce.training.optimizer import build_optimizer
for name in ("adamw", "sgd"):
    layer = torch.nn.Linear(3, 1)
    optimizer = build_optimizer(layer, OptimizerSpec(name=name))
    optimizer.load_state_dict(optimizer.state_dict())
    optimizer.zero_grad()
    layer(torch.ones(2, 3)).sum().backward()
    optimizer.step()
print("torch._dynamo" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
