"""Several things in one text: tags, and paths of hierarchies, as people and programs write them."""

import json
import re
from collections.abc import Callable, Collection, Iterable
from typing import Any, TypeAlias

from clinfonce.data.tables.words import clean

Tags: TypeAlias = tuple[str, ...]
Paths: TypeAlias = tuple[tuple[str, ...], ...]

# A list as Python, JSON, numpy or PostgreSQL print it. Quantifiers do not give back (`*+`), so that
# no text takes longer than its length.
_LIST = re.compile(r"\[.*\]|\{.*\}|\([^,]*+,.*\)", re.DOTALL)
_ITEM = re.compile(
    r"""\s*+(?:"((?:[^"\\]|\\.)*+)"|'((?:[^'\\]|\\.)*+)'|([^\s,"'\[\](){}][^,"'\[\](){}]*+))"""
    r"""\s*+(?:,|$|(?=["']))""",
    re.DOTALL,
)
_END = re.compile(r"\s*+$")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_NOTHING = {"None", "null", "NULL", "nan", "NaN"}


def is_list(text: str) -> bool:
    """Whether a text is a list as programs print them."""
    return _LIST.fullmatch(text) is not None and listed(text) is not None


def listed(text: str) -> Tags | Paths | None:
    """The items of a printed list, or the paths of a list of lists; None if it is no list."""
    if _LIST.fullmatch(text) is None:
        return None
    try:
        return _of_json(json.loads(text))
    except (ValueError, RecursionError):
        return _items(text[1:-1])


def _of_json(found: Any) -> Tags | Paths | None:
    if not isinstance(found, list):
        return None
    if found and all(isinstance(part, list) for part in found):
        return tuple(_scalars(part) or () for part in found)
    return _scalars(found)


def _scalars(found: Iterable[Any]) -> Tags | None:
    items = [item for item in found if item is not None]
    if any(isinstance(item, list | dict) for item in items):
        return None
    return tuple(clean(str(item)) for item in items)


def _items(inner: str) -> Tags | None:
    items, place = [], 0
    while not _END.match(inner, place):
        match = _ITEM.match(inner, place)
        if match is None:
            return None
        quoted = match[1] if match[1] is not None else match[2]
        item = clean(match[3] or "") if quoted is None else clean(_ESCAPE.sub(r"\1", quoted))
        if quoted is not None or item not in _NOTHING:
            items.append(item)
        place = match.end()
    return tuple(items)


def are_sets(texts: Collection[str]) -> bool:
    """Whether texts look like sets of tags with commas between them.

    That is so if they are made of no more different parts than there are texts: of names such as
    "Potter, Beatrix" there are more.
    """
    parts = {part.strip() for text in texts for part in text.split(",")} - {""}
    return any("," in text for text in texts) and len(parts) <= len(texts)


def tag_reader(texts: Collection[str]) -> tuple[Callable[[str], Tags], str]:
    """How these texts, of which the user says so, are read as tags, and what separates them.

    Args:
        texts: the different texts of a column.
    """
    if all(map(is_list, texts)):
        return lambda text: _set(_flat(listed(text) or ())), "as lists"
    if any("|" in text or ";" in text for text in texts):
        return lambda text: _set(text.replace(";", "|").split("|")), "at | and ;"
    if any("," in text for text in texts):
        return lambda text: _set(text.split(",")), "at commas"
    if any(" " in text for text in texts):
        return lambda text: _set(text.split()), "at blanks"
    return lambda text: _set([text]), "nowhere"


def path_of(text: str) -> tuple[str, ...]:
    """The steps of a path a/b/c."""
    return tuple(step.strip() for step in text.split("/") if step.strip())


def paths_of(text: str) -> Paths:
    """The paths of a place that has several parents: a list, or separated by | or ;."""
    found = listed(text)
    if found is not None:
        return tuple(p if isinstance(p, tuple) else path_of(p) for p in found)
    return tuple(
        path for part in _set(text.replace(";", "|").split("|")) if (path := path_of(part))
    )


def _set(items: Iterable[str]) -> Tags:
    return tuple(sorted({clean(item) for item in items} - {""}))


def _flat(found: Tags | Paths) -> Iterable[str]:
    for part in found:
        yield from part if isinstance(part, tuple) else (part,)
