"""Estimates with their intervals, one a line: correlations, and what attributes are worth."""

from collections.abc import Sequence
from dataclasses import dataclass

from clinfonce.results.analysis.importance import MOST_SHOWN, Importance, ends_of
from clinfonce.results.analysis.ped_anova import Share
from clinfonce.results.analysis.relation import QUANTITIES, Correlation
from clinfonce.results.analysis.roles import ColumnRole
from clinfonce.results.analysis.statistics import Interval
from clinfonce.results.plot.labels import shortened
from clinfonce.results.report.figures import svg
from clinfonce.results.report.figures.common import WIDE, figure, nothing
from clinfonce.results.report.figures.svg import Frame, Scale

_LINE = 34  # pixels
_NAMES = 150  # pixels that names have


@dataclass(frozen=True)
class _Line:
    """One estimate, its name, and a second estimate drawn hollow."""

    name: str
    interval: Interval
    hollow: float | None


def correlations(found: Sequence[Correlation], *, size: tuple[int, int] = WIDE) -> str:
    """Rank correlations with accuracy; hollow without the end points, instances and labels."""
    if not found:
        return nothing((size[0], 120), "Too few clusterings for a correlation")
    lines = [_Line(QUANTITIES[c.quantity], c.rho, c.rho_inside) for c in found]
    ticks = [(v, svg.short(v)) for v in (-1.0, -0.5, 0.0, 0.5, 1.0)]
    label = "Rank correlation with accuracy: " + _say(lines)
    return _draw(lines, (-1, 1), ticks, "Spearman’s ρ with accuracy", label, size[0])


def importances(found: Sequence[Importance], *, size: tuple[int, int] = WIDE) -> str:
    """What attributes add to accuracy: the most helpful and the most harmful ones."""
    if not found:
        return nothing((size[0], 120), "No clusterings by attributes")
    lines = [_Line(i.attribute, i.best, None) for i in ends_of(found)]
    label = "Accuracy with an attribute less without it"
    return _draw_shares(lines, "points of accuracy, with less without", label, size[0])


def column_roles(found: Sequence[ColumnRole], *, size: tuple[int, int] = WIDE) -> str:
    """What the role that a column should have adds over the next best one."""
    if not found:
        return nothing((size[0], 120), "No search tried roles")
    lines = [_Line(f"{row.column}: {row.role}", row.gain, None) for row in found[:MOST_SHOWN]]
    label = "Validation accuracy that the best role adds over the next"
    return _draw_shares(lines, "points of accuracy over the next best role", label, size[0])


def _draw_shares(lines: Sequence[_Line], title: str, label: str, width: int) -> str:
    reach = [v for n in lines for v in vars(n.interval).values() if v is not None]
    low, high = svg.padded([0.0, *reach], least=0.02)
    ticks = [(v, svg.short(100 * v)) for v in svg.ticks(low, high, 4)]
    return _draw(lines, (low, high), ticks, title, f"{label}: {_say(lines, 100)}", width)


def search_shares(found: Sequence[Share], *, size: tuple[int, int] = WIDE) -> str:
    """How much each attribute decides whether a searched trial is among the best."""
    if not found:
        return nothing((size[0], 120), "Too few searched trials")
    lines = [_Line(s.name, s.share, None) for s in found[:MOST_SHOWN]]
    ticks = [(v, svg.short(100 * v)) for v in (0.0, 0.25, 0.5, 0.75, 1.0)]
    label = "Importance to be among the best trials, in percent: " + _say(lines, 100)
    return _draw(lines, (0, 1), ticks, "share of importance, %", label, size[0])


def _draw(
    lines: Sequence[_Line],
    x: tuple[float, float],
    ticks: Sequence[tuple[float, str]],
    title: str,
    label: str,
    width: int,
) -> str:
    """Draw the lines on an axis."""
    bottom, left = 12 + _LINE * len(lines), _NAMES
    f = Frame(width, bottom + 52, Scale(*x, left, width - 20), Scale(0, len(lines), 12, bottom))
    parts = []
    for value, words in ticks:
        at = f.x(value)
        parts.append(svg.line(at, 12, at, bottom, class_="zero" if value == 0 else "grid"))
        parts.append(svg.text(at, bottom + 18, words, class_="tick", text_anchor="middle"))
    parts += [_line(f, i, line) for i, line in enumerate(lines)]
    parts.append(svg.text(f.x.end, bottom + 40, title, class_="axis", text_anchor="end"))
    return figure((width, bottom + 52), label, "".join(parts), role="img")


def _line(f: Frame, i: int, line: _Line) -> str:
    y = f.y(i) + _LINE / 2
    parts = [svg.text(4, y + 4, shortened(line.name, int(f.x.start / 6.8)), class_="label")]
    interval = line.interval
    if interval.estimate is None:
        return "".join([*parts, svg.text(f.x(0) + 8, y + 4, "undefined", class_="tick")])
    if interval.low is not None and interval.high is not None:
        parts.append(svg.line(f.x(interval.low), y, f.x(interval.high), y, class_="interval"))
    parts.append(svg.tag("circle", cx=f.x(interval.estimate), cy=y, r=5, class_="estimate"))
    if line.hollow is not None:
        parts.append(svg.tag("circle", cx=f.x(line.hollow), cy=y, r=4, class_="inside"))
    return "".join(parts)


def _say(lines: Sequence[_Line], unit: float = 1) -> str:
    known = [(n.name, n.interval.estimate) for n in lines if n.interval.estimate is not None]
    return ", ".join(f"{name} {svg.short(round(unit * value, 2))}" for name, value in known)
