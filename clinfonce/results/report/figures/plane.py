"""The information plane: what a clustering says of the label, and what besides."""

from collections.abc import Sequence
from typing import TypeAlias

from clinfonce.results.analysis.averages import ClusteringRow
from clinfonce.results.analysis.trends import frontier
from clinfonce.results.plot.labels import beside
from clinfonce.results.report.figures import svg
from clinfonce.results.report.figures.common import (
    WIDE,
    figure,
    mark_row,
    nothing,
    source_legend,
)
from clinfonce.results.report.figures.svg import Frame

Numbered: TypeAlias = Sequence[tuple[int, ClusteringRow]]

_LETTER = 8  # pixels that a letter of a name takes, rather more than less


def information_plane(
    rows: Sequence[ClusteringRow],
    *,
    size: tuple[int, int] = WIDE,
    above_chance: bool = False,
    chosen: str | None = None,
) -> str:
    """Where each clustering lies: what it says of the label, across, and what besides, upward.

    Args:
        rows: the clusterings; those without information are left out.
        size: width and height in pixels.
        above_chance: take I(Z;T) above chance in place of the plug-in estimate.
        chosen: clustering_id of the clustering that is named beside the end points.
    """
    key = "i_zt_excess" if above_chance else "i_zt"
    drawn = [(i, r) for i, r in enumerate(rows) if r.knows(key, "h_z_given_t")]
    if not drawn:
        return nothing(size, "No clustering with known information yet")
    xs = [float(getattr(r, key)) for _, r in drawn]
    ys = [r.h_z_given_t or 0.0 for _, r in drawn]
    h_t = drawn[0][1].h_t or max(xs)
    right, top = max(h_t, *xs) * 1.05 or 1.0, max(max(ys) * 1.08, 0.5)
    low = min(0.0, *xs)
    sources = [r for _, r in drawn]
    inside = [(x, y) for x, y, r in zip(xs, ys, sources, strict=True) if not r.is_end_point]
    if size[0] < 500:  # no room beside the colours
        legend = source_legend(sources, width=size[0], top=54, coloured=False)
    else:
        legend = source_legend(sources, width=size[0] - 240, coloured=False)
    f = svg.frame(
        size, (low - 0.02 * right, right), (-0.03 * top, top), top=int(max(legend.bottom, 22)) + 40
    )
    parts = [
        _plane_axes(f, above_chance),
        _bound(f, h_t),
        svg.polyline([(f.x(x), f.y(y)) for x, y in frontier(inside)], class_="frontier"),
        _accuracy_marks(f, drawn, key),
        _names(f, [(r, x, y) for x, y, (_, r) in zip(xs, ys, drawn, strict=True)], chosen),
        _colour_legend(f, [r for _, r in drawn]),
        legend.content,
    ]
    return figure(size, "Information plane", "".join(parts))


def _plane_axes(f: Frame, above_chance: bool) -> str:
    about = 4 if f.width < 500 else 7
    return svg.axes(
        f,
        svg.plain_ticks(f.x.low, f.x.high, about),
        svg.plain_ticks(max(f.y.low, 0), f.y.high),
        "I(Z;T) above chance, bits" if above_chance else "I(Z;T), bits: what it says of the label",
        "H(Z|T), bits: what it says besides",
    )


def _bound(f: Frame, h_t: float) -> str:
    """The vertical line that no clustering can pass: all that there is to say of the label."""
    at = f.x(h_t)
    words = svg.text(at + 12, f.y.end - 5, "H(T)", class_="note", text_anchor="end")
    return svg.line(at, f.y.start, at, f.y.end, class_="bound") + words


def _accuracy_marks(f: Frame, drawn: Numbered, key: str) -> str:
    low, high = _accuracy_range([r for _, r in drawn])
    radius = 6.5 if len(drawn) < 200 else 4.5 if len(drawn) < 1500 else 3.0
    parts = []
    # Worst first, so that the best lie on top.
    for i, r in sorted(drawn, key=lambda pair: (pair[1].accuracy is not None, pair[1].accuracy)):
        share = ((r.accuracy or 0) - low) / (high - low)
        fill = svg.colour(share) if r.accuracy is not None else None
        at = f.x(getattr(r, key)), f.y(r.h_z_given_t or 0.0)
        parts.append(mark_row(r, i, at, radius=radius, fill=fill))
    return "".join(parts)


def _names(
    f: Frame, placed: Sequence[tuple[ClusteringRow, float, float]], chosen: str | None
) -> str:
    """Names beside the end points and the chosen clustering, where they cover least."""
    parts: list[str] = []
    taken = [(f.x(x), f.y(y)) for _, x, y in placed]
    for row, x, y in placed:
        if not row.is_end_point and row.clustering_id != chosen:
            continue
        name = row.name if row.is_end_point else "best auxiliary"  # its own is long
        at, width = (f.x(x), f.y(y)), _LETTER * len(name)
        left, baseline = beside(at, width, taken, x=(f.x.start, f.x.end), y=(f.y.end, f.y.start))
        taken += [(left + step, baseline - 4) for step in range(0, _LETTER * len(name), _LETTER)]
        parts.append(svg.text(left, baseline, name, class_="name"))
    return "".join(parts)


def _accuracy_range(rows: Sequence[ClusteringRow]) -> tuple[float, float]:
    known = [r.accuracy for r in rows if r.accuracy is not None] or [0.0, 1.0]
    low, high = min(known), max(known)
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _colour_legend(f: Frame, rows: Sequence[ClusteringRow]) -> str:
    low, high = _accuracy_range(rows)
    width, x, y, cells = 150, f.x.end - 150, 10, 30
    parts = [
        svg.tag(
            "rect",
            x=x + i * width / cells,
            y=y,
            width=width / cells + 0.5,
            height=9,
            fill=svg.colour(i / (cells - 1)),
        )
        for i in range(cells)
    ]
    parts.append(svg.text(x - 8, y + 9, "accuracy", class_="tick", text_anchor="end"))
    parts.append(svg.text(x, y + 24, f"{100 * low:.1f} %", class_="tick"))
    parts.append(
        svg.text(x + width, y + 24, f"{100 * high:.1f} %", class_="tick", text_anchor="end")
    )
    return "".join(parts)
