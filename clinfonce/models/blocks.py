"""The blocks of a network from its input to its output: what is frozen, and what learns slower."""

from collections.abc import Iterator

from torch import nn
from torch.nn.modules.batchnorm import _NormBase

from clinfonce.errors import InputError
from clinfonce.models.small_cnn import SmallCNN
from clinfonce.models.timm import timm_library

Names = list[str]  # of parameters


def blocks(network: nn.Module) -> tuple[Names, list[Names]]:
    """Names of parameters in front of the first block, and of those of each block, in order.

    What stands behind the last block belongs to it. timm's networks say themselves what their
    blocks are; of others they are the elements of all sequences at the top.
    """
    if hasattr(network, "group_matcher"):
        return _of_timm(network)
    parts = list(_parts(network))
    in_blocks = [number for number, (_, is_block) in enumerate(parts) if is_block]
    if not in_blocks:
        return [], [[name for name, _ in network.named_parameters()]]
    stem: Names = []
    found: list[Names] = []
    for number, (prefix, _) in enumerate(parts):
        names = _below(network, prefix)
        if number < in_blocks[0]:
            stem += names
        elif number in in_blocks:
            found.append(names)
        else:
            found[-1] += names
    return stem, [names for names in found if names]


def trained_blocks(network: nn.Module, last: int | None) -> Names:
    """Names of the parameters of the last blocks; None: all of the network.

    Raises:
        InputError: the network has fewer blocks.
    """
    if last is None:
        return [name for name, _ in network.named_parameters()]
    _, found = blocks(network)
    if last > len(found):
        raise InputError(
            f"encoder.train: last is {last}, but the network has {len(found)} blocks: choose at "
            "most as many, or train: all"
        )
    return [name for names in found[-last:] for name in names]


def _of_timm(network: nn.Module) -> tuple[Names, list[Names]]:
    timm_library()
    from timm.models import group_parameters

    matcher = network.group_matcher(coarse=False)  # type: ignore[operator]
    groups = group_parameters(network, matcher)
    ordered = [list(groups[number]) for number in sorted(groups)]
    if len(ordered) == 1:
        return [], ordered
    return ordered[0], ordered[1:]


def _parts(network: nn.Module) -> Iterator[tuple[str, bool]]:
    """Prefixes of what the network is made of, and whether each is a block."""
    if isinstance(network, SmallCNN):  # a convolution and its norm are a block
        layers = network.blocks
        starts = [i for i, layer in enumerate(layers) if isinstance(layer, nn.Conv2d)]
        for i, layer in enumerate(layers):
            if isinstance(layer, nn.Conv2d | _NormBase):
                yield f"blocks.{i}", i in starts
        return
    own = [name for name, _ in network.named_parameters(recurse=False)]
    yield from ((name, False) for name in own)
    for name, child in network.named_children():
        if isinstance(child, nn.Sequential | nn.ModuleList):
            yield from ((f"{name}.{inner}", True) for inner, _ in child.named_children())
        else:
            yield name, False


def _below(network: nn.Module, prefix: str) -> Names:
    return [
        name
        for name, _ in network.named_parameters()
        if name == prefix or name.startswith(f"{prefix}.")
    ]
