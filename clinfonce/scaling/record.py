"""Which specification a store's rows of a sweep were made with."""

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from clinfonce.errors import InputError


def enter_sweep(home: Path, name: str, specification: Mapping[str, Any], *, fresh: bool) -> None:
    """Note the specification of a sweep in its store; refuse one that differs from the note.

    Rows made with two specifications do not belong in one table, and a search goes on only from
    the trials it would have proposed itself.

    Raises:
        InputError: the store holds the sweep with another specification, and not `fresh`.
    """
    path = home / "sweeps" / f"{name}.json"
    if path.exists() and not fresh:
        before = json.loads(path.read_text(encoding="utf-8"))
        if differences := list(_differences(before, json.loads(json.dumps(specification)))):
            raise InputError(
                f"{home} holds sweep {name} with another specification: {'; '.join(differences)}. "
                "Give the sweep another name, or forget its rows with --fresh"
            )
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".tmp-{os.getpid()}-{path.name}")
    partial.write_text(json.dumps(specification, indent=1, sort_keys=True) + "\n")
    partial.replace(path)


def _differences(before: Any, now: Any, place: str = "") -> Iterator[str]:
    if isinstance(before, dict) and isinstance(now, dict):
        for key in sorted(before.keys() | now.keys()):
            inner = f"{place}.{key}" if place else key
            yield from _differences(before.get(key), now.get(key), inner)
    elif before != now:
        yield f"{place} was {json.dumps(before)}, is {json.dumps(now)}"
