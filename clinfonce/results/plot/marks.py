"""The mark, the colour and the word of a clustering's source: the same in every figure."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Mark:
    """How a source is drawn.

    Attributes:
        shape: of the mark.
        colour: of marks and lines, as #rrggbb.
        word: in a legend.
    """

    shape: str
    colour: str
    word: str


# Colours: Okabe & Ito, 2008.
_MARKS = {
    "instances": Mark("diamond", "#d55e00", "instances"),
    "frozen": Mark("hexagon", "#444b55", "frozen"),
    "labels": Mark("star", "#009e73", "labels"),
    "attributes": Mark("circle", "#0072b2", "attributes"),
    "kmeans": Mark("square", "#cc79a7", "k-means"),
    "hierarchy": Mark("triangle", "#b8860b", "hierarchy"),
    "tags": Mark("cross", "#56a5d8", "tags"),
    "column": Mark("pentagon", "#7a6fd0", "column"),
}


def mark_of(source: str | None) -> Mark:
    """The mark of a source."""
    known = _MARKS.get(source or "")
    return known or Mark("hexagon", "#8a8f98", source or "other")
