"""Axes to draw on: the user's as they are, or ones of our own in a calm, light style."""

import io
import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

import matplotlib as mpl
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator

from clinfonce.results.plot.marks import Mark, mark_of

WIDTH = 7.6  # inches, of 72 pixels each
HEIGHT = 4.7
_LETTERS = 72  # that a line of a legend has
DARK, MUTED, PALE, ACCENT = "#1c2127", "#59636e", "#c3cad2", "#0b62c4"

SHAPES = {
    "circle": "o",
    "cross": "X",
    "diamond": "D",
    "hexagon": "h",
    "pentagon": "p",
    "square": "s",
    "star": "*",
    "triangle": "^",
}
_LARGER = {"*": 1.7, "X": 1.15, "^": 1.1, "p": 1.15, "h": 1.1}  # for marks to look alike in size

_STYLE: dict[Any, Any] = {
    "figure.dpi": 72,
    "font.size": 11,
    "axes.edgecolor": PALE,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.labelcolor": MUTED,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": "#e6e9ed",
    "text.color": DARK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "legend.frameon": False,
}
# DejaVu Sans comes with matplotlib, and has Greek and Cyrillic. Of these take one that is there.
_EAST_ASIAN = (
    "Noto Sans CJK SC", "Noto Sans CJK JP", "Noto Sans SC", "Source Han Sans SC",
    "WenQuanYi Zen Hei", "WenQuanYi Micro Hei", "Droid Sans Fallback", "PingFang SC",
    "Hiragino Sans", "Microsoft YaHei", "SimHei", "Yu Gothic", "Malgun Gothic", "Arial Unicode MS",
)  # fmt: skip
_FILES: dict[Any, Any] = {
    "svg.fonttype": "none",  # text stays text: it can be searched, and has the reader's letters
    "svg.hashsalt": "clinfonce",  # the same file each time
    "pdf.fonttype": 42,  # TrueType, which journals ask for
}


@contextmanager
def canvas(ax: Axes | None, height: float = HEIGHT) -> Iterator[Axes]:
    """Axes to draw on.

    Args:
        ax: the user's, whose style stays; None: those of a new figure, of no pyplot.
        height: of the new figure, in inches.
    """
    if ax is not None:
        yield ax
        return
    with mpl.rc_context({**_STYLE, "font.family": _fonts()}):
        yield Figure(figsize=(WIDTH, height), layout="constrained").subplots()


@cache
def _fonts() -> list[str]:
    there = set(font_manager.get_font_names())
    return ["DejaVu Sans", *[n for n in _EAST_ASIAN if n in there][:1], "sans-serif"]


def picture(ax: Axes, kind: str) -> bytes:
    """The figure of some axes as a file: svg, pdf or png."""
    file = io.BytesIO()
    undated = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(kind)
    with mpl.rc_context(_FILES), _quiet_about_fonts():
        whole(ax).savefig(file, format=kind, metadata=undated, dpi=200)
    return file.getvalue()


@contextmanager
def _quiet_about_fonts() -> Iterator[None]:
    """Whatever letters names have: what no font here has is a box, in an SVG the reader's letter.

    A weight that a font lacks is no news either.
    """
    log = logging.getLogger("matplotlib.font_manager")
    before = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Glyph .* missing from font", UserWarning)
            yield
    finally:
        log.setLevel(before)


def whole(ax: Axes) -> Figure:
    """The figure that axes are on."""
    figure = ax.get_figure(root=True)
    assert figure is not None
    return figure


def nothing(ax: Axes, words: str) -> Axes:
    """Axes that say why they are empty."""
    ax.set_axis_off()
    ax.text(0.5, 0.5, words, ha="center", va="center", transform=ax.transAxes, color=MUTED)
    return ax


def marker(mark: Mark, size: float = 7.0) -> dict[str, Any]:
    """Shape and size of a mark, as `Axes.plot` takes them."""
    shape = SHAPES[mark.shape]
    return {"marker": shape, "markersize": size * _LARGER.get(shape, 1.0)}


def source_legend(ax: Axes, sources: Sequence[str | None], *, coloured: bool = True) -> None:
    """The mark of each source, above the axes."""
    marks = {mark.word: mark for mark in map(mark_of, sources)}
    handles = [
        Line2D(
            [], [], linestyle="", label=word, **marker(mark, 6.5),
            markerfacecolor=mark.colour if coloured else "none",
            markeredgecolor=mark.colour if coloured else MUTED,
        )
        for word, mark in sorted(marks.items())
    ]  # fmt: skip
    columns = max(1, _LETTERS // (max(map(len, marks)) + 4))  # else the legend makes axes narrow
    ax.legend(
        handles=handles, loc="lower left", bbox_to_anchor=(0, 1.0), ncols=columns, frameon=False,
        borderaxespad=0.4, borderpad=0, handletextpad=0.2, columnspacing=1.2, labelcolor=MUTED,
    )  # fmt: skip


def percent_axis(axis: Any) -> None:
    """Ticks of shares in percent."""
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{plain(100 * value)} %"))


def log_axis(ax: Axes, values: Sequence[float]) -> None:
    """A logarithmic x axis with plain, round numbers."""
    ax.set_xscale("log")
    low, high = min(values), max(values)
    wide = high >= 5 * low
    ax.set_xlim(*((low / 1.1, high * 1.1) if wide else (low / 1.15, high * 1.15)))
    ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)) if wide else MaxNLocator(5))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: plain(value)))
    ax.xaxis.set_minor_locator(mpl.ticker.NullLocator())


def plain(value: float) -> str:
    """A number without trailing zeros, with a real minus sign."""
    return f"{value:.6g}".replace("-", "−")
