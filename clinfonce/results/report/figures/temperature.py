"""Accuracy against the temperature of the objective, one dot a trial."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from clinfonce.results.report.figures import svg
from clinfonce.results.report.figures.accuracy import round_ticks_of_log2
from clinfonce.results.report.figures.common import WIDE, figure, nothing

_MOST_DOTS = 1_500


@dataclass(frozen=True)
class Dot:
    """A complete trial: its temperature, its accuracy, and the source of its clustering."""

    temperature: float
    accuracy: float
    source: str | None


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
        fill = svg.mark_of(dot.source)[1]
        at = f.x(x), f.y(dot.accuracy)
        parts.append(svg.tag("circle", cx=at[0], cy=at[1], r=3.5, class_="dot", fill=fill))
    middles = _middles(xs, ys)
    parts.append(svg.polyline([(f.x(x), f.y(y)) for x, y in middles], class_="trend"))
    return figure(size, "Accuracy against temperature", "".join(parts), role="img")


def _middles(xs: Sequence[float], ys: Sequence[float]) -> list[tuple[float, float]]:
    """Medians of x and y in up to six parts of as many dots each."""
    parts = max(1, min(6, len(xs) // 6))
    cuts = [round(i * len(xs) / parts) for i in range(parts + 1)]
    return [(_median(xs[a:b]), _median(ys[a:b])) for a, b in pairwise(cuts)]


def _median(values: Sequence[float]) -> float:
    return sorted(values)[len(values) // 2]
