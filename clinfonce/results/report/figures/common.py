"""What all figures share: sizes, the outer element, the mark of a clustering, the legend."""

from collections.abc import Sequence
from dataclasses import dataclass

from clinfonce.results.analysis.averages import ClusteringRow
from clinfonce.results.plot.marks import mark_of
from clinfonce.results.report.figures import svg

WIDE = (760, 470)
NARROW = (360, 400)


def figure(size: tuple[int, int], label: str, content: str, *, role: str = "group") -> str:
    """The outer element: scales to its place and is named for a screen reader."""
    return svg.tag(
        "svg",
        content,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {size[0]} {size[1]}",
        class_="figure",
        role=role,
        aria_label=label,
        font_family="system-ui, sans-serif",
    )


def nothing(size: tuple[int, int], words: str) -> str:
    """A figure that says why it is empty."""
    at = svg.text(size[0] / 2, size[1] / 2, words, class_="tick", text_anchor="middle")
    return figure(size, words, at, role="img")


def mark_row(
    row: ClusteringRow,
    i: int,
    at: tuple[float, float],
    *,
    radius: float,
    fill: str | None,
) -> str:
    """The mark of clustering i at a pixel; hollow without a fill."""
    kind = "mark" if fill else "mark unknown"
    shape = mark_of(row.source).shape
    return svg.mark(shape, *at, radius, class_=kind, fill=fill, data_row=i)


@dataclass(frozen=True)
class Legend:
    """The marks of the sources among some rows, set in lines.

    Attributes:
        content: SVG text.
        bottom: where the last line ends, in pixels.
    """

    content: str
    bottom: float


def source_legend(
    rows: Sequence[ClusteringRow], *, width: float, top: float = 16.0, coloured: bool = True
) -> Legend:
    """The mark of each source among the rows, in lines up to a width, from `top` downward."""
    parts, x, y = [], 10.0, top
    marks = {mark.word: mark for mark in (mark_of(r.source) for r in rows)}
    for word, mark in sorted(marks.items()):
        length = 34 + 6.6 * len(word)
        if x > 10 and x + length > width:
            x, y = 10.0, y + 18
        kind = "key" if coloured else "key plain"
        fill = mark.colour if coloured else None
        parts.append(svg.mark(mark.shape, x, y - 4, 5, class_=kind, fill=fill))
        parts.append(svg.text(x + 11, y, word, class_="tick"))
        x += length
    return Legend("".join(parts), y)
