"""A user's own network, named by where Python finds the function that builds it."""

import importlib
from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor, nn

from clinfonce.errors import InputError
from clinfonce.models.encoder import Encoder

PREFIX = "python:"


def build_imported(name: str, *, channels: int, image_size: int) -> Encoder:
    """Build `python:package.module:function`.

    The function is called with `channels` and `image_size` and returns a module from float
    (n, c, h, w) to features (n, d). Attributes `mean` and `std` of that module, per channel, say
    which images it takes: (pixels from 0 to 1 - mean) / std; without them it is given [-1, 1].

    Raises:
        InputError: nothing can be imported or called there, or it returns no such module.
    """
    function = _function(name)
    try:
        network = function(channels=channels, image_size=image_size)
    except Exception as error:  # of a stranger's code
        raise InputError(f"encoder {name}: {type(error).__name__}: {_line(error)}") from error
    if not isinstance(network, nn.Module):
        raise InputError(
            f"encoder {name} returned {type(network).__name__}; a torch.nn.Module is needed"
        )
    made: Any = network
    made.feature_dim = _feature_dim(name, network, channels, image_size)
    return cast(Encoder, network)


def _function(name: str) -> Callable[..., Any]:
    module, _, function = name.removeprefix(PREFIX).partition(":")
    if not module or not function:
        raise InputError(f"encoder {name!r}: write python:package.module:function")
    try:
        found = getattr(importlib.import_module(module), function)
    except ImportError as error:
        raise InputError(f"encoder {name}: cannot import {module}: {_line(error)}") from None
    except AttributeError:
        raise InputError(f"encoder {name}: module {module} has no {function!r}") from None
    if not callable(found):
        raise InputError(f"encoder {name}: {function} is a {type(found).__name__}, no function")
    called: Callable[..., Any] = found
    return called


def _feature_dim(name: str, network: nn.Module, channels: int, image_size: int) -> int:
    """Find out by trying."""
    was_training = network.training
    try:
        with torch.no_grad():
            features = network.eval()(torch.zeros(2, channels, image_size, image_size))
    except Exception as error:
        raise InputError(
            f"encoder {name} cannot take images of {channels} x {image_size} x {image_size}: "
            f"{_line(error)}"
        ) from error
    finally:
        network.train(was_training)
    if not isinstance(features, Tensor) or features.ndim != 2 or len(features) != 2:
        what = tuple(features.shape) if isinstance(features, Tensor) else type(features).__name__
        raise InputError(f"encoder {name} made {what} of two images; features (2, d) are needed")
    return features.shape[1]


def _line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
