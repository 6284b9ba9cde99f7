"""Images that look wrong or alike: counted, named and listed."""

import csv
import io
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clinfonce.data.image_files.looks import Looks
from clinfonce.data.table import SPLIT_NAMES

LIST = "lookalikes.csv"  # beside the shards
_NAMED = 3  # images in a line


@dataclass(frozen=True)
class Findings:
    """What is worth a look before anything is trained.

    Attributes:
        paths: (n,) of the images.
        split: (n,) of the images.
        constant: images of one colour all over.
        dark: other images without a pixel that is far from black.
        equal: (earlier, later) images whose pixels are the same.
        near: (earlier split, later split) near-duplicates, equal ones among them.
        noun: what they are.
    """

    paths: Sequence[str]
    split: NDArray[np.int8]
    constant: Sequence[int]
    dark: Sequence[int]
    equal: Sequence[tuple[int, int]]
    near: Sequence[tuple[int, int]]
    noun: str = "image"

    @classmethod
    def of_looks(
        cls, looks: Sequence[str], paths: Sequence[str], split: NDArray[np.int8]
    ) -> "Findings":
        """Look for them, by what packing said of each image."""
        found = Looks.of_texts(looks)
        constant = np.flatnonzero(found.constant).tolist()
        dark = np.flatnonzero(found.dark & ~found.constant).tolist()
        return cls(paths, split, constant, dark, found.equal(), found.near(split))

    @property
    def lines(self) -> tuple[str, ...]:
        """What was found, for people: a line a kind."""
        said = []
        if self.constant:
            such = self._such(self.constant)
            said.append(f"{self._many(self.constant, 'is', 'are')} of one colour all over{such}")
        if self.dark:
            said.append(
                f"{self._many(self.dark, 'is', 'are')} nearly black{self._such(self.dark)}; if "
                "they are not, --depth says what is white"
            )
        if self.equal:
            pairs = [f"{self.paths[b]!r} (as {self.paths[a]!r})" for a, b in self.equal[:_NAMED]]
            many = self._many(self.equal, "equals", "equal")
            said.append(f"{many} an earlier one, such as {', '.join(pairs)}")
        if self.near:
            pairs = [f"{self._in_split(b)} of {self._in_split(a)}" for a, b in self.near[:_NAMED]]
            later = {row for _, row in self.near}
            many = self._many(later, "is a near-duplicate", "are near-duplicates")
            said.append(f"{many} of one in another split, such as {', '.join(pairs)}")
        return tuple(said)

    def to_json(self) -> dict[str, Any]:
        """Counts, and the first of each kind."""
        name = self.paths.__getitem__
        return {
            "constant": {
                "n": len(self.constant),
                "such_as": list(map(name, self.constant[:_NAMED])),
            },
            "nearly_black": {"n": len(self.dark), "such_as": list(map(name, self.dark[:_NAMED]))},
            "equal": {"n": len(self.equal), "such_as": self._named(self.equal)},
            "near_duplicates_across_splits": {
                "n": len(self.near),
                "such_as": self._named(self.near),
            },
        }

    def to_csv(self) -> bytes:
        """All of them: a line an image or a pair."""
        text = io.StringIO()
        writer = csv.writer(text)
        writer.writerow(["kind", "path", "split", "other_path", "other_split"])
        for kind, rows in (("constant", self.constant), ("nearly black", self.dark)):
            writer.writerows([kind, *self._cells(row), "", ""] for row in rows)
        for kind, pairs in (("equal", self.equal), ("near-duplicate", self.near)):
            writer.writerows([kind, *self._cells(b), *self._cells(a)] for a, b in pairs)
        return text.getvalue().encode("utf-8", "replace")

    def __bool__(self) -> bool:
        return any((self.constant, self.dark, self.equal, self.near))

    def _cells(self, row: int) -> tuple[str, str]:
        return self.paths[row], SPLIT_NAMES[self.split[row]]

    def _named(self, pairs: Sequence[tuple[int, int]]) -> list[list[str]]:
        return [[self.paths[a], self.paths[b]] for a, b in pairs[:_NAMED]]

    def _in_split(self, row: int) -> str:
        return f"{self.paths[row]!r} ({SPLIT_NAMES[self.split[row]]})"

    def _many(self, rows: Collection[Any], one: str, several: str) -> str:
        return f"1 {self.noun} {one}" if len(rows) == 1 else f"{len(rows):,} {self.noun}s {several}"

    def _such(self, rows: Sequence[int]) -> str:
        return f", such as {', '.join(repr(self.paths[row]) for row in rows[:_NAMED])}"
