"""Small parts of a figure, as SVG text: scales, ticks, axes, marks, colours."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

# Viridis at nine even steps (van der Walt & Smith, 2015; CC0): perceptually uniform.
_VIRIDIS = (
    (68, 1, 84),
    (71, 45, 123),
    (59, 82, 139),
    (44, 114, 142),
    (33, 145, 140),
    (40, 174, 128),
    (94, 201, 98),
    (173, 220, 48),
    (253, 231, 37),
)


@dataclass(frozen=True)
class Scale:
    """A linear map from data, low … high, to pixels, start … end."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """The pixel of a value."""
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)


@dataclass(frozen=True)
class Frame:
    """The drawing area of a figure, in pixels, with its two scales."""

    width: int
    height: int
    x: Scale
    y: Scale


def frame(
    size: tuple[int, int], x: tuple[float, float], y: tuple[float, float], *, top: int = 16
) -> Frame:
    """A frame of a size (width, height) for data ranges, with room for axes."""
    width, height = size
    left, right, bottom = 52, 16, 48
    return Frame(
        width,
        height,
        Scale(x[0], x[1], left, width - right),
        Scale(y[0], y[1], height - bottom, top),
    )


def tag(name: str, content: str = "", /, **attributes: object) -> str:
    """An element; `class_` gives class, and an underscore inside a name a hyphen."""
    given = {k.rstrip("_").replace("_", "-"): v for k, v in attributes.items() if v is not None}
    text = "".join(f' {k}="{escape(_text(v), quote=True)}"' for k, v in given.items())
    return f"<{name}{text}>{content}</{name}>" if content else f"<{name}{text}/>"


def text(x: float, y: float, words: str, /, **attributes: object) -> str:
    """A line of text; markup in the words is escaped."""
    return tag("text", escape(words), x=x, y=y, **attributes)


def line(x1: float, y1: float, x2: float, y2: float, /, **attributes: object) -> str:
    """A straight line."""
    return tag("line", x1=x1, y1=y1, x2=x2, y2=y2, **attributes)


def polyline(points: Sequence[tuple[float, float]], /, **attributes: object) -> str:
    """A line through points."""
    joined = " ".join(f"{_text(x)},{_text(y)}" for x, y in points)
    return tag("polyline", points=joined, **attributes)


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Round numbers (1, 2, 5 · 10ⁿ apart) inside a range."""
    raw = (high - low) / max(about, 1)
    unit = 10.0 ** math.floor(math.log10(raw))
    step = next(m * unit for m in (1, 2, 5, 10) if m * unit >= raw * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [i * step for i in range(first, last + 1)]


def padded(values: Sequence[float], *, least: float, share: float = 0.06) -> tuple[float, float]:
    """The range of values with a margin, at least `least` wide."""
    low, high = min(values), max(values)
    margin = max((high - low) * share, (least - (high - low)) / 2)
    return low - margin, high + margin


def short(value: float) -> str:
    """A tick's number: no trailing zeros, a real minus sign."""
    return f"{value:.6g}".replace("-", "−")


def powers_of_two(low: float, high: float, about: int) -> list[tuple[float, str]]:
    """Ticks of an axis in log2, labelled with the number itself."""
    exponents = range(math.ceil(low - 1e-9), math.floor(high + 1e-9) + 1)
    step = max(1, math.ceil(len(exponents) / about))
    return [(float(e), f"{2**e:,}".replace(",", " ")) for e in exponents if e % step == 0]


def percent_ticks(low: float, high: float, about: int = 5) -> list[tuple[float, str]]:
    """Ticks of an axis of shares, labelled in percent."""
    return [(t, f"{short(100 * t)} %") for t in ticks(low, high, about)]


def plain_ticks(low: float, high: float, about: int = 5) -> list[tuple[float, str]]:
    """Ticks of an axis of numbers."""
    return [(t, short(t)) for t in ticks(low, high, about)]


def axes(
    f: Frame,
    x_ticks: Sequence[tuple[float, str]],
    y_ticks: Sequence[tuple[float, str]],
    x_title: str,
    y_title: str,
) -> str:
    """Grid lines, tick labels and titles; the title of y lies above its axis, to be read level."""
    parts = []
    for value, label in x_ticks:
        at = f.x(value)
        parts.append(line(at, f.y.start, at, f.y.end, class_="grid"))
        parts.append(text(at, f.y.start + 18, label, class_="tick", text_anchor="middle"))
    for value, label in y_ticks:
        at = f.y(value)
        parts.append(line(f.x.start, at, f.x.end, at, class_="grid"))
        parts.append(text(f.x.start - 8, at + 4, label, class_="tick", text_anchor="end"))
    parts.append(text(f.x.end, f.y.start + 38, x_title, class_="axis", text_anchor="end"))
    parts.append(text(4, f.y.end - 12, y_title, class_="axis"))
    return "".join(parts)


def colour(share: float) -> str:
    """The colour of the scale at 0 … 1."""
    at = min(max(share, 0.0), 1.0) * (len(_VIRIDIS) - 1)
    i = min(int(at), len(_VIRIDIS) - 2)
    mixed = (a + (at - i) * (b - a) for a, b in zip(_VIRIDIS[i], _VIRIDIS[i + 1], strict=True))
    return "#" + "".join(f"{round(c):02x}" for c in mixed)


def mark(shape: str, x: float, y: float, radius: float, /, **attributes: object) -> str:
    """A mark of about the same area whatever its shape."""
    if shape == "circle":
        return tag("circle", cx=x, cy=y, r=radius, **attributes)
    corners, turn, grow = _POLYGONS[shape]
    hollow = shape in ("star", "cross")  # every second corner lies inward
    count = 2 * corners if hollow else corners
    points = []
    for i in range(count):
        r = radius * grow * (0.45 if hollow and i % 2 else 1.0)
        angle = turn + 2 * math.pi * i / count
        points.append(f"{_text(x + r * math.sin(angle))},{_text(y - r * math.cos(angle))}")
    return tag("polygon", points=" ".join(points), **attributes)


_POLYGONS = {
    "square": (4, math.pi / 4, 1.2),
    "diamond": (4, 0.0, 1.35),
    "triangle": (3, 0.0, 1.4),
    "pentagon": (5, 0.0, 1.15),
    "hexagon": (6, 0.0, 1.1),
    "star": (5, 0.0, 1.7),
    "cross": (4, math.pi / 4, 1.5),
}


def _text(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.1f}".removesuffix(".0")
    return str(value)
