"""From a user's own data to a sweep's file: prepared if need be, planned, written."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clinfonce import data
from clinfonce.config import DataSpec, SweepSpec, check_specification
from clinfonce.data import Prepared
from clinfonce.errors import InputError
from clinfonce.files import write_atomically
from clinfonce.models.at_hand import encoders_at_hand, usual_image_size
from clinfonce.setup.first import First, Wishes, first_sweep
from clinfonce.setup.writing import specification

_ON_CPU, _ON_GPU = 32, 64  # pixels a side, from scratch
_TABLES = (".csv", ".tsv", ".txt", ".json", ".jsonl")


@dataclass(frozen=True)
class Begun:
    """What `begin` made.

    Attributes:
        specification: the sweep's file.
        first: what it says, and why.
        prepared: the data set, where it was made now.
    """

    specification: Path
    first: First
    prepared: Prepared | None

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        first = self.first
        return {
            "specification": str(self.specification),
            "name": first.name,
            "data": first.data.name,
            "regime": first.regime,
            "seconds": first.budget.seconds,
            "seeds": first.budget.seeds,
            "trials": first.budget.trials,
            "epochs": first.budget.epochs,
            "columns": dict(first.columns.columns),
            "notes": list(first.columns.notes),
            "prepared": None if self.prepared is None else self.prepared.to_json(),
        }


def begin(
    what: str,
    *,
    minutes: float,
    out: str | None = None,
    root: str | None = None,
    encoder: str | None = None,
    weights: str | None = None,
    preparing: dict[str, Any] | None = None,
    on_prepared: Callable[[Prepared], None] = lambda _: None,
) -> Begun:
    """Write the first sweep of a data set.

    Args:
        what: a known data set, a prepared folder, or what `clinfonce.data.prepare` takes as the
            root of a folder; a table that holds embeddings or images.
        minutes: that the sweep may take.
        out: the file to write; None: NAME.yaml.
        root: folder of a known data set that has to be fetched.
        encoder: name of one; None takes what is at hand.
        weights: of it.
        preparing: options of `clinfonce.data.prepare`, where the data are to be prepared.
        on_prepared: is told of the data set that was made.

    Raises:
        InputError: the file is there already, or anything is wrong with the data.
    """
    if minutes <= 0:
        raise InputError(f"--minutes is {minutes:g}; a sweep takes more than nothing")
    name = _name_of(what)
    file = Path(out or f"{name}.yaml")
    if file.exists():
        raise InputError(f"{file} is there already: name another with --out, or remove it")
    given = {key: value for key, value in (preparing or {}).items() if value}
    prepared = None
    if _is_made(what):
        if given.get("table") or given.get("embeddings"):
            raise InputError(f"{what} is prepared already: leave --table and --embeddings out")
        where = DataSpec(name=what, root=root)
    else:
        prepared = _prepare(what, name, given, encoder)
        on_prepared(prepared)
        where = DataSpec(name=prepared.folder)
    first = first_sweep(where, data.load(where.name, where.root),
                        Wishes(name, minutes, encoder, weights))  # fmt: skip
    text = specification(first, f"clinfonce sweep {file}")
    check_specification(text, SweepSpec)
    write_atomically(file, [text.encode()])
    return Begun(file, first, prepared)


def _is_made(what: str) -> bool:
    """Whether it is a data set that can be loaded."""
    return what in data.DATASETS or data.is_packed(what)


def _prepare(what: str, name: str, given: dict[str, Any], encoder: str | None) -> Prepared:
    place = Path(what)
    if not place.exists():
        raise InputError(
            f"{what}: neither a folder, an archive or a table, nor a known data set "
            f"({', '.join(data.DATASETS)})"
        )
    out = given.pop("out", None) or f"prepared/{name}"
    if data.is_packed(out):
        raise InputError(
            f"{out} is there already: `clinfonce init {out}` makes a sweep of it as it is, "
            "--prepared names another place for this one"
        )
    if given.get("embeddings"):
        return data.prepare("embeddings", out, table=place, **given)
    if place.suffix.lower() in _TABLES and "table" not in given:
        raise InputError(
            f"{what} is a table, and the images are elsewhere: clinfonce init FOLDER --table {what}"
        )
    size = given.pop("image_size", None) or _image_size(encoder)
    return data.prepare("folder", out, root=place, image_size=size, **given)


def _image_size(encoder: str | None) -> int:
    """Pixels a side that suit what will be trained."""
    import torch

    if encoder is not None and encoder.startswith("timm:"):
        return usual_image_size(encoder)
    if encoder is None and (at_hand := encoders_at_hand()):
        return min(usual_image_size(at_hand[0]), 224)
    return _ON_GPU if torch.cuda.is_available() else _ON_CPU


def _name_of(what: str) -> str:
    """A name for the sweep: what the data are called."""
    name = what.rstrip("/").rpartition("/")[2]
    for suffix in (".gz", ".tar", ".zip", ".tgz", ".parquet", ".csv", ".tsv", ".pq"):
        name = name.removesuffix(suffix)
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-._")[:100]
    return name or "sweep"
