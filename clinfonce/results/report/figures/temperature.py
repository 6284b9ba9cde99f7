"""Accuracy against the temperature of the objective, one dot a trial."""

import math
from collections.abc import Sequence

from clinfonce.results.analysis.curves import Dot
from clinfonce.results.analysis.trends import medians
from clinfonce.results.plot.marks import mark_of
from clinfonce.results.report.figures import svg
from clinfonce.results.report.figures.accuracy import round_ticks_of_log2
from clinfonce.results.report.figures.common import WIDE, figure, nothing

_MOST_DOTS = 1_500


def temperatures(dots: Sequence[Dot], *, size: tuple[int, int] = WIDE) -> str:
    """Accuracy by temperature, on a logarithmic axis; the line joins medians of equal parts."""
    if not dots:
        return nothing(size, "No trial with a known temperature yet")
    ordered = sorted(dots, key=lambda d: d.temperature)
    ordered = ordered[:: math.ceil(len(ordered) / _MOST_DOTS)]
    xs = [math.log2(d.temperature) for d in ordered]
    ys = [d.accuracy for d in ordered]
    x_range = svg.padded(xs, least=1.0)
    f = svg.frame(size, x_range, svg.padded(ys, least=0.04), top=40)
    ticks = svg.percent_ticks(f.y.low, f.y.high)
    parts = [svg.axes(f, round_ticks_of_log2(*x_range), ticks, "temperature", "accuracy")]
    for dot, x in zip(ordered, xs, strict=True):
        fill = mark_of(dot.source).colour
        at = f.x(x), f.y(dot.accuracy)
        parts.append(svg.tag("circle", cx=at[0], cy=at[1], r=3.5, class_="dot", fill=fill))
    middles = medians(list(zip(xs, ys, strict=True)))
    parts.append(svg.polyline([(f.x(x), f.y(y)) for x, y in middles], class_="trend"))
    return figure(size, "Accuracy against temperature", "".join(parts), role="img")
