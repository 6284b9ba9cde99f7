"""Which encoders of a sweep are kept: a search makes thousands, of which few are ever used."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from clinfonce.files import Folder
from clinfonce.models.saved import encoder_file
from clinfonce.scaling.search.metric import Value, standings, values_of

_SELECTING = ("search", "choose")  # roles of trials that only select among settings


class BestEncoders:
    """Keeps the encoders of the best trials among those that select; all others stay.

    Args:
        folder: of the result store.
        columns: of a trial's row that say which are best (`standings`); equal ones: those of
            lower number.
        most: how many are kept; None: all.
    """

    def __init__(self, folder: Folder, columns: Sequence[str], most: int | None) -> None:
        self._folder, self._columns, self._most = folder, tuple(columns), most
        self._there = {name.removesuffix(".safetensors") for name in folder.names("encoders")}
        self._kept: list[tuple[tuple[Value, ...], int, str]] = []  # values, number, trial_id

    def take(self, row: Mapping[str, Any]) -> None:
        """Take the row of a trial that has ended, now or in an earlier run of the sweep."""
        if self._most is None or row["role"] not in _SELECTING or row["status"] != "complete":
            return
        self._kept.append((values_of(row, self._columns), row["number"], row["trial_id"]))
        self._there.add(row["trial_id"])
        if len(self._kept) > self._most:
            self._remove(self._kept.pop(self._worst())[-1])

    def _worst(self) -> int:
        """The place of the one that is given up."""
        found = standings([values for values, _, _ in self._kept])
        ranks = [-math.inf if value is None else value for value in found]
        keys = [(-rank, *kept[1:]) for rank, kept in zip(ranks, self._kept, strict=True)]
        return keys.index(max(keys))

    def _remove(self, trial_id: str) -> None:
        if trial_id in self._there:  # else an earlier run removed it
            encoder_file(self._folder, trial_id).remove()
