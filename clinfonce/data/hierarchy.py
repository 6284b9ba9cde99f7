"""Hierarchies in which nodes may have several parents, as paths from the roots."""

from collections.abc import Iterable, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import TypeAlias

from clinfonce.errors import InputError

Path: TypeAlias = tuple[str, ...]

MAX_PATHS = 1000  # to one node: their number may grow exponentially with the depth


def root_paths(
    parents: Mapping[str, Iterable[str]], nodes: Iterable[str] | None = None
) -> dict[str, tuple[Path, ...]]:
    """Every path from a root to each node, in alphabetical order.

    A node with one parent all the way up has one path; `clusterings.from_hierarchy` uses all of
    them where there are several.

    Args:
        parents: node to its parents; nodes that appear as a parent only are roots.
        nodes: the nodes to find paths to; None takes all.

    Raises:
        InputError: a cycle, or more than `MAX_PATHS` paths to one node.

    >>> root_paths({"cat": ["pet", "feline"], "feline": ["animal"], "pet": ["animal"]})["cat"]
    (('animal', 'feline', 'cat'), ('animal', 'pet', 'cat'))
    """
    wanted = parents if nodes is None else _with_ancestors(parents, nodes)
    above = {node: set(parents.get(node, ())) for node in wanted}
    try:
        order = tuple(TopologicalSorter(above).static_order())
    except CycleError as error:
        circle = " < ".join(sorted(set(error.args[1])))
        raise InputError(f"hierarchy: {circle} are above each other in a cycle") from None
    paths: dict[str, tuple[Path, ...]] = {}
    for node in order:  # parents come before their children
        found = sorted((*path, node) for parent in above.get(node, ()) for path in paths[parent])
        if len(found) > MAX_PATHS:
            raise InputError(f"hierarchy: {len(found)} paths lead to {node!r}, above {MAX_PATHS}")
        paths[node] = tuple(found) or ((node,),)
    return {node: paths[node] for node in sorted(paths if nodes is None else set(nodes))}


def _with_ancestors(parents: Mapping[str, Iterable[str]], nodes: Iterable[str]) -> set[str]:
    found: set[str] = set()
    waiting = list(nodes)
    while waiting:
        if (node := waiting.pop()) not in found:
            found.add(node)
            waiting += parents.get(node, ())
    return found
