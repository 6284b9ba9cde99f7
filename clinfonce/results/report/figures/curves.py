"""Learning curves: validation accuracy along training."""

from collections.abc import Sequence

from clinfonce.results.analysis.curves import Curve
from clinfonce.results.plot.labels import apart, shortened
from clinfonce.results.plot.marks import mark_of
from clinfonce.results.report.figures import svg
from clinfonce.results.report.figures.common import WIDE, figure, nothing
from clinfonce.results.report.figures.svg import Frame


def learning_curves(curves: Sequence[Curve], *, size: tuple[int, int] = WIDE) -> str:
    """Validation kNN accuracy by epoch; the clusterings that matter are named."""
    curves = [c for c in curves if c.epochs]
    if not curves:
        return nothing(size, "No validation accuracy was measured during training")
    first, last = min(c.epochs[0] for c in curves), max(c.epochs[-1] for c in curves)
    label_room = 1.42 if size[0] < 500 else 1.26
    x_range = (first, first + max(last - first, 1) * label_room)
    values = [v for c in curves for v in c.values]
    f = svg.frame(size, x_range, svg.padded(values, least=0.04), top=40)
    x_ticks = [(t, s) for t, s in svg.plain_ticks(first, max(last, first + 1)) if t == int(t)]
    parts = [svg.axes(f, x_ticks, svg.percent_ticks(f.y.low, f.y.high), "epoch", "kNN accuracy")]
    parts += [_curve(f, c) for c in sorted(curves, key=lambda c: c.marked)]
    parts.append(_curve_names(f, [c for c in curves if c.marked]))
    return figure(size, "Validation kNN accuracy during training", "".join(parts), role="img")


def _curve(f: Frame, curve: Curve) -> str:
    points = [(f.x(e), f.y(v)) for e, v in zip(curve.epochs, curve.values, strict=True)]
    if not curve.marked:
        return svg.polyline(points, class_="curve faint")
    return svg.polyline(points, class_="curve", stroke=mark_of(curve.source).colour)


def _curve_names(f: Frame, curves: Sequence[Curve]) -> str:
    """Names at the ends of the curves, moved apart where they would overlap."""
    room, gap = f.x.end - f.x(max((c.epochs[-1] for c in curves), default=1)), 15.0
    ordered = sorted(curves, key=lambda c: -c.values[-1])
    wanted = [f.y(curve.values[-1]) + 4 for curve in ordered]
    heights = apart(wanted, gap=gap, lowest=f.y.start + 4)
    parts = []
    for curve, height in zip(ordered, heights, strict=True):
        x = f.x(curve.epochs[-1])
        colour = mark_of(curve.source).colour
        end = f.y(curve.values[-1])
        parts.append(svg.line(x + 2, end, x + 12, height - 4, class_="leader", stroke=colour))
        name = shortened(curve.name, max(int((room - 16) / 6.3), 8))
        parts.append(svg.text(x + 15, height, name, class_="tick"))
    return "".join(parts)
