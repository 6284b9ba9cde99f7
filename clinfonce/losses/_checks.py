"""Checks of what a caller hands to an objective. They read values, so a GPU has to wait."""

import math
from typing import Literal, get_args

import torch
from torch import Tensor

from clinfonce.errors import InputError

Form = Literal["out", "in", "sincere"]
FORMS: tuple[Form, ...] = get_args(Form)

# How far from 1 a length may be. Single precision is often rounded from bfloat16 (to 1 / 256).
NORM_TOLERANCE = {
    torch.float64: 1e-4,
    torch.float32: 5e-3,
    torch.float16: 5e-3,
    torch.bfloat16: 2e-2,
}


def check_form(form: str) -> None:
    """Raise InputError unless ``form`` is one of FORMS."""
    if form not in FORMS:
        raise InputError(f"form is {form!r}: must be one of {', '.join(map(repr, FORMS))}")


def check_temperature(temperature: float) -> None:
    """Raise InputError unless ``temperature`` is a finite number above zero."""
    if not (math.isfinite(temperature) and temperature > 0):
        raise InputError(f"temperature is {temperature}: must be a finite number above 0")


def check_shapes(embeddings: Tensor, clusters: Tensor, name: str = "embeddings") -> None:
    """Raise InputError on wrong dimensions, dtypes, lengths or devices; reads no values."""
    check_embedding_shape(embeddings, name)
    check_integers(clusters, embeddings, "clusters" if name == "embeddings" else f"{name} clusters")


def check_embedding_shape(embeddings: Tensor, name: str = "embeddings") -> None:
    """Raise InputError unless ``embeddings`` are floating (n, d)."""
    if embeddings.ndim != 2 or embeddings.dtype not in NORM_TOLERANCE:
        raise InputError(f"{name} are {_describe(embeddings)}: must be floating of shape (n, d)")


def check_integers(ids: Tensor, embeddings: Tensor, name: str) -> None:
    """Raise InputError unless ``ids`` are int64, one per embedding and on the same device."""
    if ids.dtype != torch.int64 or ids.shape != embeddings.shape[:1]:
        raise InputError(
            f"{name} are {_describe(ids)}: "
            f"must be torch.int64 of shape ({len(embeddings)},), one id per embedding"
        )
    if ids.device != embeddings.device:
        raise InputError(
            f"{name} are on {ids.device}: must be where the embeddings are, {embeddings.device}"
        )


def check_width(other: Tensor, embeddings: Tensor, name: str) -> None:
    """Raise InputError unless both have rows of the same length."""
    if other.shape[1] != embeddings.shape[-1]:
        raise InputError(
            f"{name} are {_describe(other)}: must have d = {embeddings.shape[-1]} like embeddings"
        )


def check_instance_weight(weight: float, *, given: bool) -> None:
    """Raise InputError unless ``weight`` is usable; above 0 it needs instances to be given."""
    if not (math.isfinite(weight) and weight >= 0):
        raise InputError(f"instance_weight is {weight}: must be a finite number, 0 or above")
    if weight > 0 and not given:
        raise InputError(
            f"instance_weight is {weight} without instances: say which image each embedding shows"
        )


def check_count(n: int, smallest: int = 2) -> None:
    """Raise InputError unless there are enough embeddings to contrast."""
    if n < smallest:
        raise InputError(f"embeddings have n = {n} rows: at least {smallest} are needed")


def check_embeddings(embeddings: Tensor, name: str = "embeddings") -> None:
    """Raise InputError unless every row of ``embeddings`` (n, d) is finite and of length 1."""
    if not len(embeddings):
        return
    tolerance = NORM_TOLERANCE[embeddings.dtype]
    with torch.no_grad():
        dtype = torch.promote_types(embeddings.dtype, torch.float32)
        norms = torch.linalg.vector_norm(embeddings, dim=1, dtype=dtype)
        shortest, longest = torch.aminmax(norms)
    # A NaN makes both of them NaN, which compares false.
    if not (float(shortest) >= 1 - tolerance and float(longest) <= 1 + tolerance):
        row = int((~((norms - 1).abs() <= tolerance)).nonzero()[0, 0])
        raise InputError(
            f"{name} row {row} has length {float(norms[row]):.6g}: every row must be finite and "
            f"L2-normalised to 1 within {tolerance:g} ({embeddings.dtype})"
        )


def check_finite(values: Tensor, name: str) -> None:
    """Raise InputError unless every one of ``values`` (n, m) is finite."""
    bad = ~values.isfinite()
    if bool(bad.any()):
        row, column = bad.nonzero()[0].tolist()
        raise InputError(f"{name} row {row} holds {float(values[row, column])}: must be finite")


def check_ids(clusters: Tensor, name: str = "clusters") -> None:
    """Raise InputError on a negative id in ``clusters``, int64 (n,)."""
    if len(clusters) and int(clusters.min()) < 0:
        row = int(clusters.argmin())
        raise InputError(f"{name} row {row} is {int(clusters[row])}: ids must be 0 or above")


def check_range(ids: Tensor, count: int, name: str) -> None:
    """Raise InputError unless ``ids``, int64 (n,), are 0 to ``count`` - 1."""
    bad = (ids < 0) | (ids >= count)
    if bool(bad.any()):
        row = int(bad.nonzero()[0, 0])
        raise InputError(f"{name} row {row} is {int(ids[row])}: must be 0 to {count - 1}")


def check_weights(weights: Tensor, embeddings: Tensor, *, values: bool) -> None:
    """Raise InputError unless ``weights`` is floating (n,) and, if ``values``, finite and >= 0."""
    if not weights.is_floating_point() or weights.shape != embeddings.shape[:1]:
        raise InputError(
            f"weights are {_describe(weights)}: must be floating of shape ({len(embeddings)},)"
        )
    if values:
        _check_not_negative(weights[:, None], "weights")


def check_attributes(attributes: Tensor, embeddings: Tensor, *, values: bool) -> None:
    """Raise InputError unless boolean or floating (n, m) and, if ``values``, finite and >= 0."""
    fits = attributes.ndim == 2 and len(attributes) == len(embeddings)
    if not (fits and (attributes.is_floating_point() or attributes.dtype == torch.bool)):
        raise InputError(
            f"attributes are {_describe(attributes)}: "
            f"must be boolean or floating of shape ({len(embeddings)}, m)"
        )
    if values:
        _check_not_negative(attributes, "attributes")


def _check_not_negative(values: Tensor, name: str) -> None:
    bad = ~((values >= 0) & values.isfinite())
    if bool(bad.any()):
        row, column = bad.nonzero()[0].tolist()
        raise InputError(
            f"{name} row {row} holds {float(values[row, column])}: must be finite and 0 or above"
        )


def no_positive(n: int) -> InputError:
    """The error of a batch in which nothing attracts."""
    return InputError(
        f"clusters give none of the {n} embeddings a positive: at least one cluster must hold "
        "two embeddings of the batch with weight (two views of an image are two embeddings)"
    )


def _describe(tensor: Tensor) -> str:
    return f"{tensor.dtype} of shape {tuple(tensor.shape)}"
