"""Which specification a store's rows of a sweep were made with."""

import json
import os
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from clinfonce.config import SweepSpec
from clinfonce.errors import InputError
from clinfonce.files import File, Folder


def register_sweep(
    home: str | os.PathLike[str], name: str, specification: Mapping[str, Any], *, fresh: bool
) -> None:
    """Note the specification of a sweep in its store; refuse one that differs from the note.

    Raises:
        InputError: the store holds the sweep with another specification, and not `fresh`.
    """
    if fresh or not check_sweep(home, name, specification):
        _note(home, name).write((json.dumps(specification, indent=1) + "\n").encode())


def check_sweep(home: str | os.PathLike[str], name: str, specification: Mapping[str, Any]) -> bool:
    """Refuse a specification that differs from the note in the store; False if there is none.

    Rows made with two specifications do not belong in one table, and a search goes on only from
    the trials it would have proposed itself.

    Raises:
        InputError: the store holds the sweep with another specification, or the note is damaged.
    """
    file = _note(home, name)
    if not file.exists():
        return False
    before = _with_defaults(_read(file))
    if differences := list(_differences(before, json.loads(json.dumps(specification)))):
        raise InputError(
            f"{os.fspath(home)} holds sweep {name} with another specification: "
            f"{'; '.join(differences)}. "
            "Give the sweep another name, or forget its rows with --fresh"
        )
    return True


def _note(home: str | os.PathLike[str], name: str) -> File:
    return Folder.at(home).file(f"sweeps/{name}.json")


def _read(note: File) -> dict[str, Any]:
    try:
        noted = json.loads(note.read())
    except (ValueError, RecursionError):
        noted = None
    if not isinstance(noted, dict):
        raise InputError(
            f"{note} is damaged: it is no specification. Restore it, or forget the rows of the "
            "sweep with --fresh"
        )
    return noted


def _with_defaults(specification: dict[str, Any]) -> dict[str, Any]:
    """What an older version noted, with the fields that came later at their defaults."""
    try:
        return SweepSpec.model_validate(specification).canonical()
    except ValidationError:
        return specification


def _differences(before: Any, now: Any, place: str = "") -> Iterator[str]:
    if isinstance(before, dict) and isinstance(now, dict):
        for key in sorted(before.keys() | now.keys()):
            inner = f"{place}.{key}" if place else key
            yield from _differences(before.get(key), now.get(key), inner)
        # The order of these decides which trial comes first.
        ordered = place.rpartition(".")[2] in ("space", "choose")
        if ordered and before.keys() == now.keys() and list(before) != list(now):
            yield f"{place} was in the order {', '.join(before)}, is in {', '.join(now)}"
    elif before != now:
        yield f"{place} was {json.dumps(before)}, is {json.dumps(now)}"
