"""Weights of a file under the names and shapes of a network."""

import sys
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from clinfonce.errors import InputError
from clinfonce.models.timm import timm_library

# Where a file holds a network more than once, the one whose name has the earlier of these.
_PREFERRED = ("teacher", "ema", "encoder_q", "query", "student", "backbone", "encoder", "model")
_UNTRAINED = "num_batches_tracked"  # counters of batch norms, which older files lack
_SHOWN = 4  # names in a message

State = dict[str, Tensor]


@dataclass(frozen=True)
class Match:
    """Weights that fit a network.

    Attributes:
        state: for `load_state_dict`, complete.
        prefix: what stood before the network's names in the file.
        unused: names of the file that the network has not.
        changed: what was folded or resampled, in words.
    """

    state: State
    prefix: str
    unused: list[str]
    changed: list[str]

    def __str__(self) -> str:
        parts = [f"{len(self.state)} tensors matched"]
        if self.prefix:
            parts[0] += f" under {self.prefix!r}"
        if self.unused:
            parts.append(f"{len(self.unused)} not used ({_some(self.unused)})")
        return "; ".join([*parts, *self.changed])


def match(network: nn.Module, given: Mapping[str, Tensor], where: str) -> Match:
    """Bring weights under a network's names.

    Any prefix is taken off (`module.`, `backbone.`, `encoder_q.`, `teacher.backbone.` …), what the
    network lacks is left out (a classifier, another branch), filters of the first layer are folded
    into another number of channels, and positions are resampled to another size. timm's networks
    convert the names of other codebases as timm itself does.

    Args:
        network: that the weights are for.
        given: tensors by name.
        where: the file, for messages.

    Raises:
        InputError: a weight of the network is missing, or has another shape.
    """
    wanted = network.state_dict()
    found = _best_prefix(wanted, given)
    lacking = _lacking(wanted, found.state)
    if lacking and (converted := _converted_by_timm(network, given)) is not None:
        other = _best_prefix(wanted, converted)
        if len(_lacking(wanted, other.state)) < len(lacking):
            found, lacking = other, _lacking(wanted, other.state)
    if lacking:
        raise InputError(_no_match(where, wanted, found, lacking, list(given)))
    changed: list[str] = []
    state: State = {}
    for name, old in wanted.items():
        new = found.state.get(name)
        if new is None:
            state[name] = old
            continue
        fitted, words = _fitted(network, name, new, old)
        if fitted.shape != old.shape:
            raise InputError(_no_fit(where, name, new, old))
        state[name] = fitted.to(old.dtype)
        changed += [words] if words else []
    return Match(state, found.prefix, found.unused, changed)


@dataclass(frozen=True)
class _Found:
    state: Mapping[str, Tensor]
    prefix: str
    unused: list[str]


def _best_prefix(wanted: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> _Found:
    """The part of the file under the prefix that has most of the network's names."""
    votes: Counter[str] = Counter()
    for name in given:
        for start in [0, *(i + 1 for i, letter in enumerate(name) if letter == ".")]:
            votes[name[:start]] += name[start:] in wanted
    prefix = max(votes, key=lambda p: (votes[p], -_dislike(p), -len(p)), default="")
    state = {n.removeprefix(prefix): t for n, t in given.items() if n.startswith(prefix)}
    kept = {name: tensor for name, tensor in state.items() if name in wanted}
    return _Found(kept, prefix, [n for n in given if n.removeprefix(prefix) not in kept])


def _dislike(prefix: str) -> int:
    return next((i for i, word in enumerate(_PREFERRED) if word in prefix), len(_PREFERRED))


def _lacking(wanted: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> list[str]:
    return [name for name in wanted if name not in state and not name.endswith(_UNTRAINED)]


def _converted_by_timm(network: nn.Module, given: Mapping[str, Tensor]) -> State | None:
    """What timm makes of weights under the names of the codebase that a network comes from."""
    module = sys.modules.get(type(network).__module__)
    convert: Callable[..., Any] | None = getattr(module, "checkpoint_filter_fn", None)
    if convert is None:
        return None
    try:
        converted = convert(dict(given), network)
    except Exception:  # of names that it does not know
        return None
    return {n: t for n, t in converted.items() if isinstance(t, Tensor)}


def _fitted(network: nn.Module, name: str, new: Tensor, old: Tensor) -> tuple[Tensor, str]:
    """A weight in the shape that the network needs, and what was done to it."""
    if new.shape == old.shape:
        return new, ""
    if new.ndim == 4 and old.ndim == 4 and _but(new, 1) == _but(old, 1) and new.shape[1] == 3:
        return _folded(new, old.shape[1]), f"{name} folded from 3 to {old.shape[1]} channels"
    if name.endswith("pos_embed") and new.ndim == 3 and hasattr(network, "patch_embed"):
        return _resampled(network, new, old), f"{name} resampled to {old.shape[1]} positions"
    return new, ""


def _but(tensor: Tensor, dim: int) -> list[int]:
    return [size for i, size in enumerate(tensor.shape) if i != dim]


def _folded(filters: Tensor, channels: int) -> Tensor:
    """Filters (o, 3, h, w) for another number of channels that respond alike to a grey image."""
    if channels == 1:
        return filters.sum(1, keepdim=True)
    return filters[:, torch.arange(channels) % 3] * (3 / channels)


def _resampled(network: Any, new: Tensor, old: Tensor) -> Tensor:
    timm_library()
    from timm.layers.pos_embed import resample_abs_pos_embed

    prefix = 0 if getattr(network, "no_embed_class", False) else network.num_prefix_tokens
    if new.shape[2] != old.shape[2]:
        return new
    resampled: Tensor = resample_abs_pos_embed(
        new, new_size=list(network.patch_embed.grid_size), num_prefix_tokens=prefix
    )
    return resampled


def _some(names: list[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (", …" if len(names) > _SHOWN else "")


def _no_match(
    where: str, wanted: Mapping[str, Tensor], found: _Found, lacking: list[str], given: list[str]
) -> str:
    matched = len(found.state)
    return (
        f"weights {where!r} do not fit the encoder: {matched} of its {len(wanted)} tensors are "
        f"there, not {_some(lacking)}; the file has {_some(given)}: is it of another network?"
    )


def _no_fit(where: str, name: str, new: Tensor, old: Tensor) -> str:
    hint = ""
    if name == "conv1.weight" and new.ndim == 4:
        hint = f"; encoder.stem: {'large' if new.shape[-1] == 7 else 'small'} may be it"
    return (
        f"weights {where!r} do not fit the encoder: {name} is {tuple(new.shape)} there, and "
        f"{tuple(old.shape)} in the network{hint}"
    )
