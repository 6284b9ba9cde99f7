"""How alike images are in all of their columns: a weight for each pair, never written out whole."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from clinfonce.errors import InputError
from clinfonce.similarity.columns import Column, compare

Combination: TypeAlias = Literal["product", "sum"]


@dataclass(frozen=True, eq=False)
class Similarity:
    """Weights in 0…1 between training images: symmetric, 1 between an image and itself.

    Images that are alike in everything share a profile, and pairs are compared profile by profile.
    A partition is the case of weights 1 within a profile and 0 between.

    Attributes:
        columns: what is known of each of P profiles.
        profiles: int64 (n,), the profile of each training image, 0…P−1.
        by: how columns are combined.
        shares: of the columns in a "sum", adding up to 1.
        dtype: of the weights.
    """

    columns: tuple[Column, ...]
    profiles: Tensor
    by: Combination
    shares: tuple[float, ...]
    dtype: torch.dtype

    @property
    def n_profiles(self) -> int:
        """P."""
        return len(self.columns[0])

    @property
    def partition(self) -> bool:
        """Whether different profiles are known to have weight 0."""
        known = all(c.kernel.exact and not c.average for c in self.columns)
        return known and (self.by == "product" or len(self.columns) == 1)

    def between(self, rows: Tensor, columns: Tensor) -> Tensor:
        """Weights (a, b) between profiles, int64 (a,) and (b,); a tile that the caller may change.

        Takes memory for as many weights and a few times that while it runs.
        """
        if self.partition:
            return (rows[:, None] == columns).to(self.dtype)
        tiles = (compare(each.at(rows), each.at(columns), self.dtype) for each in self.columns)
        if self.by == "product":
            tile = functools.reduce(torch.Tensor.mul_, tiles)
        else:
            first, *others = zip(tiles, self.shares, strict=True)
            tile = first[0].mul_(first[1])
            for other, share in others:
                tile.add_(other, alpha=share)
        # Also where a missing value agrees with nothing, or rounding left a bit less.
        return tile.masked_fill_(rows[:, None] == columns, 1)

    def array(self, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> NDArray[Any]:
        """Weights (a, b) between profiles as `between`, in arrays: for `pair_information`."""
        device = self.profiles.device
        some, others = (torch.from_numpy(np.ascontiguousarray(each)) for each in (rows, columns))
        tile: NDArray[Any] = self.between(some.to(device), others.to(device)).cpu().numpy()
        return tile

    def weights(self, rows: Tensor, columns: Tensor) -> Tensor:
        """Weights (a, b) between training images, int64 (a,) and (b,).

        Raises:
            InputError: on a number that no training image has.
        """
        for images in (rows, columns):
            if len(images) and not 0 <= int(images.min()) <= int(images.max()) < len(self.profiles):
                raise InputError(
                    f"images are {int(images.min())} to {int(images.max())}: "
                    f"must be 0 to {len(self.profiles) - 1}"
                )
        return self.between(self.profiles[rows], self.profiles[columns])

    def to(self, device: torch.device | str) -> "Similarity":
        """The same on another device."""
        columns = tuple(column.to(device) for column in self.columns)
        return replace(self, columns=columns, profiles=self.profiles.to(device))


def combine(
    columns: Mapping[str, Column],
    *,
    by: Combination = "product",
    weights: Mapping[str, float] | None = None,
    dtype: torch.dtype = torch.float32,
) -> Similarity:
    """Combine what columns say of the same n images: Π_c k_c, or Σ_c w_c k_c / Σ_c w_c.

    A product asks for agreement in all columns, a sum for agreement in some (Gower 1971, without
    his rule for missing values: `Column.missing` says what they mean).

    Args:
        columns: by name.
        by: "product" or "sum".
        weights: w of a sum, finite and not negative; those left out are 1.
        dtype: to compute in, float32 or float64.

    Raises:
        InputError: without columns, on columns of different length, or on bad weights.
    """
    if by not in get_args(Combination):
        raise InputError(f"similarity: by is {by!r}: must be 'product' or 'sum'")
    if not columns:
        raise InputError("similarity: columns are empty: at least one is needed")
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        raise InputError(f"similarity: columns differ in length: {lengths}")
    if next(iter(lengths.values())) == 0:
        raise InputError("similarity: columns have no images")
    shares = _shares(list(columns), by, weights)
    kept = {name: share for name, share in zip(columns, shares, strict=True) if share > 0}
    profiles, first = _profiles([columns[name] for name in kept])
    return Similarity(
        tuple(_in_dtype(columns[name].at(first), dtype) for name in kept),
        profiles,
        by,
        tuple(kept.values()),
        dtype,
    )


def _shares(
    names: list[str], by: Combination, weights: Mapping[str, float] | None
) -> tuple[float, ...]:
    if weights is not None and by != "sum":
        raise InputError("similarity: weights go with by='sum'; in a product choose bandwidths")
    given = weights or {}
    if unknown := sorted(set(given) - set(names)):
        raise InputError(f"similarity: weight of {unknown[0]!r}, which is none of {sorted(names)}")
    for name, weight in given.items():
        if not (np.isfinite(weight) and weight >= 0):
            raise InputError(
                f"similarity: weight of {name!r} is {weight}: must be finite and 0 or above"
            )
    values = [float(given.get(name, 1.0)) for name in names]
    if sum(values) == 0:
        raise InputError("similarity: all weights are 0: at least one must be above")
    return tuple(value / sum(values) for value in values)


def _profiles(columns: list[Column]) -> tuple[Tensor, Tensor]:
    """Number images (n,) by what is known of them, and name one image (P,) of each number."""
    n = len(columns[0])
    parts = [_bytes(codes) for column in columns for codes in column.codes]
    for column in columns:
        if column.unknown is None:
            continue
        unknown = column.unknown.numpy()
        # What misses a value is a profile of its own, unless missing is a value.
        own = unknown if column.missing == "alike" else np.where(unknown, np.arange(1, n + 1), 0)
        parts.append(_bytes(torch.from_numpy(own.astype(np.int64))))
    rows = np.ascontiguousarray(np.concatenate(parts, axis=1))
    whole = rows.view(np.dtype((np.void, rows.shape[1])))[:, 0]
    _, first, profiles = np.unique(whole, return_index=True, return_inverse=True)
    order = np.argsort(first)  # in the order of their first images
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return torch.from_numpy(rank[profiles.reshape(-1)]), torch.from_numpy(first[order])


def _bytes(codes: Tensor) -> NDArray[np.uint8]:
    """Each image's codes as bytes, (n, bytes)."""
    flat = codes.reshape(len(codes), -1).contiguous().numpy()
    return flat.view(np.uint8).reshape(len(flat), flat.itemsize * flat.shape[1])


def _in_dtype(column: Column, dtype: torch.dtype) -> Column:
    codes = (each.to(dtype) if each.is_floating_point() else each for each in column.codes)
    return replace(column, codes=tuple(codes))
