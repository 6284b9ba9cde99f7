"""What of a changed specification a finished sweep can take in, with all its rows kept.

Seeds, fixed trials, searched trials and elements of a search's subsets may be added, and so may a
search. Everything else is what some kept row stands on.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from clinfonce.config.search import MOST_IN_TIME
from clinfonce.errors import InputError

Plain = Mapping[str, Any]  # a specification, or a part of one, as JSON has it

_BESIDE = ("fixed", "seeds", "search", "frozen")  # frozen adds a fixed trial, and is no more
_MORE = ("trials", "confirm", "minutes")  # numbers of a search that may rise


def differences(before: Plain, now: Plain, attributes: Sequence[str] = ()) -> Iterator[str]:
    """What differs and is no growth, a text each.

    Args:
        before: the specification that rows were made with.
        now: another.
        attributes: what `subset: all` stood for before.
    """
    for name in sorted((before.keys() | now.keys()) - set(_BESIDE)):
        yield from _unequal(before.get(name), now.get(name), name)
    if lost := [seed for seed in before["seeds"] if seed not in now["seeds"]]:
        yield f"seeds was {before['seeds']}, is {now['seeds']} (without {lost[0]})"
    yield from _lost_or_changed(before["fixed"], now["fixed"])
    if before["search"] is not None:
        yield from _of_searches(before["search"], now["search"], attributes)


def check_growth(before: Plain, now: Plain) -> None:
    """Refuse a space that grew with no trials to look at what is new.

    Raises:
        InputError: as it says.
    """
    old, new = before["search"], now["search"]
    if old is None or new is None or new["sampler"] == "grid":
        return
    if old["space"] != new["space"] and old["trials"] == new["trials"]:
        raise InputError(
            f"search.space has grown, but all {old['trials']} trials are proposed already: raise "
            "search.trials for some to look at what is new"
        )


def stage_of(specification: Plain, offered: Plain) -> dict[str, Any] | None:
    """What a later, longer search has to know of the one before it; None if there was none."""
    search = specification["search"]
    if search is None or search["sampler"] == "grid":
        return None
    return {"until": search["trials"] or MOST_IN_TIME, "search": search, **offered}


def _lost_or_changed(before: list[Any], now: list[Any]) -> Iterator[str]:
    """Of fixed trials."""
    there = {named["name"]: named for named in now}
    for named in before:
        if named["name"] not in there:
            yield f"fixed trial {named['name']!r} is gone"
            continue
        place = f"fixed.{named['name']}"
        yield from _unequal(named["trial"], there[named["name"]]["trial"], f"{place}.trial")
        yield from _unequal(named["choose"], there[named["name"]]["choose"], f"{place}.choose")


def _of_searches(before: Plain, now: Plain | None, attributes: Sequence[str]) -> Iterator[str]:
    if now is None:
        yield "search was there, is gone"
        return
    for name in sorted((before.keys() | now.keys()) - {"space", *_MORE}):
        yield from _unequal(before.get(name), now.get(name), f"search.{name}")
    for name in _MORE:
        old, new = before.get(name), now.get(name)
        if old is not None and new is not None and new < old:
            yield f"search.{name} was {old}, is {new}"
    yield from _of_spaces(
        before["space"], now["space"], attributes, is_grid=now["sampler"] == "grid"
    )


def _of_spaces(
    before: Plain, now: Plain, attributes: Sequence[str], *, is_grid: bool
) -> Iterator[str]:
    for path in sorted(before.keys() | now.keys()):
        place = f"search.space.{path}"
        old, new = before.get(path), now.get(path)
        if old is None or new is None or not _holds(old, new, attributes, is_grid):
            yield from _unequal(old, new, place)
    # The order decides which trial comes first.
    if before.keys() == now.keys() and list(before) != list(now):
        yield f"search.space was in the order {', '.join(before)}, is in {', '.join(now)}"


def _holds(old: Plain, new: Plain, attributes: Sequence[str], is_grid: bool) -> bool:
    """Whether a dimension has all that it had before."""
    if old.get("when") != new.get("when"):
        return False
    if "subset" in old and "subset" in new:
        known = attributes if old["subset"] == "all" else old["subset"]
        return new["subset"] == "all" or (bool(known) and set(known) <= set(new["subset"]))
    if old.get("choices") == "all" == new.get("choices"):
        return _holds_parts(old, new)
    if is_grid and "choices" in old and "choices" in new:
        return all(choice in new["choices"] for choice in old["choices"])
    return bool(old == new)


def _holds_parts(old: Plain, new: Plain) -> bool:
    """The same of every clustering that the data offer."""
    columns = new["columns"] is None or (
        old["columns"] is not None and set(old["columns"]) <= set(new["columns"])
    )
    return (
        columns
        and set(old["include"]) <= set(new["include"])
        and bool(old["largest"] <= new["largest"])
    )


def _unequal(before: Any, now: Any, place: str) -> Iterator[str]:
    if isinstance(before, dict) and isinstance(now, dict):
        for key in sorted(before.keys() | now.keys()):
            yield from _unequal(before.get(key), now.get(key), f"{place}.{key}")
        ordered = place.rpartition(".")[2] == "choose"
        if ordered and before.keys() == now.keys() and list(before) != list(now):
            yield f"{place} was in the order {', '.join(before)}, is in {', '.join(now)}"
    elif before != now:
        yield f"{place} was {json.dumps(before)}, is {json.dumps(now)}"
