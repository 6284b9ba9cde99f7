"""The figure of benchmarks/search.py: how far below the best a search is, by trials."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# Told apart by colour and by dashes.
LINES = {
    "random": ("0.6", "-"), "tpe": ("#d55e00", "-"), "gp": ("#cc79a7", "-"),
    "tpe, advice": ("#d55e00", ":"), "additive": ("#0072b2", "-"), "advice": ("#0072b2", ":"),
    "additive, asha 4": ("#009e73", "--"),
}  # fmt: skip
ACROSS = 5


def draw(curves: Sequence[Mapping[str, Any]], path: Path) -> None:
    """A panel a table, a line a search."""
    panels = list(dict.fromkeys((row["table"], row["data"]) for row in curves))
    down = -(-len(panels) // ACROSS)
    figure = Figure(figsize=(11, 2.4 * down + 0.5), layout="constrained")
    grid = figure.subplots(down, ACROSS, squeeze=False).flatten()
    for axes, panel in zip(grid, panels, strict=False):
        own = {row["search"]: row for row in curves if (row["table"], row["data"]) == panel}
        _panel(axes, {name: own[name] for name in LINES if name in own})
        axes.set_title(f"{panel[0]}, {panel[1]}", fontsize=9)
    for axes in grid[len(panels) :]:
        axes.set_axis_off()
    for axes in grid[::ACROSS]:
        axes.set_ylabel("points below the best", fontsize=8)
    drawn = {line.get_label(): line for axes in grid for line in axes.get_lines()}
    names = [name for name in LINES if name in drawn]  # not every panel has all
    figure.legend(
        [drawn[name] for name in names], names, loc="outside lower center", ncols=len(names),
        frameon=False, fontsize=8,
    )  # fmt: skip
    with mpl.rc_context({"svg.hashsalt": "search", "svg.fonttype": "none"}):
        figure.savefig(path, metadata={"Date": None})


def _panel(axes: Axes, curves: Mapping[str, Mapping[str, Any]]) -> None:
    for name, row in curves.items():
        trials = sorted(int(key) for key in row if key.isdecimal())
        colour, dashes = LINES[name]
        means = [float(row[str(number)]) for number in trials]
        axes.plot(trials, means, color=colour, linestyle=dashes, linewidth=1.3, label=name)
    # The first trial of some searches is all images alone, far below.
    tops = [float(row["3"]) for row in curves.values() if "3" in row]
    axes.set_ylim(0, 1.05 * max(tops, default=1) or 1)
    axes.set_xlabel("trials", fontsize=8)
    axes.tick_params(labelsize=7)
    axes.spines[["top", "right"]].set_visible(False)
