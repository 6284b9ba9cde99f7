"""What a network costs: arithmetic that its layers' shapes decide, the same on every machine."""

from typing import Any

import torch
from torch import Tensor, nn


def forward_operations(network: nn.Module, input_shape: tuple[int, ...]) -> int:
    """Floating-point operations of convolutions and linear layers for one image, or its features.

    A multiplication with its addition counts as two. Norms, activations, pooling and the products
    inside attention are left out.

    Args:
        network: on the CPU.
        input_shape: (channels, height, width), or (d,).
    """
    total = 0

    def count(layer: nn.Module, _: Any, output: Tensor) -> None:
        nonlocal total
        weight = layer.weight
        assert isinstance(weight, Tensor)
        # Each number of the output is a sum over one filter, or one row of the matrix.
        total += 2 * output.numel() * (weight.numel() // weight.shape[0])

    layers = [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    hooks = [layer.register_forward_hook(count) for layer in layers]
    was_training = network.training
    try:
        with torch.no_grad():
            network.eval()(torch.zeros(1, *input_shape))
    finally:
        network.train(was_training)
        for hook in hooks:
            hook.remove()
    return total
