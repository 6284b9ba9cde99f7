"""What was prepared, for people and for programs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from clinfonce.data.prepared.examine import Examined
from clinfonce.data.prepared.findings import LIST, Findings
from clinfonce.data.storage.shards import Storage
from clinfonce.data.table import LABEL, SPLIT_NAMES, ImageTable


@dataclass(frozen=True)
class Prepared:
    """What was prepared.

    Attributes:
        folder: of the prepared data set, path or URI, for `clinfonce.data.load`.
        table: the data set, without its images if they went to an object store.
        storage: how the images are kept.
        skipped: reason to number of rows (or, for columns, values) left out.
        examples: one line per reason, with the file and line of the first case.
        notes: what is unsure of the table and of the files' depth, a line each.
        findings: images that look wrong or alike; None where nobody looked.
    """

    folder: str
    table: ImageTable
    storage: Storage
    skipped: Mapping[str, int]
    examples: tuple[str, ...]
    notes: tuple[str, ...] = ()
    findings: Findings | None = None

    @classmethod
    def of(
        cls, folder: str, table: ImageTable, storage: Storage, examined: Examined, found: Findings
    ) -> "Prepared":
        """What was prepared of a user's table."""
        skips, notes = examined.skips, tuple(examined.notes)
        examples = tuple(skips.examples.values())
        return cls(folder, table, storage, dict(skips.counts), examples, notes, found)

    @property
    def n_images(self) -> int:
        """Images in it."""
        return len(self.table)

    @property
    def summary(self) -> tuple[str, ...]:
        """What was made, what was left out and what is worth a look, in lines for people."""
        table = self.table
        splits = ", ".join(f"{len(table.rows(i))} {name}" for i, name in enumerate(SPLIT_NAMES))
        classes = f"{len(table.label_names)} classes" if table.label_names else "no labels"
        if table.label_names and table.n_unlabelled:
            classes += f" ({table.n_unlabelled:,} training images have no label)"
        found = self.findings.lines if self.findings else ()
        kept = self.storage if table.has_images else str(table.images.dtype)
        listed = (f"  all of them: {LIST} in the folder",) if found else ()
        return (
            f"{self.folder}: {len(table):,} {'images' if table.has_images else 'embeddings'} "
            f"({splits}) of {' x '.join(map(str, table.images.shape[1:]))}, {kept}; {classes}; "
            f"{len(table.columns)} auxiliary columns",
            *self._targets,
            *(f"left out: {number:,} × {reason}" for reason, number in self.skipped.items()),
            *(f"  such as {line}" for line in self.examples),
            *(f"look at them: {line}" for line in found),
            *listed,
        )

    @property
    def _targets(self) -> tuple[str, ...]:
        """What is to be predicted, in a line, if it is more than the label."""
        targets = self.table.targets.values()
        if len(targets) < 2 and all(target.name == LABEL for target in targets):
            return ()
        said = []
        for target in targets:
            n = int(target.known.sum())
            many = {"class": f"{len(target.names)} classes", "number": "a number",
                    "multilabel": f"{len(target.names)} labels"}[target.kind]  # fmt: skip
            of = "" if n == len(target) else f", {n:,} images"
            said.append(f"{target.name} ({many}{of})")
        return (f"targets: {', '.join(said)}",)

    def to_json(self) -> dict[str, Any]:
        """The same as plain values."""
        table = self.table
        return {
            "folder": self.folder,
            "fingerprint": table.fingerprint,
            "n_images": len(table),
            "shape": list(table.images.shape[1:]),
            "dtype": str(table.images.dtype),
            "storage": self.storage,
            "splits": {name: len(table.rows(i)) for i, name in enumerate(SPLIT_NAMES)},
            "labels": list(table.label_names),
            "n_unlabelled": table.n_unlabelled,
            "targets": {target.name: target.kind for target in table.targets.values()},
            "columns": {column.name: column.kind for column in table.columns.values()},
            "skipped": dict(self.skipped),
            "examples": list(self.examples),
            "notes": list(self.notes),
            "images": self.findings.to_json() if self.findings is not None else None,
        }
