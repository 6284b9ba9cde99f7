"""What all figures share: sizes, the outer element, the mark and the words of a clustering."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from clinfonce.results.analysis.averages import ClusteringRow
from clinfonce.results.report.figures import svg

WIDE = (760, 470)
NARROW = (360, 400)

STYLE = Path(__file__).parents[1] / "figures.css"

_SOURCE_WORDS: Mapping[str, str] = {"kmeans": "k-means"}

_LIGHT = {
    "--paper": "#ffffff",
    "--ink": "#1c2127",
    "--muted": "#59636e",
    "--grid": "#e6e9ed",
    "--edge": "#30363d",
    "--faint": "#c3cad2",
    "--accent": "#0b62c4",
}


def standalone(figure: str) -> str:
    """A figure as an SVG file with the light theme inside; it needs no variables of CSS."""
    head = f"<style>{light_style()}</style>"
    paper = svg.tag("rect", width="100%", height="100%", fill=_LIGHT["--paper"])
    return re.sub(r"(<svg[^>]*>)", lambda m: m[1] + head + paper, figure, count=1) + "\n"


def light_style() -> str:
    """The style sheet of the figures with the colours of the light theme."""
    return re.sub(r"var\((--[a-z]+)\)", lambda m: _LIGHT[m[1]], STYLE.read_text(encoding="utf-8"))


def say(row: ClusteringRow) -> str:
    """A clustering in one line."""
    parts = [row.name]
    if row.accuracy is not None:
        spread = "" if row.spread is None else f" ± {100 * row.spread:.1f}"
        parts.append(f"accuracy {100 * row.accuracy:.1f}{spread} %")
    if row.i_zt is not None and row.h_z_given_t is not None:
        parts.append(f"I(Z;T) {row.i_zt:.2f}, H(Z|T) {row.h_z_given_t:.2f} bits")
    if row.n_clusters is not None:
        parts.append(f"{row.n_clusters} clusters")
    return "; ".join(parts)


def known(row: ClusteringRow, *names: str) -> bool:
    """Whether a clustering has all of these numbers."""
    values = [getattr(row, name) for name in names]
    return all(v is not None and math.isfinite(v) for v in values)


def ends(row: ClusteringRow) -> tuple[float, float]:
    """Accuracy less and plus one standard deviation."""
    accuracy, spread = row.accuracy or 0.0, row.spread or 0.0
    return accuracy - spread, accuracy + spread


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
    titles: bool,
) -> str:
    """The mark of clustering i at a pixel; hollow without a fill, titled for lack of a script."""
    shape, _ = svg.mark_of(row.source)
    title = svg.tag("title", escape(say(row))) if titles else ""
    kind = "mark" if fill else "mark unknown"
    return svg.mark(shape, *at, radius, title, class_=kind, fill=fill, data_row=i)


def shortened(words: str, longest: int) -> str:
    """The words, cut with an ellipsis where they are too long."""
    return words if len(words) <= longest else words[: longest - 1].rstrip() + "…"


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
    for source in sorted({r.source or "other" for r in rows}):
        shape, fill = svg.mark_of(source)
        words = _SOURCE_WORDS.get(source, source)
        length = 34 + 6.6 * len(words)
        if x > 10 and x + length > width:
            x, y = 10.0, y + 18
        kind = "key" if coloured else "key plain"
        parts.append(svg.mark(shape, x, y - 4, 5, class_=kind, fill=fill if coloured else None))
        parts.append(svg.text(x + 11, y, words, class_="tick"))
        x += length
    return Legend("".join(parts), y)
