"""A hierarchy cut at a level: shallow cuts give few clusters, deep ones many."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from clinfonce.clusterings.base import Clustering, build
from clinfonce.errors import InputError


def from_hierarchy(
    paths: Sequence[tuple[str, ...]] | NDArray[np.object_], *, level: int
) -> Clustering:
    """Images that share the first `level` steps from the root share a cluster.

    An image whose path is shorter is clustered by its whole path, as in Tsai et al. 2021
    (arXiv 2106.02869), so a deeper level always refines a shallower one. Images with
    an empty path (unknown place) share one cluster.

    Args:
        paths: (n,) tuples of names from the root down, one path an image;
            `clinfonce.data.tree_paths` makes them where nodes have several parents.
        level: 1 is the root itself.

    Raises:
        InputError: no images, or a level below 1 or beyond the deepest path.
    """
    deepest = max((len(path) for path in paths), default=0)
    if len(paths) and not 1 <= level <= deepest:
        raise InputError(f"hierarchy: level must be in 1..{deepest}, got {level}")
    numbers: dict[tuple[str, ...], int] = {}
    codes = [numbers.setdefault(tuple(path[:level]), len(numbers)) for path in paths]
    return build(
        np.array(codes, dtype=np.int64),
        name=f"hierarchy level {level}",
        provenance={"source": "hierarchy", "level": level},
    )
