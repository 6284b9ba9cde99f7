"""Kernels of categories and of sets: equal values, booleans that differ, overlap of tags."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from clinfonce.errors import InputError
from clinfonce.similarity.columns import (
    BoolArray,
    Codes,
    Column,
    Missing,
    build,
    check_mask,
    check_missing,
    check_positive,
    decay,
)


@dataclass(frozen=True)
class Equal:
    """1 between equal values, else ``otherwise``; codes are int64 (n,).

    Attributes:
        otherwise: weight of values that differ, 0 or above and below 1.
    """

    otherwise: float = 0.0

    @property
    def exact(self) -> bool:
        """Whether values that differ have weight 0."""
        return self.otherwise == 0

    def weights(self, rows: Codes, columns: Codes) -> Tensor:
        """Weights (a, b)."""
        same = rows[0][:, None] == columns[0]
        return same if self.exact else same.double().mul_(1 - self.otherwise).add_(self.otherwise)


@dataclass(frozen=True)
class Differences:
    """exp(−d / h) of d booleans that differ; codes are −1 and 1, floating (n, m).

    Attributes:
        bandwidth: h.
    """

    bandwidth: float
    exact: bool = False

    def weights(self, rows: Codes, columns: Codes) -> Tensor:
        """Weights (a, b)."""
        (a,), (b,) = rows, columns
        # a·b = m − 2 d, in whole numbers.
        negative = torch.addmm(a.new_tensor(float(-a.shape[1])), a, b.T)
        return decay(negative.mul_(0.5 / self.bandwidth))


@dataclass(frozen=True)
class Jaccard:
    """(Σ_{A∩B} v / Σ_{A∪B} v)^p of two sets of tags of value v; 1 if the union has no value.

    Codes are which of some tags each set has, uint8 (n, m), Σ v over all of its tags, floating
    (n,), and which sets are like no other, int64 (n,). Tags of one image alone belong to no
    intersection, and only the last two know of them.

    Attributes:
        power: p.
        values: v of the m tags.
    """

    power: float
    values: tuple[float, ...]
    exact: bool = False

    def weights(self, rows: Codes, columns: Codes) -> Tensor:
        """Weights (a, b)."""
        (a, a_total, _), (b, b_total, _) = rows, columns
        shared = (a * a_total.new_tensor(self.values)) @ b.to(a_total.dtype).T
        union = (a_total[:, None] + b_total).sub_(shared)
        ratio = shared.div_(union).clamp_(max=1).nan_to_num_(1.0)
        return ratio if self.power == 1 else ratio.pow_(self.power)


def equal(
    values: Sequence[Any] | NDArray[Any],
    *,
    bandwidth: float | None = None,
    unknown: BoolArray | None = None,
    missing: Missing = "apart",
    name: str = "column",
) -> Column:
    """Categories: 1 where equal, else 0, or exp(−1/h).

    Args:
        values: (n,) of any one kind: texts, whole numbers, booleans.
        bandwidth: h, above 0: several such columns multiply to exp(−differences/h).
        unknown: bool (n,), which values are missing.
        missing: what that means, see `Column`.
        name: of the column, for errors.

    Raises:
        InputError: on values that are not (n,), NaN that is not marked, or a bad bandwidth.
    """
    array = np.asarray(values)
    mask = _checked(array, unknown, missing, name)
    if array.dtype.kind == "f" and np.isnan(array[~mask]).any():
        row = int(np.flatnonzero(np.isnan(array) & ~mask)[0])
        raise InputError(f"{name}: row {row} holds nan: say by `unknown` which are missing")
    otherwise = 0.0
    if bandwidth is not None:
        check_positive(bandwidth, "bandwidth", name)
        otherwise = math.exp(-1 / bandwidth)
    codes = np.zeros(len(array), dtype=np.int64)
    codes[~mask] = np.unique(array[~mask], return_inverse=True)[1].reshape(-1)
    return build(Equal(otherwise), (torch.from_numpy(codes),), mask, missing)


def differences(
    values: NDArray[np.bool_],
    *,
    bandwidth: float = 1.0,
    unknown: BoolArray | None = None,
    missing: Missing = "apart",
    name: str = "column",
) -> Column:
    """Booleans of an image: exp(−number that differ / h).

    Args:
        values: bool (n, m), or (n,) for one.
        bandwidth: h, above 0: so many differences weigh 1/e.
        unknown: bool (n,), images of which the booleans are missing.
        missing: what that means, see `Column`.
        name: of the column, for errors.

    Raises:
        InputError: on values that are no booleans, or a bad bandwidth.
    """
    array = np.asarray(values)
    array = array[:, None] if array.ndim == 1 else array
    if array.ndim != 2 or array.dtype != np.bool_:
        raise InputError(
            f"{name}: values are {array.dtype} of shape {array.shape}: must be bool of (n, m)"
        )
    check_missing(missing, name)
    check_positive(bandwidth, "bandwidth", name)
    mask = check_mask(unknown, len(array), name)
    codes = np.where(array & ~mask[:, None], 1.0, -1.0)
    return build(Differences(float(bandwidth)), (torch.from_numpy(codes),), mask, missing)


def jaccard(
    tags: Sequence[Iterable[str]] | NDArray[Any],
    *,
    power: float = 1.0,
    idf: bool = False,
    unknown: BoolArray | None = None,
    missing: Missing = "apart",
    name: str = "column",
) -> Column:
    """Sets of tags, or booleans as sets of the true ones: overlap by union, to a power.

    With ``idf`` a tag is worth log(n / number of images that have it), so that what most images
    share hardly counts. Two sets without a tag are equal.

    Args:
        tags: (n,) collections of str, or bool (n, m).
        power: p, above 0; larger ones ask for more agreement.
        idf: whether to weigh tags.
        unknown: bool (n,), images of which the tags are missing; one without tags is not.
        missing: what that means, see `Column`.
        name: of the column, for errors.

    Raises:
        InputError: on a text in place of a collection, or a bad power.
    """
    check_missing(missing, name)
    check_positive(power, "power", name)
    sets = _as_sets(tags, name)
    mask = check_mask(unknown, len(sets), name)
    sets = [frozenset() if absent else tags for tags, absent in zip(sets, mask, strict=True)]
    counts = Counter(tag for entry in sets for tag in entry)
    known = int((~mask).sum())
    value = {tag: math.log(known / count) if idf else 1.0 for tag, count in counts.items()}
    total = np.array([math.fsum(value[tag] for tag in sorted(entry)) for entry in sets])
    kept = sorted(tag for tag, count in counts.items() if count > 1 and value[tag] > 0)
    place = {tag: column for column, tag in enumerate(kept)}
    codes, alone = np.zeros((len(sets), len(kept)), dtype=np.uint8), np.zeros(len(sets), np.int64)
    for row, entry in enumerate(sets):
        codes[row, [place[tag] for tag in entry if tag in place]] = 1
        alone[row] = row + 1 if any(counts[tag] == 1 and value[tag] > 0 for tag in entry) else 0
    kernel = Jaccard(float(power), tuple(value[tag] for tag in kept))
    return build(kernel, tuple(map(torch.from_numpy, (codes, total, alone))), mask, missing)


def _as_sets(tags: Any, name: str) -> list[frozenset[str]]:
    array = np.asarray(tags) if isinstance(tags, np.ndarray) else None
    if array is not None and array.dtype == np.bool_:
        if array.ndim != 2:
            raise InputError(f"{name}: values are bool of shape {array.shape}: must be (n, m)")
        return [frozenset(map(str, np.flatnonzero(row))) for row in array]
    for row, entry in enumerate(tags):
        if isinstance(entry, str):  # its letters would pass for tags
            raise InputError(f"{name}: row {row} is the text {entry!r}, not a collection of tags")
    return [frozenset(entry) for entry in tags]


def _checked(
    array: NDArray[Any], unknown: BoolArray | None, missing: Missing, name: str
) -> BoolArray:
    check_missing(missing, name)
    if array.ndim != 1:
        raise InputError(f"{name}: values have shape {array.shape}: must be (n,)")
    return check_mask(unknown, len(array), name)
