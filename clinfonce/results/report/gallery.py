"""What encoders make of images, to look at: a map of them, and nearest neighbours side by side."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any


@dataclass(frozen=True)
class Gallery:
    """Some test images as encoders see them.

    Attributes:
        atlas: JPEG of all thumbnails, `across` in a row.
        tile: pixels a side of a thumbnail.
        across: thumbnails in a row.
        n: images.
        maps: encoder, for people, to the places (n) of the images, each 0…1 twice.
        method: how the places were found, for people.
        columns: name to the values (n) of the images, as texts; the first one colours the map.
        neighbours: encoder to rows of image numbers, the one asked about first.
        recall: encoder to the share of neighbours with the label of the image asked about, over
            all images.
    """

    atlas: bytes
    tile: int
    across: int
    n: int
    maps: Mapping[str, Sequence[tuple[float, float]]]
    method: str
    columns: Mapping[str, Sequence[str]]
    neighbours: Mapping[str, Sequence[Sequence[int]]]
    recall: Mapping[str, float]

    @property
    def data(self) -> dict[str, Any]:
        """What the script of the page needs."""
        return {
            "tile": self.tile,
            "across": self.across,
            "maps": {
                name: [[round(x, 4), round(y, 4)] for x, y in places]
                for name, places in self.maps.items()
            },
            "columns": {name: list(values) for name, values in self.columns.items()},
        }

    @property
    def style(self) -> str:
        """The thumbnails, for the style sheet of the page."""
        image = base64.b64encode(self.atlas).decode()
        width = self.tile * self.across
        return (
            f".thumb{{width:{self.tile}px;height:{self.tile}px;display:inline-block;"
            f"background-image:url(data:image/jpeg;base64,{image});"
            f"background-size:{width}px auto}}"
        )

    @property
    def html(self) -> str:
        """The sections of the page."""
        return self._map() + self._sheet()

    def _map(self) -> str:
        encoders = "".join(f"<option>{escape(name)}</option>" for name in self.maps)
        columns = "".join(f"<option>{escape(name)}</option>" for name in self.columns)
        return (
            '<section aria-labelledby="h-map"><div class="headline"><h2 id="h-map">Map of test '
            'images</h2><div class="choices"><label>Encoder <select id="map-encoder">'
            f'{encoders}</select></label><label>Colour <select id="map-colour">{columns}</select>'
            '</label></div></div><figure><canvas id="map" tabindex="0" role="img" '
            'aria-label="Map of test images; arrow keys walk from image to image"></canvas>'
            '<div id="map-legend" class="legend"></div><p id="map-said" aria-live="polite" '
            'class="summary"></p>'
            f"<figcaption>{self.n} test images, {escape(self.method)}. Images that the encoder "
            "finds alike lie close; distances between far ones mean little. Point at one, or use "
            "the arrow keys, to see what it is.</figcaption></figure></section>"
        )

    def _sheet(self) -> str:
        heads = "".join(
            f'<th scope="col">{escape(name)} <span class="spread">'
            f"{100 * self.recall[name]:.0f} % of the same label</span></th>"
            for name in self.neighbours
        )
        first = next(iter(self.neighbours.values()))
        rows = "".join(self._line(number) for number in range(len(first)))
        return (
            '<section aria-labelledby="h-near"><h2 id="h-near">Nearest neighbours</h2>'
            '<div class="scroll" tabindex="0" role="region" aria-labelledby="h-near">'
            f'<table class="near"><thead><tr><th scope="col">image</th>{heads}</tr></thead>'
            f"<tbody>{rows}</tbody></table></div>"
            '<p class="summary">Of each test image on the left, the test images that are nearest '
            "to it by cosine; framed are those of another label.</p></section>"
        )

    def _line(self, number: int) -> str:
        cells, asked = [], 0
        for rows in self.neighbours.values():
            asked, *others = rows[number]
            cells.append("<td>" + "".join(self._thumb(i, asked) for i in others) + "</td>")
        return f'<tr><th scope="row">{self._thumb(asked, asked)}</th>{"".join(cells)}</tr>'

    def _thumb(self, image: int, asked: int) -> str:
        labels = next(iter(self.columns.values()))
        x, y = image % self.across * self.tile, image // self.across * self.tile
        other = "" if labels[image] == labels[asked] else " other"
        words = escape(labels[image], quote=True)
        return (
            f'<span class="thumb{other}" role="img" aria-label="{words}" title="{words}" '
            f'style="background-position:-{x}px -{y}px"></span>'
        )
