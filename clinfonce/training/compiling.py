"""`torch.compile`, in a process that trains one network after the other."""

from collections.abc import Hashable
from typing import cast

import torch
from torch import nn

_last: Hashable = None  # what networks of this process were compiled for


def compiled(network: nn.Module, *setting: Hashable) -> nn.Module:
    """Compile a network for every size of batch that it meets.

    By itself PyTorch takes another network's sizes for a sign that sizes vary, and compiles for any
    sizes from then on: a third slower on a GPU, or not at all (benchmarks/gpu.py, PyTorch 2.11).
    After eight it compiles no further ones.

    Args:
        network: what is to run.
        setting: what else it is compiled for: all that sizes and types of its inputs depend on.
            What was compiled for a network of the same parameters and setting before is used
            again, anything else is forgotten.
    """
    global _last
    parameters = tuple((name, p.shape, p.device) for name, p in network.named_parameters())
    key = type(network), parameters, setting
    if _last not in (None, key):
        torch._dynamo.reset()
    _last = key
    return cast(nn.Module, torch.compile(network, dynamic=False))
