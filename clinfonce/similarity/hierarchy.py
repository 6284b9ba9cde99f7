"""Kernel of places in a hierarchy: how deep the deepest common ancestor lies."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

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
)

Path: TypeAlias = tuple[str, ...]


@dataclass(frozen=True)
class CommonAncestor:
    """(2 d_ab / (d_a + d_b))^p, the largest over the paths of both; 1 at the root.

    Codes are the ancestors at each depth, int32 (n, paths, depth), negative below a path's end,
    and the paths' depths, floating (n, paths), infinite where an image has fewer paths.

    Attributes:
        power: p.
    """

    power: float
    exact: bool = False

    def weights(self, rows: Codes, columns: Codes) -> Tensor:
        """Weights (a, b)."""
        (a, a_depth), (b, b_depth) = rows, columns
        ended = torch.where(b < 0, -2, b)  # what has ended equals nothing
        best = a_depth.new_zeros(len(a), len(b))
        for p, q in itertools.product(range(a.shape[1]), range(b.shape[1])):
            common = torch.zeros_like(best)
            for level in range(a.shape[2]):
                common += a[:, p, level, None] == ended[:, q, level]
            common.mul_(2).div_(a_depth[:, p, None] + b_depth[:, q])
            torch.maximum(best, common.nan_to_num_(1.0), out=best)
        return best if self.power == 1 else best.pow_(self.power)


def common_ancestor(
    paths: Sequence[Any] | NDArray[Any],
    *,
    power: float = 1.0,
    unknown: BoolArray | None = None,
    missing: Missing = "apart",
    name: str = "column",
) -> Column:
    """Places in a hierarchy: (2 d_ab / (d_a + d_b))^p of depths (Wu & Palmer 1994).

    d_ab is the depth of the deepest common ancestor, d_a and d_b those of the two places. Steps
    that all images share from the root are not counted, so that places on different branches of
    the first parting have weight 0. Of several paths to a place the most alike two count.

    Args:
        paths: (n,) one path an image, a tuple of names from the root down; or several, a tuple of
            such paths. An empty one is missing.
        power: p, above 0; larger ones ask for nearer kinship.
        unknown: bool (n,), which places are missing.
        missing: what that means, see `Column`.
        name: of the column, for errors.

    Raises:
        InputError: on a text in place of a path, or a bad power.
    """
    check_missing(missing, name)
    check_positive(power, "power", name)
    places = [_as_paths(row, entry, name) for row, entry in enumerate(paths)]
    mask = check_mask(unknown, len(places), name) | np.array([not each for each in places])
    places = [() if absent else each for each, absent in zip(places, mask, strict=True)]
    trunk = _shared_steps([path for place in places for path in place])
    ancestors, depths = _encode(places, trunk)
    codes = (torch.from_numpy(ancestors), torch.from_numpy(depths))
    return build(CommonAncestor(float(power)), codes, mask, missing)


def _as_paths(row: int, entry: Any, name: str) -> tuple[Path, ...]:
    """The different paths of an image, of which one may stand alone."""
    if isinstance(entry, str):
        raise InputError(f"{name}: row {row} is the text {entry!r}, not a path")
    entry = tuple(entry)
    several = entry if entry and not isinstance(entry[0], str) else (entry,)
    return tuple(sorted({tuple(map(str, path)) for path in several if len(path)}))


def _shared_steps(paths: Sequence[Path]) -> int:
    """How many steps from the root all paths share."""
    levels = itertools.takewhile(lambda level: len(set(level)) == 1, zip(*paths, strict=False))
    return sum(1 for _ in levels)


def _encode(
    places: Sequence[tuple[Path, ...]], trunk: int
) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """The codes of `CommonAncestor` for paths less their first ``trunk`` steps."""
    most = max((len(place) for place in places), default=0) or 1
    deepest = max((len(path) - trunk for place in places for path in place), default=0) or 1
    ancestors = np.full((len(places), most, deepest), -1, dtype=np.int32)
    depths = np.full((len(places), most), np.inf)
    numbers: dict[Path, int] = {}
    for row, place in enumerate(places):
        for column, path in enumerate(place):
            depths[row, column] = len(path) - trunk
            for level in range(len(path) - trunk):
                ancestor = path[: trunk + level + 1]
                ancestors[row, column, level] = numbers.setdefault(ancestor, len(numbers))
    return ancestors, depths
