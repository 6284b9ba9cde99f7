"""Accuracy against one number of a clustering: its granularity, or what it costs."""

import math
from collections.abc import Callable, Sequence

from clinfonce.results.analysis.averages import ClusteringRow
from clinfonce.results.analysis.trends import families
from clinfonce.results.plot.marks import mark_of
from clinfonce.results.report.figures import svg
from clinfonce.results.report.figures.common import (
    WIDE,
    Legend,
    figure,
    mark_row,
    nothing,
    source_legend,
)
from clinfonce.results.report.figures.svg import Frame


def granularity(rows: Sequence[ClusteringRow], *, size: tuple[int, int] = WIDE) -> str:
    """Accuracy against the number of clusters; bars span one standard deviation each way."""
    drawn = [(i, r) for i, r in enumerate(rows) if r.knows("accuracy") and r.n_clusters]
    if not drawn:
        return nothing(size, "No clustering with a known accuracy yet")
    xs = [math.log2(r.n_clusters or 1) for _, r in drawn]
    reach = [e for _, r in drawn for e in r.reach]
    x_range = svg.padded(xs, least=1.0, share=0.04)
    legend = source_legend([r for _, r in drawn], width=size[0])
    f = _frame(size, x_range, reach, legend)
    narrow = size[0] < 500
    axes = svg.axes(
        f,
        svg.powers_of_two(*x_range, 6 if narrow else 11),
        svg.percent_ticks(f.y.low, f.y.high),
        "number of clusters",
        "accuracy",
    )
    parts = [legend.content, axes, _family_lines(f, [r for _, r in drawn])]
    for i, r in drawn:
        parts.append(_with_bar(f, math.log2(r.n_clusters or 1), r, i))
    return figure(size, "Accuracy against granularity", "".join(parts))


def scatter(
    rows: Sequence[ClusteringRow],
    value: Callable[[ClusteringRow], float | None],
    x_title: str,
    label: str,
    *,
    size: tuple[int, int] = WIDE,
) -> str:
    """Accuracy against any positive number of a clustering, on a logarithmic axis."""
    found = [(i, r, value(r)) for i, r in enumerate(rows) if r.knows("accuracy")]
    drawn = [(i, r, math.log2(v)) for i, r, v in found if v]
    if not drawn:
        return nothing(size, f"No clustering with a known {x_title} yet")
    x_range = svg.padded([x for *_, x in drawn], least=1.0)
    reach = [e for _, r, _ in drawn for e in r.reach]
    legend = source_legend([r for _, r, _ in drawn], width=size[0])
    f = _frame(size, x_range, reach, legend)
    x_ticks = round_ticks_of_log2(*x_range)
    axes = svg.axes(f, x_ticks, svg.percent_ticks(f.y.low, f.y.high), x_title, "accuracy")
    parts = [legend.content, axes]
    parts += [_with_bar(f, x, r, i) for i, r, x in drawn]
    return figure(size, label, "".join(parts))


def cost(rows: Sequence[ClusteringRow], *, size: tuple[int, int] = WIDE) -> str:
    """Accuracy against the mean duration of a trial."""
    return scatter(rows, lambda r: r.seconds, "seconds per trial", "Accuracy by cost", size=size)


def _frame(
    size: tuple[int, int], x_range: tuple[float, float], reach: list[float], legend: Legend
) -> Frame:
    return svg.frame(size, x_range, svg.padded(reach, least=0.04), top=int(legend.bottom) + 42)


def round_ticks_of_log2(low: float, high: float) -> list[tuple[float, str]]:
    """1, 2, 5 · 10ⁿ on an axis of log2, or even steps where the range is too small for them."""
    decades = range(math.floor(low * math.log10(2)) - 1, math.ceil(high * math.log10(2)) + 1)
    numbers = [m * 10.0**d for d in decades for m in (1, 2, 5)]
    inside = [n for n in numbers if low <= math.log2(n) <= high]
    if len(inside) < 3:
        inside = [t for t in svg.ticks(2**low, 2**high, 4) if t > 0]
    return [(math.log2(n), svg.short(n)) for n in inside]


def _with_bar(f: Frame, x: float, row: ClusteringRow, i: int) -> str:
    fill = mark_of(row.source).colour
    low, high = row.reach
    at = f.x(x)
    bar = svg.line(at, f.y(low), at, f.y(high), class_="bar", stroke=fill) if row.spread else ""
    here = at, f.y(row.accuracy or 0.0)
    return bar + mark_row(row, i, here, radius=5.5, fill=fill)


def _family_lines(f: Frame, rows: Sequence[ClusteringRow]) -> str:
    """Join the clusterings of one source that differ in granularity alone."""
    parts = []
    for source, family in families(rows).items():
        points = [(f.x(math.log2(r.n_clusters or 1)), f.y(r.accuracy or 0)) for r in family]
        parts.append(svg.polyline(points, class_="family", stroke=mark_of(source).colour))
    return "".join(parts)
