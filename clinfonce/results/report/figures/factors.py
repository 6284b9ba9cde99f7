"""What features let one read, before training and after it: a line a factor, in bits."""

from collections.abc import Sequence

from clinfonce.results.analysis.factors import Factor
from clinfonce.results.plot.labels import shortened
from clinfonce.results.report.figures import svg
from clinfonce.results.report.figures.common import WIDE, figure, nothing
from clinfonce.results.report.figures.svg import Frame, Scale

MOST_SHOWN = 24
_LINE = 26  # pixels
_NAMES = 190  # pixels that names have
_MARKS = {"attract": "+ ", "suppress": "− "}


def factors(found: Sequence[Factor], *, size: tuple[int, int] = WIDE) -> str:
    """Bits before (hollow) and after (filled); a tick marks the entropy, the most there is."""
    if not found:
        return nothing((size[0], 120), "No factors were measured")
    shown, width = found[:MOST_SHOWN], size[0]
    values = [v for f in shown for v in (f.before, f.after, f.most) if v is not None]
    high = svg.padded([0.0, *values], least=0.1)[1]
    bottom, left = 12 + _LINE * len(shown), min(_NAMES, width // 2)
    frame = Frame(
        width, bottom + 52, Scale(0, high, left, width - 20), Scale(0, len(shown), 12, bottom)
    )
    parts = []
    for value in svg.ticks(0, high, 5 if width > 500 else 3):
        at = frame.x(value)
        parts.append(svg.line(at, 12, at, bottom, class_="zero" if value == 0 else "grid"))
        parts.append(
            svg.text(at, bottom + 18, svg.short(value), class_="tick", text_anchor="middle")
        )
    parts += [_line(frame, i, factor) for i, factor in enumerate(shown)]
    title = "bits that features tell"
    parts.append(svg.text(frame.x.end, bottom + 40, title, class_="axis", text_anchor="end"))
    said = "; ".join(
        f"{f.name} {f.before:.2f}" + ("" if f.after is None else f" to {f.after:.2f}")
        for f in shown
    )
    label = f"Bits that features tell before and after training: {said}"
    return figure((width, bottom + 52), label, "".join(parts), role="img")


def _line(frame: Frame, i: int, factor: Factor) -> str:
    y = frame.y(i) + _LINE / 2
    name = _MARKS.get(factor.role, "") + factor.name
    parts = [svg.text(4, y + 4, shortened(name, int(frame.x.start / 6.8)), class_="label")]
    if factor.most is not None:
        at = frame.x(factor.most)
        parts.append(svg.line(at, y - 7, at, y + 7, class_="grid"))
    before = frame.x(factor.before)
    if factor.after is not None:
        after = frame.x(factor.after)
        parts.append(svg.line(before, y, after, y, class_="interval"))
        parts.append(svg.tag("circle", cx=after, cy=y, r=5, class_="estimate"))
    parts.append(svg.tag("circle", cx=before, cy=y, r=4, class_="inside"))
    return "".join(parts)
