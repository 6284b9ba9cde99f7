"""Which encoders of a sweep are kept: a search makes thousands, of which few are ever used."""

import bisect
import math
from collections.abc import Mapping
from typing import Any

from clinfonce.files import Folder
from clinfonce.models.saved import encoder_file

_SELECTING = ("search", "choose")  # roles of trials that only select among settings


class BestEncoders:
    """Keeps the encoders of the best trials among those that select; all others stay.

    Args:
        folder: of the result store.
        metric: column of `trials` that says which are best; equal ones: those of lower number.
        most: how many are kept; None: all.
    """

    def __init__(self, folder: Folder, metric: str, most: int | None) -> None:
        self._folder, self._metric, self._most = folder, metric, most
        self._there = {name.removesuffix(".safetensors") for name in folder.names("encoders")}
        self._ranked: list[tuple[float, int, str]] = []  # best first

    def take(self, row: Mapping[str, Any]) -> None:
        """Take the row of a trial that has ended, now or in an earlier run of the sweep."""
        if self._most is None or row["role"] not in _SELECTING or row["status"] != "complete":
            return
        value = row[self._metric]
        known = value is not None and math.isfinite(value)
        rank = (-value if known else math.inf, row["number"], row["trial_id"])
        bisect.insort(self._ranked, rank)
        self._there.add(row["trial_id"])
        if len(self._ranked) > self._most:
            self._remove(self._ranked.pop()[-1])

    def _remove(self, trial_id: str) -> None:
        if trial_id in self._there:  # else an earlier run removed it
            encoder_file(self._folder, trial_id).remove()
