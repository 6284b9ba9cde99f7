"""Which specification a store's rows of a sweep were made with, and how it has grown since."""

import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, TypeAlias

from pydantic import ValidationError

from clinfonce.config import SearchSpec, SweepSpec
from clinfonce.data import ImageTable
from clinfonce.errors import InputError
from clinfonce.files import File, Folder
from clinfonce.scaling.bookkeeping.growth import check_growth, differences, stage_of
from clinfonce.scaling.search.stage import Stage

_SHOWN = 3  # differences in a message
_OURS = ("offered", "stages", "kept", "advised", "table")  # in a note beside the specification

Offered: TypeAlias = Mapping[str, Sequence[str]]  # names of attributes and of parts


@dataclass(frozen=True)
class Growth:
    """What a sweep has to know of the sweep that it grew out of.

    Attributes:
        stages: of its search, the first one first.
        kept: trials that stay though it would not run them now: confirmed ones of before.
        advised: points that the search began with; None: not noted.
    """

    stages: tuple[Stage, ...] = ()
    kept: frozenset[str] = frozenset()
    advised: Sequence[Mapping[str, Any]] | None = None


@dataclass(frozen=True)
class _Note:
    specification: dict[str, Any]
    beside: dict[str, Any] = field(default_factory=dict)

    @property
    def offered(self) -> Offered | None:
        """What the search was over; None where it was not noted."""
        found: Offered | None = self.beside.get("offered")
        return found


def register_sweep(
    home: str | os.PathLike[str],
    name: str,
    specification: Mapping[str, Any],
    *,
    fresh: bool,
    offered: Offered = MappingProxyType({"attributes": (), "parts": ()}),
    confirmed: Iterable[str] = (),
    table: ImageTable | None = None,
) -> None:
    """Note the specification of a sweep in its store; refuse one that no growth leads to.

    Args:
        home: of the store.
        name: of the sweep.
        specification: its canonical form.
        fresh: whatever was there before counts for nothing.
        offered: names of what `subset: all` (attributes) and `choices: all` (parts) stand for.
        confirmed: trials that confirm the best of the search, as it was before.
        table: the data, by which it is known again when it has more columns.

    Raises:
        InputError: the store holds the sweep with another specification, and not `fresh`.
    """
    now = json.loads(json.dumps(specification))
    names = {kind: list(each) for kind, each in offered.items()}
    before = None if fresh else _read(home, name)
    if before is None:
        known = {} if table is None else {"table": _described(table)}
        _write(home, name, now, {"offered": names, **known})
        return
    _check(home, name, before, now)
    other_columns = before.offered not in (None, names)
    if before.specification == now and not other_columns:
        return
    beside = dict(before.beside)
    stage = stage_of(before.specification, before.offered or names)
    if stage is not None and (other_columns or now["search"]["trials"] != stage["until"]):
        beside["stages"] = [*beside.get("stages", ()), stage]
    beside["kept"] = sorted({*beside.get("kept", ()), *confirmed})
    _write(home, name, now, beside | {"offered": names})


def check_sweep(
    home: str | os.PathLike[str],
    name: str,
    specification: Mapping[str, Any],
    *,
    fresh: bool = False,
) -> None:
    """Refuse a specification that the sweep in the store cannot have grown to, unless `fresh`.

    Rows made with two specifications do not belong in one table, and a search goes on only from
    the trials it would have proposed itself.

    Raises:
        InputError: the store holds the sweep with another specification, or the note is damaged.
    """
    before = None if fresh else _read(home, name)
    if before is not None:
        _check(home, name, before, json.loads(json.dumps(specification)))


def read_growth(folder: Folder, name: str) -> Growth:
    """How a sweep has grown; nothing where there is no note of it."""
    try:
        note = json.loads(_note(folder, name).read())
        stages = tuple(
            Stage(
                s["until"],
                SearchSpec.model_validate(s["search"]),
                tuple(s["attributes"]),
                tuple(s["parts"]),
            )
            for s in note.get("stages", ())
        )
        return Growth(stages, frozenset(note.get("kept", ())), note.get("advised"))
    except FileNotFoundError:
        return Growth()


def as_noted(home: str | os.PathLike[str], name: str, table: ImageTable) -> ImageTable:
    """The table of a sweep, under the fingerprint that it had before columns were added.

    So the rows of before stay. Where a clustering is made of all columns there are (`top_k`), they
    do not: it is another one now.
    """
    before = _read(home, name)
    noted = None if before is None else before.beside.get("table")
    if before is None or noted is None or _takes_all_columns(before.specification):
        return table
    return table.with_more_columns_than(noted["fingerprint"], noted["columns"])


def _takes_all_columns(specification: Mapping[str, Any]) -> bool:
    return re.search(r'top_k": *[0-9{]', json.dumps(specification)) is not None


def note_advised(folder: Folder, name: str, points: Sequence[Mapping[str, Any]]) -> None:
    """Note the points that a search begins with: advice on more columns would be other advice."""
    file = _note(folder, name)
    if file.exists():
        note = json.loads(file.read())
        file.write(_text({**note, "advised": list(points)}))


def _described(table: ImageTable) -> dict[str, Any]:
    return {"fingerprint": table.fingerprint, "columns": list(table.columns)}


def _check(home: str | os.PathLike[str], name: str, before: _Note, now: Mapping[str, Any]) -> None:
    attributes = (before.offered or {}).get("attributes", ())
    found = list(differences(before.specification, now, attributes))
    if found:
        more = f"\n  and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        shown = "".join(f"\n  {line}" for line in found[:_SHOWN])
        raise InputError(
            f"{os.fspath(home)} holds sweep {name} with another specification; another name keeps "
            f"its rows, --fresh forgets them:{shown}{more}"
        )
    check_growth(before.specification, now)
    search = before.specification["search"]
    advised = search is not None and search["seed_with"] == "advice"
    if advised and before.specification != now and "advised" not in before.beside:
        raise InputError(
            f"{os.fspath(home)}: the search of sweep {name} did not note what it was advised, so "
            "it cannot grow: give the sweep another name"
        )


def _note(folder: Folder, name: str) -> File:
    return folder.file(f"sweeps/{name}.json")


def _write(
    home: str | os.PathLike[str], name: str, specification: Mapping[str, Any], beside: Any
) -> None:
    _note(Folder.at(home), name).write(_text({**specification, **beside}))


def _text(note: Mapping[str, Any]) -> bytes:
    return (json.dumps(note, indent=1) + "\n").encode()


def _read(home: str | os.PathLike[str], name: str) -> _Note | None:
    file = _note(Folder.at(home), name)
    if not file.exists():
        return None
    try:
        noted = json.loads(file.read())
    except (ValueError, RecursionError):
        noted = None
    if not isinstance(noted, dict):
        raise InputError(
            f"{file} is damaged: it is no specification. Restore it, or forget the rows of the "
            "sweep with --fresh"
        )
    beside = {key: noted.pop(key) for key in _OURS if key in noted}
    return _Note(_with_defaults(noted), beside)


def _with_defaults(specification: dict[str, Any]) -> dict[str, Any]:
    """What an older version noted, with the fields that came later at their defaults."""
    try:
        found: dict[str, Any] = json.loads(
            json.dumps(SweepSpec.model_validate(specification).canonical())
        )
    except ValidationError:
        return {"seeds": [], "fixed": [], "search": None, **specification}
    return found
