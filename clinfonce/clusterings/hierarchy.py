"""A hierarchy cut at a level: shallow cuts give few clusters, deep ones many."""

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from clinfonce.clusterings.base import Clustering, build
from clinfonce.errors import InputError

Path: TypeAlias = tuple[str, ...]


def from_hierarchy(
    paths: Sequence[Path | tuple[Path, ...]] | NDArray[np.object_], *, level: int
) -> Clustering:
    """Images that share the first `level` steps from the root share a cluster.

    An image whose path is shorter is clustered by its whole path, as in Tsai et al. 2021
    (arXiv 2106.02869), so a deeper level always refines a shallower one. Images with
    an empty path (unknown place) share one cluster.

    Where a node has several parents, several paths lead to it, and all of them count: images share
    a cluster if their *sets* of shortened paths are equal. What lies below both of two branches is
    apart from what lies below one of them, and together again where the branches have not parted
    yet. With one path an image this is the rule above, and the levels nest all the same. (The
    authors leave out classes with several parents.)

    Args:
        paths: (n,) one path an image, a tuple of names from the root down; or several, a tuple of
            such paths, whose order does not matter. `clinfonce.data.root_paths` makes them.
        level: 1 is the root itself.

    Raises:
        InputError: no images, or a level below 1 or beyond the deepest path.
    """
    places = [_all_paths(entry) for entry in paths]
    deepest = max((len(path) for place in places for path in place), default=0)
    if len(places) and not 1 <= level <= deepest:
        raise InputError(f"hierarchy: level must be in 1..{deepest}, got {level}")
    numbers: dict[frozenset[Path], int] = {}
    cuts = (frozenset(path[:level] for path in place) for place in places)
    codes = [numbers.setdefault(cut, len(numbers)) for cut in cuts]
    return build(
        np.array(codes, dtype=np.int64),
        name=f"hierarchy level {level}",
        provenance={"source": "hierarchy", "level": level},
    )


def _all_paths(entry: Path | tuple[Path, ...]) -> tuple[Path, ...]:
    """The paths of an image, of which one may stand alone."""
    if entry and isinstance(entry[0], str):
        return (tuple(map(str, entry)),)
    return tuple(tuple(path) for path in entry)
