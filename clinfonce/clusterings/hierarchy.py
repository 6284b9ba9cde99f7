"""A hierarchy cut at a level: shallow cuts give few clusters, deep ones many."""

from collections.abc import Mapping, Sequence

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
        paths: (n,) tuples of names from the root down, one path an image; `tree_paths` makes
            them where nodes have several parents.
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


def tree_paths(parents: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    """One path from a root to every node of a hierarchy in which nodes may have several parents.

    A node keeps the parent that is nearest to a root, of equally near ones the first in
    alphabetical order. The choice is made once a node, so what is left is a tree.

    Args:
        parents: node to its parents; nodes that appear as a parent only are roots.

    Raises:
        InputError: a cycle that no root leads into.

    >>> tree_paths({"cat": ["pet", "feline"], "feline": ["animal"], "pet": ["animal"]})["cat"]
    ('animal', 'feline', 'cat')
    """
    named = {parent for above in parents.values() for parent in above}
    nodes = sorted(named | set(parents))
    children: dict[str, list[str]] = {}
    for node in nodes:
        for parent in parents.get(node, ()):
            children.setdefault(parent, []).append(node)
    paths: dict[str, tuple[str, ...]] = {node: (node,) for node in nodes if not parents.get(node)}
    frontier = sorted(paths)
    while frontier:  # breadth first: whoever reaches a node first is nearest to a root
        reached: list[str] = []
        for parent in frontier:
            for node in children.get(parent, ()):
                if node not in paths:
                    paths[node] = (*paths[parent], node)
                    reached.append(node)
        frontier = sorted(reached)
    if len(paths) < len(nodes):
        lost = next(node for node in nodes if node not in paths)
        raise InputError(f"hierarchy: {lost!r} is in a cycle, no root leads to it")
    return paths
