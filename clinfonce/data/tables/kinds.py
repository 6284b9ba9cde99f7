"""What kind of values a column holds: as its file says, as the user says, or as its texts look."""

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np

from clinfonce.data.table import Kind
from clinfonce.data.tables.lists import are_sets, is_list, listed, path_of, paths_of, tag_reader
from clinfonce.data.tables.numbers import DAYS, date_reader, days_of, number_reader, plain
from clinfonce.data.tables.source import Cells, SourceTable, text_of
from clinfonce.data.tables.words import Missing
from clinfonce.errors import InputError

MOST_CATEGORIES = 20  # whole numbers of more distinct values are quantities
IGNORE = "ignore"  # a type of a column that is left out
_EXACT = 1 << 53  # whole numbers beyond it are no float

_TRUE = {"true": True, "yes": True, "t": True, "y": True, "1": True}
_FALSE = {"false": False, "no": False, "f": False, "n": False, "0": False, "-1": False}
_BOOLEANS = _TRUE | _FALSE
_PAIRS = [{"true", "false"}, {"yes", "no"}, {"t", "f"}, {"y", "n"}, {"1", "0"}, {"1", "-1"}]
_ZERO_FIRST = re.compile(r"0\d+")
_WHOLE = re.compile(r"[+-]?\d+")
# Names of columns whose numbers name things: id, sender_id, userId, zip, postal code, ...
_NAMES_THINGS = re.compile(
    r"(?i:(?:.*[\s_.-])?(?:id|ids|uid|uuid|guid|zip|plz|postcode|isbn|ean|sku|barcode)|"
    r".*(?:zip|postal|post)[\s_-]?code)|.*[a-z](?:Id|ID)"
)
UNFIT = {
    "vector": "lists of numbers (embeddings?)",
    "image": "files or records",
    "other": "values that are no auxiliary information",
}


@dataclass(frozen=True)
class Reading:
    """How what stands in a column becomes values of a kind.

    Attributes:
        kind: of the values.
        read: what stands there to the value, None if it does not fit.
        note: what is unsure, for people.
        description: of the values, for people.
    """

    kind: Kind
    read: Callable[[Any], Any]
    note: str | None = None
    description: str = ""


@dataclass(frozen=True)
class Given:
    """A column to be read.

    Attributes:
        name: its name.
        cells: what stands in it.
        distinct: the different values among those that are not missing.
        decimal_comma: whether 1,5 is a matter of course in its file.
        where: row to its place in the file, for messages.
    """

    name: str
    cells: Cells
    distinct: Collection[Any]
    decimal_comma: bool
    where: Callable[[int], str]


def check_form(table: SourceTable, name: str) -> None:
    """Refuse a column that can be no auxiliary information.

    Raises:
        InputError: it holds embeddings, files or records.
    """
    form = table.cells(name).form
    if form in UNFIT:
        raise InputError(
            f"{table.file}: column {name!r} holds {UNFIT[form]}; --type {name}={IGNORE} leaves "
            "it out"
        )


def reading_of(column: Given, kind: Kind | None) -> Reading:
    """How a column is read.

    Args:
        column: what stands in it.
        kind: as the user says; None takes over the file's type, or infers one from texts.

    Raises:
        InputError: numbers with a text among them.
    """
    form = column.cells.form
    if form in ("text", "string"):
        return _inferred(column) if kind is None else _named(kind, column)
    typed = _typed(column)
    if kind is None or kind == typed.kind:
        return typed
    if form == "list" and kind == "hierarchy":  # each list is one path
        return Reading(kind, lambda value: value)
    texts = {_as_text(value) for value in column.distinct}
    as_texts = _named(kind, replace(column, distinct=texts))
    return replace(as_texts, read=lambda value: as_texts.read(_as_text(value)))


def _typed(column: Given) -> Reading:
    """How values are read that their file has a type for."""
    match column.cells.form:
        case "boolean":
            return Reading("boolean", bool)
        case "integer":
            return _whole_numbers(column, [str(value) for value in column.distinct])
        case "date":
            return Reading("numeric", days_of, description=DAYS)
        case "list":
            return Reading("tags", lambda value: tuple(sorted(set(value) - {""})))
        case "lists":
            return Reading("hierarchy", lambda value: value)
        case _:
            return Reading("numeric", _finite, description=column.cells.description)


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _as_text(value: Any) -> str:
    return value.isoformat(" ") if isinstance(value, datetime) else text_of(value)


def _named(kind: Kind, column: Given) -> Reading:
    """How texts are read as a kind that the user names."""
    texts = column.distinct
    match kind:
        case "boolean":
            return Reading(kind, lambda text: _BOOLEANS.get(text.lower()))
        case "categorical":
            return Reading(kind, str)
        case "numeric":
            days, _ = date_reader(texts)
            if days is not None:
                return Reading(kind, days, description=DAYS)
            return Reading(kind, *number_reader(texts, column.decimal_comma))
        case "tags":
            tags, how = tag_reader(texts)
            return Reading(kind, tags, "split at blanks" if how == "at blanks" else None)
        case "hierarchy":
            several = any("|" in t or ";" in t or _is_list_of_lists(t) for t in texts)
            return Reading(kind, paths_of if several else path_of)


def _inferred(column: Given) -> Reading:
    """How texts are read, by what they look like; strings of a typed file are never numbers."""
    texts, typed = column.distinct, column.cells.form == "string"
    folded = {text.lower() for text in texts}
    if any(folded <= pair for pair in _PAIRS) and not (typed and folded <= {"1", "0", "-1"}):
        return _named("boolean", column)
    if not typed and (found := _quantity(column)) is not None:
        return found
    if all(map(is_list, texts)):
        return _named("hierarchy" if any(map(_is_list_of_lists, texts)) else "tags", column)
    several = [text.replace(";", "|") for text in texts if "|" in text or ";" in text]
    if any("/" not in part for text in several for part in text.split("|") if part.strip()):
        return _named("tags", column)
    n_paths = sum("/" in text and not Missing().is_word(text) for text in texts)  # N/A is none
    if n_paths and not any("://" in text for text in texts):
        return replace(_named("hierarchy", column), note=_few_paths(column, n_paths))
    if are_sets(texts):
        note = f"split at commas; --type {column.name}=categorical takes the values whole"
        return replace(_named("tags", column), note=note)
    return Reading("categorical", str, _odd_one(texts))


def _few_paths(column: Given, n: int) -> str | None:
    if 2 * n >= len(column.distinct):
        return None
    return (
        f"{n} of {len(column.distinct)} values hold /, so all are read as paths; "
        f"--type {column.name}=categorical takes them whole"
    )


def _quantity(column: Given) -> Reading | None:
    """How texts are read as numbers or dates, if they are some."""
    texts = column.distinct
    days, unsure = date_reader(texts)
    if days is not None:
        return Reading("numeric", days, f"dates, {DAYS}", DAYS)
    if unsure is not None:
        return Reading("categorical", str, unsure)
    read, note = number_reader(texts, column.decimal_comma)
    odd = [text for text in texts if read(text) is None]
    if not odd:
        whole = all(map(_WHOLE.fullmatch, texts))
        return _whole_numbers(column, list(texts)) if whole else Reading("numeric", read, note)
    n_numbers = len(texts) - len(odd)
    if n_numbers > MOST_CATEGORIES and n_numbers > 0.9 * len(texts):
        row = min(column.cells.values.index(text) for text in odd)
        raise InputError(
            f"{column.where(row)}: {column.name} is {column.cells.values[row]!r} among numbers; "
            "correct it, leave it empty, name it as a word for nothing (--missing), or give the "
            f"type of the column (--type {column.name}=…)"
        )
    return None


def _whole_numbers(column: Given, texts: Sequence[str]) -> Reading:
    """Whether whole numbers are quantities or names of things."""
    name = column.name
    if any(map(_ZERO_FIRST.fullmatch, texts)):
        return Reading("categorical", str, "numbers that start with 0 are taken as names")
    if len(texts) <= MOST_CATEGORIES:
        return Reading("categorical", str)
    if any(len(text) > 15 and abs(int(text[:40])) >= _EXACT for text in texts):
        return Reading("categorical", str, "numbers of so many digits are taken as names")
    if _NAMES_THINGS.fullmatch(name):
        note = f"taken as names, not as quantities; --type {name}=numeric if they are"
        return Reading("categorical", str, note)
    unsure = None
    if len(texts) == len(column.cells.values):
        unsure = (
            f"every row has another whole number; --type {name}=categorical if they are names, "
            f"--type {name}={IGNORE} leaves them out"
        )
    return Reading("numeric", lambda value: plain(str(value)), unsure)


def _odd_one(texts: Collection[str]) -> str | None:
    """What alone keeps the values from being booleans or numbers."""
    folded = {text.lower(): text for text in texts}
    for pair in _PAIRS:
        if pair <= folded.keys() and len(folded) == 3:
            (odd,) = folded.keys() - pair
            if all(plain(text) is not None for text in texts):
                return None  # three numbers
            return _may_be_missing(folded[odd])
    strange = [text for text in texts if plain(text) is None]
    return _may_be_missing(strange[0]) if len(strange) == 1 and len(texts) > 3 else None


def _may_be_missing(text: str) -> str:
    return f"{text!r} is unlike all other values; --missing {text!r} if it means nothing"


def _is_list_of_lists(text: str) -> bool:
    return any(isinstance(part, tuple) for part in listed(text) or ())
