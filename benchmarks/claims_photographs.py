"""README's first figure and table: what clusterings make of a pretrained encoder."""

from collections.abc import Iterator
from typing import Any

from claims_rows import DATA, FROZEN, Methods
from claims_statistics import (
    INFONCE,
    SUPCON,
    auxiliary,
    chosen,
    line,
    say,
    t_interval,
    values,
)

from clinfonce.results.plot.canvas import ACCENT, DARK, MUTED, PALE, canvas

COLUMN = "test_linear_top1_5"
_ADAPTED = ", pretrained"  # what DATA says of those


def least(methods: Methods) -> str:
    """The auxiliary clustering of least validation accuracy."""
    return min(auxiliary(methods), key=lambda n: values(methods[n], "val_linear_top1_5").mean())


def shown(methods: Methods) -> dict[str, str]:
    """What is shown, and the method that it is."""
    return {
        "as downloaded": FROZEN, "instances": INFONCE, "worst column": least(methods),
        "best columns": chosen(methods), "labels": SUPCON,
    }  # fmt: skip


def pretrained(all_methods: dict[str, Methods]) -> dict[str, Methods]:
    """The data sets on which an adapter of an encoder was trained."""
    return {data: found for data, found in all_methods.items() if DATA[data].endswith(_ADAPTED)}


def table(all_methods: dict[str, Methods]) -> Iterator[str]:
    """A row for each data set."""
    yield "| images | encoder as downloaded | adapted to instances | to its worst column | to its best | to all labels |"  # noqa: E501
    yield "|---|---:|---:|---:|---:|---:|"
    for data, methods in pretrained(all_methods).items():
        cells = [DATA[data].removesuffix(_ADAPTED)]
        for words, name in shown(methods).items():
            found = t_interval(values(methods[name], COLUMN))
            accuracy = say(found).partition(" ")[0] if name == FROZEN else say(found)
            cells.append(f"{accuracy} ({name})" if "column" in words else accuracy)
        yield line(cells)


_MARKS = {
    "as downloaded": ("|", DARK), "instances": ("o", MUTED), "worst column": ("X", "#c0392b"),
    "best columns": ("o", ACCENT), "labels": ("D", PALE),
}  # fmt: skip


def figure(all_methods: dict[str, Methods]) -> Any:
    """Accuracy of each, a line a data set."""
    data_sets = pretrained(all_methods)
    with canvas(None, height=0.7 + 0.6 * len(data_sets)) as ax:
        for y, methods in enumerate(data_sets.values()):
            names = shown(methods)
            accuracy = {w: values(methods[n], COLUMN).mean() for w, n in names.items()}
            ends = [accuracy["as downloaded"], accuracy["best columns"]]
            ax.plot(ends, [y, y], color=ACCENT, alpha=0.35, linewidth=3)
            for words, (marker, colour) in _MARKS.items():
                size = 16 if marker == "|" else 9
                ax.plot(accuracy[words], y, marker, color=colour, markersize=size,
                        markeredgewidth=2 if marker == "|" else 1,
                        label=words if y == 0 else None, linestyle="")  # fmt: skip
        labels = [DATA[data].removesuffix(_ADAPTED) for data in data_sets]
        ax.set_yticks(range(len(labels)), labels)
        ax.set_ylim(len(labels) - 0.5, -0.5)
        ax.grid(visible=False, axis="y")
        ax.xaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f}")
        ax.set_xlabel("test accuracy in %, linear probe with 5 labels a class")
        ax.legend(loc="lower center", bbox_to_anchor=(0.45, 1.0), ncols=len(_MARKS), fontsize=10,
                  handletextpad=0.1, columnspacing=1.2)  # fmt: skip
    return ax
