"""Figures as PDF: the few SVG elements that they are made of, drawn by hand.

Text is set in Helvetica, which every reader has; a character outside of Windows-1252 becomes a
question mark.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from xml.etree import ElementTree

from clinfonce.results.report.figures.common import light_style

Style = Mapping[str, str]

# Widths of Helvetica from space to tilde, in thousandths of the size (Adobe's font metrics).
_WIDTHS = (
    278, 278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278, 556, 556, 556,
    556, 556, 556, 556, 556, 556, 556, 278, 278, 584, 584, 584, 556, 1015, 667, 667, 722, 722, 667,
    611, 778, 722, 278, 500, 667, 556, 833, 722, 778, 667, 778, 722, 667, 611, 722, 667, 944, 667,
    667, 611, 278, 278, 278, 469, 556, 333, 556, 556, 500, 556, 556, 278, 556, 556, 222, 222, 500,
    222, 833, 556, 556, 556, 556, 333, 500, 278, 556, 500, 722, 500, 500, 500, 334, 260, 334, 584,
)  # fmt: skip
_OTHER_WIDTH = 556
_SPELLED = str.maketrans({"−": "–", "ρ": "rho", "₂": "2", "\u202f": " "})
_ROUND = 0.5523  # of the radius: control points of a quarter of a circle
_BOLD = 600


def pdf(figure: str) -> bytes:
    """A figure, SVG text of this package, as a PDF file of one page with a white background."""
    root = ElementTree.fromstring(figure)
    width, height = (float(v) for v in root.attrib["viewBox"].split()[2:])
    opacities: dict[str, int] = {}
    drawn = [line for element in root.iter() for line in _element(element, height, opacities)]
    content = "\n".join(drawn).encode("cp1252", "replace")
    states = " ".join(f"/O{i} << /ca {o} /CA {o} >>" for o, i in opacities.items())
    fonts = " ".join(
        f"/{key} << /Type /Font /Subtype /Type1 /BaseFont /{name} /Encoding /WinAnsiEncoding >>"
        for key, name in (("F", "Helvetica"), ("B", "Helvetica-Bold"))
    )
    return _file(
        [
            b"<< /Type /Catalog /Pages 2 0 R >>",
            b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {width:g} {height:g}] /Contents 4 0 R "
            f"/Resources << /Font << {fonts} >> /ExtGState << {states} >> >> >>".encode(),
            b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content),
        ]
    )


def _file(objects: Sequence[bytes]) -> bytes:
    """Number the objects and add the table of where each begins."""
    content = b"%PDF-1.4\n"
    starts = []
    for number, body in enumerate(objects, 1):
        starts.append(len(content))
        content += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % start for start in starts)
    head = b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    tail = b"trailer << /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n"
    return content + head + table + tail % (len(objects) + 1, len(content))


@cache
def _rules() -> tuple[tuple[str, Style], ...]:
    """The style of the figures: tag or .class → properties, in order."""
    found = []
    for selectors, body in re.findall(r"([^{}]+)\{([^}]*)\}", light_style()):
        properties = dict(re.findall(r"([\w-]+):\s*([^;]+?)\s*(?:;|$)", body))
        found += [(selector.split()[-1], properties) for selector in selectors.split(",")]
    return tuple(found)


def _style(element: ElementTree.Element, name: str) -> dict[str, str]:
    """Attributes of an element, overruled by the style sheet: tags first, then classes."""
    classes = element.get("class", "").split()
    style = dict(element.attrib)
    for wanted in ([name], [f".{c}" for c in classes]):
        for selector, properties in _rules():
            if selector in wanted:
                style |= properties
    return style


def _element(
    element: ElementTree.Element, height: float, opacities: dict[str, int]
) -> Iterator[str]:
    name = element.tag.rpartition("}")[2]
    style = _style(element, name)
    if name == "text":
        yield _text(element.text or "", style, height)
    elif (path := _path(name, style, height)) is not None:
        fill, stroke = style.get("fill", "none"), style.get("stroke", "none")
        filled = fill != "none" and name != "line"
        opacity = style.get("fill-opacity" if filled else "stroke-opacity", "1")
        yield f"q /O{opacities.setdefault(opacity, len(opacities))} gs"
        if filled:
            yield f"{_colour(fill)} rg"
        if stroke != "none":
            yield f"{_colour(stroke)} RG {style.get('stroke-width', '1')} w"
            yield f"{1 if style.get('stroke-linecap') == 'round' else 0} J"
            yield f"[{style.get('stroke-dasharray', '')}] 0 d"
        paint = {(True, True): "B", (True, False): "f", (False, True): "S"}
        yield f"{path} {paint.get((filled, stroke != 'none'), 'n')} Q"


def _path(name: str, style: Style, height: float) -> str | None:
    """The outline of a shape; None for what is none."""
    number = {key: float(v) for key, v in style.items() if re.fullmatch(r"-?[\d.]+", v)}
    match name:
        case "line":
            ends = (number["x1"], number["y1"]), (number["x2"], number["y2"])
            return _joined(ends, height)
        case "rect":
            x, y, w, h = (number.get(key, 0.0) for key in ("x", "y", "width", "height"))
            return f"{x:g} {height - y - h:g} {w:g} {h:g} re"
        case "circle":
            return _circle(number["cx"], height - number["cy"], number["r"])
        case "polyline" | "polygon":
            pairs = [p.split(",") for p in style["points"].split()]
            end = " h" if name == "polygon" else ""
            return _joined([(float(x), float(y)) for x, y in pairs], height) + end
    return None


def _joined(points: Sequence[tuple[float, float]], height: float) -> str:
    return " ".join(
        f"{x:.2f} {height - y:.2f} {'l' if i else 'm'}" for i, (x, y) in enumerate(points)
    )


def _circle(x: float, y: float, r: float) -> str:
    k = _ROUND * r
    return (
        f"{x + r:.2f} {y:.2f} m "
        f"{x + r:.2f} {y + k:.2f} {x + k:.2f} {y + r:.2f} {x:.2f} {y + r:.2f} c "
        f"{x - k:.2f} {y + r:.2f} {x - r:.2f} {y + k:.2f} {x - r:.2f} {y:.2f} c "
        f"{x - r:.2f} {y - k:.2f} {x - k:.2f} {y - r:.2f} {x:.2f} {y - r:.2f} c "
        f"{x + k:.2f} {y - r:.2f} {x + r:.2f} {y - k:.2f} {x + r:.2f} {y:.2f} c h"
    )


def _text(words: str, style: Style, height: float) -> str:
    shown = words.translate(_SPELLED).encode("cp1252", "replace").decode("cp1252")
    size = float(style.get("font-size", "12px").removesuffix("px"))
    length = sum(_width(c) for c in shown) * size / 1000
    before = {"middle": length / 2, "end": length}.get(style.get("text-anchor", ""), 0.0)
    x, y = float(style["x"]) - before, height - float(style["y"])
    font = "B" if int(style.get("font-weight", "400")) >= _BOLD else "F"
    escaped = re.sub(r"([\\()])", r"\\\1", shown)
    return (
        f"BT {_colour(style['fill'])} rg /{font} {size:g} Tf {x:.2f} {y:.2f} Td ({escaped}) Tj ET"
    )


def _width(character: str) -> int:
    place = ord(character) - 32
    return _WIDTHS[place] if 0 <= place < len(_WIDTHS) else _OTHER_WIDTH


def _colour(text: str) -> str:
    """#rrggbb as three shares."""
    return " ".join(f"{int(text[i : i + 2], 16) / 255:.3f}" for i in (1, 3, 5))
