"""Classes of a column: the label, or another target."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clinfonce.data.tables.source import SourceTable, text_of
from clinfonce.data.tables.types import known_rows
from clinfonce.data.tables.words import Missing, alike
from clinfonce.data.targets import UNLABELLED
from clinfonce.errors import InputError

_ALIKE = 3  # pairs of names in a note


@dataclass(frozen=True)
class Classes:
    """What a column says of the class of each row.

    Attributes:
        codes: (n,) int64 in 0..C-1, UNLABELLED where nothing is said.
        names: C names, sorted.
        notes: what is unsure, for people.
    """

    codes: NDArray[np.int64]
    names: tuple[str, ...]
    notes: tuple[str, ...]


def classes_of(table: SourceTable, name: str, missing: Missing, at_least: int = 2) -> Classes:
    """The classes that a column names: its different values, whatever they look like.

    Raises:
        InputError: no class in any row, or fewer than `at_least`.
    """
    cells = table.cells(name)
    if cells.form not in ("text", "string", "boolean", "integer", "number", "date"):
        raise InputError(f"{table.file}: column {name!r} holds no classes, but {cells.form} values")
    known, notes = known_rows(cells, name, missing)
    if not known.any():
        raise InputError(f"{table.file}: not one {name}; without {name}s leave the column out")
    texts = np.array(
        [text_of(v) if here else "" for v, here in zip(cells.values, known, strict=True)]
    )
    names, found = np.unique(texts[known], return_inverse=True)
    if len(names) < at_least:
        raise InputError(
            f"{table.file}: every {name} is {str(names[0])!r}; two are needed at least"
        )
    codes = np.full(len(texts), UNLABELLED, dtype=np.int64)
    codes[known] = found
    pairs = alike(names.tolist())[:_ALIKE]
    more = [f"{name}: {a!r} and {b!r} look alike, and are two classes" for a, b in pairs]
    return Classes(codes, tuple(names.tolist()), (*notes, *more))
