"""The report: one HTML file that needs nothing else."""

import base64
import hashlib
import json
import math
import os
import re
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

from clinfonce.files import write_atomically
from clinfonce.results.analysis.averages import DEFAULT_METRIC
from clinfonce.results.report.gallery import Gallery
from clinfonce.results.report.material import Material, gather
from clinfonce.results.report.sections import sections
from clinfonce.results.sql.query import Results
from clinfonce.text import printable

_HERE = Path(__file__).parent


def report(
    results: Results,
    out: str | os.PathLike[str],
    *,
    metric: str = DEFAULT_METRIC,
    sweep: str | None = None,
    command: str | None = None,
    gallery: Gallery | None = None,
) -> Path:
    """Write the report, one HTML file that opens without a network.

    Args:
        results: an open store.
        out: the file; written whole or not at all.
        metric: accuracy column of `trials` that the report is about.
        sweep: name of one sweep; None takes all.
        command: the command that made the results, to be shown.
        gallery: test images as encoders see them, as `clinfonce.trial.gallery` makes it.

    Returns:
        The file.

    Raises:
        InputError: unknown metric or sweep, or the trials are of several data sets.
    """
    material = gather(results, metric=metric, sweep=sweep)
    path = Path(out)
    write_atomically(path, printable(_page(material, command, gallery)).encode())
    return path


def _page(material: Material, command: str | None, gallery: Gallery | None) -> str:
    script = (_HERE / "report.js").read_text(encoding="utf-8")
    style = "".join(
        (_HERE / name).read_text(encoding="utf-8") for name in ("report.css", "figures.css")
    )
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    parts = sections(material, command) | {
        "gallery": "" if gallery is None else gallery.html,
        "style": style + ("" if gallery is None else gallery.style),
        "script": script,
        "script_hash": f"sha256-{digest}",
        "title": escape(_title(material)),
        "data": _inline_json(_data(material, gallery)),
    }
    return _fill((_HERE / "report.html").read_text(encoding="utf-8"), parts)


def _title(material: Material) -> str:
    relation = material.relation
    return f"{relation.sweep or relation.data or 'results'} · clinfonce"


def _data(material: Material, gallery: Gallery | None) -> dict[str, Any]:
    """What the script of the page needs: the rows of the table and of the tooltips, the map."""
    rows = [{k: _finite(v) for k, v in vars(row).items()} for row in material.relation.rows]
    images = None if gallery is None else gallery.data
    return {"rows": rows, "chosen": material.relation.chosen, "gallery": images}


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _inline_json(data: Any) -> str:
    """JSON that cannot end the element it stands in."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _fill(template: str, parts: Mapping[str, str]) -> str:
    """Put the parts in their places in one pass, so that a part is never searched for places."""
    return re.sub(r"\{\{(\w+)\}\}", lambda found: parts[found[1]], template)
