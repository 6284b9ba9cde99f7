"""How closely accuracy goes with each quantity, with intervals."""

from collections.abc import Sequence

from clinfonce.results.figures import svg
from clinfonce.results.figures.common import WIDE, figure, nothing
from clinfonce.results.figures.svg import Frame, Scale
from clinfonce.results.relation import QUANTITIES, Correlation


def correlations(found: Sequence[Correlation], *, size: tuple[int, int] = WIDE) -> str:
    """Rank correlations with accuracy and their intervals, one quantity a line."""
    if not found:
        return nothing((size[0], 120), "Too few clusterings for a correlation")
    width, bottom, left = size[0], 12 + 34 * len(found), 150
    f = Frame(width, bottom + 52, Scale(-1, 1, left, width - 20), Scale(0, len(found), 12, bottom))
    parts = []
    for value in (-1.0, -0.5, 0.0, 0.5, 1.0):
        x = f.x(value)
        parts.append(svg.line(x, 12, x, bottom, class_="zero" if value == 0 else "grid"))
        parts.append(
            svg.text(x, bottom + 18, svg.short(value), class_="tick", text_anchor="middle")
        )
    parts += [_correlation_line(f, i, c) for i, c in enumerate(found)]
    title = "Spearman’s ρ with accuracy"
    parts.append(svg.text(f.x.end, bottom + 40, title, class_="axis", text_anchor="end"))
    return figure((width, bottom + 52), _say(found), "".join(parts), role="img")


def _correlation_line(f: Frame, i: int, found: Correlation) -> str:
    y = f.y(i) + 17
    parts = [svg.text(4, y + 4, QUANTITIES[found.quantity], class_="label")]
    rho = found.rho
    if rho.estimate is None:
        parts.append(svg.text(f.x(0) + 8, y + 4, "undefined", class_="tick"))
        return "".join(parts)
    if rho.low is not None and rho.high is not None:
        parts.append(svg.line(f.x(rho.low), y, f.x(rho.high), y, class_="interval"))
    parts.append(svg.tag("circle", cx=f.x(rho.estimate), cy=y, r=5, class_="estimate"))
    if found.rho_inside is not None:
        parts.append(svg.tag("circle", cx=f.x(found.rho_inside), cy=y, r=4, class_="inside"))
    return "".join(parts)


def _say(found: Sequence[Correlation]) -> str:
    parts = [
        f"{QUANTITIES[c.quantity]} {svg.short(round(c.rho.estimate, 2))}"
        for c in found
        if c.rho.estimate is not None
    ]
    return "Rank correlation with accuracy: " + ", ".join(parts)
