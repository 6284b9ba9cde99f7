"""One column of auxiliary information, encoded for a kernel: what all kernels have in common."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol, TypeAlias, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from clinfonce.errors import InputError

Missing: TypeAlias = Literal["apart", "alike", "average"]
Codes: TypeAlias = tuple[Tensor, ...]
BoolArray: TypeAlias = NDArray[np.bool_]

# Known values between which the average weight is taken, at most.
_SAMPLE = 2048


class Kernel(Protocol):
    """How alike the values of one column are."""

    @property
    def exact(self) -> bool:
        """Whether values that differ have weight 0."""

    def weights(self, rows: Codes, columns: Codes) -> Tensor:
        """Weights (a, b) in 0…1 from codes with a and with b rows; floating or boolean.

        Symmetric, and 1 between equal codes but for rounding.
        """


@dataclass(frozen=True)
class Column:
    """The values of one column for n images, and the kernel that compares them.

    What a missing value means is said by `missing`:

    * "apart": it agrees with nothing, weight 0 to all other images;
    * "alike": it is a value of its own, weight 1 to images that miss it too and 0 to others;
    * "average": it says nothing, and weighs what two known values do on average.

    Attributes:
        kernel: compares codes.
        codes: tensors (n, …), floating ones in one dtype.
        unknown: bool (n,), where the value is missing and the codes hold a filler; None if nowhere.
        missing: what that means.
        average: mean weight of two different images' known values, for "average"; else 0.
    """

    kernel: Kernel
    codes: Codes
    unknown: Tensor | None = None
    missing: Missing = "apart"
    average: float = 0.0

    def __len__(self) -> int:
        return len(self.codes[0])

    def at(self, rows: Tensor) -> "Column":
        """The values of some images, by their int64 numbers."""
        return self._map(lambda each: each.index_select(0, rows))

    def to(self, device: torch.device | str) -> "Column":
        """The same on another device."""
        return self._map(lambda each: each.to(device))

    def _map(self, change: Callable[[Tensor], Tensor]) -> "Column":
        unknown = None if self.unknown is None else change(self.unknown)
        return replace(self, codes=tuple(map(change, self.codes)), unknown=unknown)


def compare(rows: Column, columns: Column, dtype: torch.dtype) -> Tensor:
    """Weights (a, b) in ``dtype`` between the values of two selections of one column."""
    tile = rows.kernel.weights(rows.codes, columns.codes).to(dtype)
    if rows.unknown is None or columns.unknown is None:
        return tile
    above, beside = rows.unknown[:, None], columns.unknown
    if rows.missing == "alike":
        return tile.masked_fill_(above != beside, 0).masked_fill_(above & beside, 1)
    return tile.masked_fill_(above, rows.average).masked_fill_(beside, rows.average)


def decay(exponents: Tensor) -> Tensor:
    """Turn exponents (a, b), at most 0, into their exponentials in place; below 1e-34 into 0.

    Exponentials that underflow take ten times as long.
    """
    return functional.threshold(exponents.clamp_(min=-80).exp_(), 1e-34, 0.0, inplace=True)


def build(
    kernel: Kernel,
    codes: Codes,
    unknown: BoolArray | None,
    missing: Missing,
) -> Column:
    """Join a kernel with its codes; measures the average weight where it is asked for."""
    if unknown is None or not unknown.any():
        return Column(kernel, codes, None, missing)
    column = Column(kernel, codes, torch.from_numpy(unknown.copy()), missing)
    if missing != "average":
        return column
    return replace(column, average=_average(kernel, column, np.flatnonzero(~unknown)))


def _average(kernel: Kernel, column: Column, known: NDArray[np.int64]) -> float:
    """Mean weight of two different images with known values, of a fixed sample of them."""
    if len(known) < 2:
        return 0.0
    sample = np.random.default_rng(0).permutation(known)[:_SAMPLE]
    some = column.at(torch.from_numpy(sample)).codes
    tile = kernel.weights(some, some).double()
    count = len(sample)
    return float((tile.sum() - tile.diagonal().sum()) / (count * (count - 1)))


def check_missing(missing: str, name: str) -> None:
    """Raise InputError unless ``missing`` is one of the three."""
    if missing not in get_args(Missing):
        raise InputError(
            f"{name}: missing is {missing!r}: must be one of "
            + ", ".join(map(repr, get_args(Missing)))
        )


def check_positive(value: float, what: str, name: str) -> None:
    """Raise InputError unless ``value`` is a finite number above 0."""
    if not (np.isfinite(value) and value > 0):
        raise InputError(f"{name}: {what} is {value}: must be a finite number above 0")


def check_mask(unknown: BoolArray | None, n: int, name: str) -> BoolArray:
    """Return a mask (n,), all False for None; raise InputError if it does not fit."""
    if unknown is None:
        return np.zeros(n, dtype=np.bool_)
    mask = np.asarray(unknown)
    if mask.shape != (n,) or mask.dtype != np.bool_:
        raise InputError(
            f"{name}: unknown is {mask.dtype} of shape {mask.shape}: must be bool of ({n},)"
        )
    return mask


def as_numbers(values: Any, unknown: BoolArray, name: str, *, width: str = "") -> NDArray[Any]:
    """Return ``values`` as float64 (n, …), 0 where unknown; raise InputError on what is no number.

    Args:
        values: numbers.
        unknown: bool (n,).
        name: of the column, for the error.
        width: "" for (n,), else the name of the second dimension.
    """
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError(f"{name}: values must be numbers") from None
    if array.ndim != (2 if width else 1) or array.shape[0] != len(unknown):
        wanted = f"({len(unknown)}, {width})" if width else f"({len(unknown)},)"
        raise InputError(f"{name}: values have shape {array.shape}: must be {wanted}")
    array = np.where(unknown.reshape(-1, *[1] * (array.ndim - 1)), 0.0, array)
    bad = ~np.isfinite(array).reshape(len(array), -1).all(axis=1)
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        value = array[row][~np.isfinite(array[row])][0] if width else array[row]
        raise InputError(
            f"{name}: row {row} holds {value}: must be finite; say by `unknown` which are missing"
        )
    return array + 0.0  # −0.0 and 0.0 are one value
