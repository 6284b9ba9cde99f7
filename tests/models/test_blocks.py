"""What `last: n` trains, and what learns slower than what."""

import pytest
import torch
from torch import nn

from clinfonce.errors import InputError
from clinfonce.models import build_encoder
from clinfonce.models.blocks import blocks, trained_blocks
from clinfonce.training.optimizer import rate_factors


class Own(nn.Module):
    """A user's network: a stem, a list of blocks, a norm behind them."""

    def __init__(self):
        super().__init__()
        self.token = nn.Parameter(torch.zeros(2))
        self.stem = nn.Linear(2, 2)
        self.layers = nn.ModuleList(nn.Linear(2, 2) for _ in range(3))
        self.norm = nn.LayerNorm(2)


@pytest.mark.parametrize(
    ("network", "count", "first", "last"),
    [
        (lambda: build_encoder("small_cnn", channels=1, image_size=8), 3, "blocks.0", "blocks."),
        (lambda: build_encoder("resnet18", channels=3, image_size=32), 8, "layer1.0", "layer4.1"),
        (lambda: build_encoder("timm:test_vit", channels=3, image_size=64), 6, "blocks.0", "norm"),
        (Own, 3, "layers.0", "norm"),
        (lambda: nn.Linear(2, 2), 1, "weight", "bias"),
    ],
)
def test_blocks_are_all_parameters_from_input_to_output(network, count, first, last):
    network = network()
    stem, found = blocks(network)
    names = [name for name, _ in network.named_parameters()]
    assert sorted([*stem, *(n for block in found for n in block)]) == sorted(names)
    assert len(found) == count
    assert any(name.startswith(first) for name in found[0])
    assert any(name.startswith(last) for name in found[-1])
    assert trained_blocks(network, 1) == found[-1]
    assert sorted(trained_blocks(network, None)) == sorted(names)


def test_more_blocks_than_there_are():
    with pytest.raises(InputError, match="last is 4, but the network has 3 blocks"):
        trained_blocks(Own(), 4)


def test_a_block_follows_the_rate_less_the_further_from_the_output():
    own, head = Own(), nn.Linear(2, 2)
    factors = rate_factors(own, head, layer_decay=0.5, head_factor=10.0)
    assert factors[head.weight] == 10.0
    assert factors[own.norm.weight] == factors[own.layers[2].weight] == 1.0
    assert factors[own.layers[0].bias] == 0.25
    assert factors[own.stem.weight] == factors[own.token] == 0.125
