"""Columns of texts made into columns of values: types are inferred, or given."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np

from clinfonce.data.table import Column, Kind, Level
from clinfonce.data.tables.texts import TextTable
from clinfonce.errors import InputError

MISSING = frozenset({"", "na", "n/a", "nan", "null"})
MOST_CATEGORIES = 20  # integers of more distinct values are quantities

_TRUE = {"true": True, "yes": True, "t": True, "y": True, "1": True}
_FALSE = {"false": False, "no": False, "f": False, "n": False, "0": False, "-1": False}
_BOOLEANS = _TRUE | _FALSE
_PAIRS = [{"true", "false"}, {"yes", "no"}, {"t", "f"}, {"y", "n"}, {"1", "0"}, {"1", "-1"}]


@dataclass(frozen=True)
class Parsed:
    """A column, and how many of its values did not fit its kind."""

    column: Column
    n_bad: int


def parse_column(
    table: TextTable, name: str, kind: Kind | None, labels: list[str] | None, skip_bad: bool
) -> Parsed:
    """Make the texts of one column into a `Column`.

    Args:
        table: of texts.
        name: of the column.
        kind: None infers it.
        labels: (n,) texts, to tell class-level columns from image-level ones.
        skip_bad: take values that do not fit the kind as missing, and count them.

    Raises:
        InputError: no value at all, a kind that does not exist, numbers with a text among them,
            or (unless `skip_bad`) a value that does not fit the given kind.
    """
    texts = table.column(name)
    present = [text.lower() not in MISSING for text in texts]
    if not any(present):
        raise InputError(
            f"{table.file}: column {name!r} has no value in any row; "
            "--skip-bad (skip_bad) leaves it out"
        )
    if kind is not None and kind not in get_args(Kind):
        raise InputError(f"type {kind!r} of column {name!r} is none of {', '.join(get_args(Kind))}")
    kind = kind or _infer(table, name, texts, present)
    parse = _PARSERS[kind]
    if kind == "hierarchy" and any(map(_is_list, texts)):
        parse = _paths
    values, n_bad = [], 0
    for row, text in enumerate(texts):
        value = parse(text) if present[row] else None
        if present[row] and value is None:
            if not skip_bad:
                raise InputError(f"{table.where(row)}: {name} is {text!r}, not {kind}")
            present[row], n_bad = False, n_bad + 1
        values.append(value if present[row] else _FILLERS[kind])
    missing = None if all(present) else ~np.array(present)
    level = _level(values, present, labels)
    return Parsed(Column(name, kind, _as_array(values, kind), missing, "", level), n_bad)


def _infer(table: TextTable, name: str, texts: list[str], present: list[bool]) -> Kind:
    distinct = {t.lower() for t, known in zip(texts, present, strict=True) if known}
    if any(distinct <= pair for pair in _PAIRS):
        return "boolean"
    if any("/" not in part for text in distinct if _is_list(text) for part in _tags(text)):
        return "tags"
    if any("/" in text for text in distinct):
        return "hierarchy"
    numbers = [text for text in distinct if _number(text) is not None]
    if len(numbers) == len(distinct):
        whole = all(text.lstrip("+-").isdecimal() for text in numbers)
        return "categorical" if whole and len(distinct) <= MOST_CATEGORIES else "numeric"
    if len(numbers) > MOST_CATEGORIES and len(numbers) > 0.9 * len(distinct):
        row = next(r for r, t in enumerate(texts) if present[r] and _number(t) is None)
        raise InputError(
            f"{table.where(row)}: {name} is {texts[row]!r} among numbers; "
            "correct it, leave it empty, or give the column's type"
        )
    return "categorical"


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and "_" not in text else None


def _tags(text: str) -> tuple[str, ...]:
    return tuple(sorted({tag.strip() for tag in text.replace(";", "|").split("|")} - {""}))


def _is_list(text: str) -> bool:
    return "|" in text or ";" in text


def _path(text: str) -> tuple[str, ...]:
    return tuple(step.strip() for step in text.split("/") if step.strip())


def _paths(text: str) -> tuple[tuple[str, ...], ...]:
    """The paths to a node that has several parents."""
    return tuple(path for part in _tags(text) if (path := _path(part)))


_PARSERS: dict[Kind, Callable[[str], Any]] = {
    "boolean": lambda text: _BOOLEANS.get(text.lower()),
    "categorical": lambda text: text,
    "numeric": _number,
    "tags": _tags,
    "hierarchy": _path,
}
_FILLERS: dict[Kind, Any] = {
    "boolean": False,
    "categorical": "",
    "numeric": 0.0,
    "tags": (),
    "hierarchy": (),
}


def _as_array(values: list[Any], kind: Kind) -> np.ndarray[Any, Any]:
    if kind in ("tags", "hierarchy"):
        array = np.empty(len(values), dtype=object)
        array[:] = values
        return array
    return np.array(values, dtype={"boolean": bool, "numeric": float, "categorical": str}[kind])


def _level(values: list[Any], present: list[bool], labels: list[str] | None) -> Level:
    """Class level if all images of a class have the same value."""
    if labels is None:
        return "image"
    rows = zip(labels, values, present, strict=True)
    pairs = {(t, v if p else None) for t, v, p in rows if t.lower() not in MISSING}
    return "class" if len(pairs) == len({t for t, _ in pairs}) else "image"
