"""Lines through points: a frontier, the granularities of one source, medians."""

from collections.abc import Sequence
from itertools import pairwise
from typing import TypeAlias

from clinfonce.results.analysis.averages import ClusteringRow

Points: TypeAlias = list[tuple[float, float]]

_LONGEST_FAMILY = 200  # clusterings of one source that a line joins
_MOST_PARTS = 6


def frontier(points: Sequence[tuple[float, float]]) -> Points:
    """The edge beyond which no point lies further to the right and lower, as steps.

    Empty if one point beats all others.
    """
    edge: Points = []
    for x, y in sorted(points, key=lambda p: (-p[0], p[1])):
        if not edge or y < edge[-1][1]:
            edge.append((x, y))
    if len(edge) < 2:
        return []
    steps = [edge[0]]
    for (_, above), (x, y) in pairwise(edge):
        steps += [(x, above), (x, y)]
    return steps


def families(rows: Sequence[ClusteringRow]) -> dict[str, list[ClusteringRow]]:
    """By source the clusterings that differ in granularity alone, from coarse to fine."""
    found: dict[str, list[ClusteringRow]] = {}
    for row in rows:
        # The levels of one synthetic family do not go on in the next.
        if row.granularity is not None and row.source not in (None, "synthetic"):
            found.setdefault(row.source, []).append(row)
    return {
        source: sorted(family, key=lambda r: (r.n_clusters or 0, r.granularity or 0))
        for source, family in found.items()
        if 1 < len(family) <= _LONGEST_FAMILY
    }


def medians(points: Sequence[tuple[float, float]]) -> Points:
    """Medians of x and of y in up to six parts of as many points each, from left to right."""
    ordered = sorted(points, key=lambda p: p[0])
    parts = max(1, min(_MOST_PARTS, len(ordered) // _MOST_PARTS))
    cuts = [round(i * len(ordered) / parts) for i in range(parts + 1)]
    return [
        (_median([x for x, _ in ordered[a:b]]), _median([y for _, y in ordered[a:b]]))
        for a, b in pairwise(cuts)
    ]


def _median(values: Sequence[float]) -> float:
    return sorted(values)[len(values) // 2]
