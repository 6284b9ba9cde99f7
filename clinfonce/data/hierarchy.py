"""Hierarchies in which nodes may have several parents, made into trees."""

from collections.abc import Mapping, Sequence

from clinfonce.errors import InputError


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
