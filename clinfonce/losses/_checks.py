"""Checks of what a caller hands to an objective. They read values, so a GPU has to wait."""

import math
from typing import Literal, get_args

import torch
from torch import Tensor

from clinfonce.errors import InputError

Form = Literal["out", "in", "sincere"]
FORMS: tuple[Form, ...] = get_args(Form)

# A norm of d rounded coordinates is off by about the rounding of one coordinate.
NORM_TOLERANCE = {
    torch.float64: 1e-4,
    torch.float32: 1e-3,
    torch.float16: 1e-2,
    torch.bfloat16: 3e-2,
}


def check_form(form: str) -> None:
    """Raise InputError unless ``form`` is one of FORMS."""
    if form not in FORMS:
        raise InputError(f"form is {form!r}: must be one of {', '.join(map(repr, FORMS))}")


def check_temperature(temperature: float) -> None:
    """Raise InputError unless ``temperature`` is a finite number above zero."""
    if not (math.isfinite(temperature) and temperature > 0):
        raise InputError(f"temperature is {temperature}: must be a finite number above 0")


def check_shapes(embeddings: Tensor, clusters: Tensor) -> None:
    """Raise InputError on wrong dimensions, dtypes, lengths or devices; reads no values."""
    if embeddings.ndim != 2 or embeddings.dtype not in NORM_TOLERANCE:
        raise InputError(
            f"embeddings are {_describe(embeddings)}: must be floating of shape (n, d)"
        )
    if clusters.dtype != torch.int64 or clusters.shape != embeddings.shape[:1]:
        raise InputError(
            f"clusters are {_describe(clusters)}: "
            f"must be torch.int64 of shape ({len(embeddings)},), one id per embedding"
        )
    if clusters.device != embeddings.device:
        raise InputError(
            f"clusters are on {clusters.device}: must be where embeddings are, {embeddings.device}"
        )


def check_count(n: int, smallest: int = 2) -> None:
    """Raise InputError unless there are enough embeddings to contrast."""
    if n < smallest:
        raise InputError(f"embeddings have n = {n} rows: at least {smallest} are needed")


def check_embeddings(embeddings: Tensor, name: str = "embeddings") -> None:
    """Raise InputError unless every row of ``embeddings`` (n, d) is finite and of length 1."""
    with torch.no_grad():
        norms = torch.linalg.vector_norm(
            embeddings, dim=1, dtype=torch.promote_types(embeddings.dtype, torch.float32)
        )
        off = (norms - 1).abs()
        # A NaN compares false, so "not within" finds it and "outside" would not.
        bad = ~(off <= NORM_TOLERANCE[embeddings.dtype])
        if bool(bad.any()):
            row = int(bad.nonzero()[0, 0])
            raise InputError(
                f"{name} row {row} has length {float(norms[row]):.6g}: every row must be finite "
                f"and L2-normalised to 1 within {NORM_TOLERANCE[embeddings.dtype]:g} "
                f"({embeddings.dtype})"
            )


def check_ids(clusters: Tensor, name: str = "clusters") -> None:
    """Raise InputError on a negative id in ``clusters``, int64 (n,)."""
    if len(clusters) and int(clusters.min()) < 0:
        row = int(clusters.argmin())
        raise InputError(f"{name} row {row} is {int(clusters[row])}: ids must be 0 or above")


def check_weights(weights: Tensor, embeddings: Tensor, *, values: bool) -> None:
    """Raise InputError unless ``weights`` is floating (n,) and, if ``values``, finite and >= 0."""
    if not weights.is_floating_point() or weights.shape != embeddings.shape[:1]:
        raise InputError(
            f"weights are {_describe(weights)}: must be floating of shape ({len(embeddings)},)"
        )
    bad = ~((weights >= 0) & weights.isfinite())
    if values and bool(bad.any()):
        row = int(bad.nonzero()[0, 0])
        raise InputError(
            f"weights row {row} is {float(weights[row])}: must be finite and 0 or above"
        )


def no_positive(n: int) -> InputError:
    """The error of a batch in which nothing attracts."""
    return InputError(
        f"clusters give none of the {n} embeddings a positive: at least one cluster must hold "
        "two embeddings of the batch with weight (two views of an image are two embeddings)"
    )


def _describe(tensor: Tensor) -> str:
    return f"{tensor.dtype} of shape {tuple(tensor.shape)}"
