"""What a table says, found out before hours of work on its images."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from clinfonce.data.prepared.describe import (
    Content,
    Known,
    Wanted,
    check_types,
    describe,
    read_content,
    usable_rows,
)
from clinfonce.data.prepared.findings import Findings
from clinfonce.data.prepared.options import Options
from clinfonce.data.prepared.packing import Skips
from clinfonce.data.prepared.splits import Splitting
from clinfonce.data.tables.roles import PATH
from clinfonce.data.tables.source import SourceTable
from clinfonce.data.tables.targets import asked_targets
from clinfonce.data.tables.words import Missing


@dataclass(frozen=True)
class Examined:
    """A table that can be made a data set of.

    Attributes:
        table: as read.
        wanted: what the user says of its columns.
        skips: what is left out so far.
        rows: of images that are worth a try.
        content: of those rows.
        known: what the table says of them.
        notes: what is unsure, so far.
    """

    table: SourceTable
    wanted: Wanted
    skips: Skips
    rows: Sequence[int]
    content: Content
    known: Known
    notes: list[str]

    def of_kept(self, rows: Sequence[int]) -> Known:
        """What the table says of those images that could be read."""
        if len(rows) == len(self.rows):
            return self.known
        places = {row: place for place, row in enumerate(self.rows)}
        content = self.content.take([places[row] for row in rows], self.skips)
        return describe(content, self.wanted, Skips(True))

    def names(self, rows: Sequence[int]) -> list[str]:
        """Names of some images, for people: their paths, or their places in the table."""
        if PATH in self.table.columns:
            paths = self.table.texts(PATH)
            return [paths[row] for row in rows]
        return [f"{self.table.unit} {self.table.lines[row]}" for row in rows]

    def said(self, findings: Findings) -> Mapping[str, Any]:
        """What is kept in the data set for people: what was left out, unsure, or found."""
        return {
            "skipped": dict(self.skips.counts),
            "examples": list(self.skips.examples.values()),
            "unsure": list(self.notes),
            "images": findings.to_json(),
        }


def examine(table: SourceTable, options: Options) -> Examined:
    """Find out what a table says, and tell it.

    Raises:
        InputError: whatever is wrong with it.
    """
    check_types(table, options.types)
    skips = Skips(options.skip_bad)
    wanted = Wanted(
        options.types,
        Missing.given(options.missing, table.names),
        asked_targets(options.targets, table),
        Splitting(options.splits, options.group),
    )
    rows = usable_rows(table, wanted, skips)
    content = read_content(table.take(rows), wanted, skips)
    known = describe(content, wanted, skips)
    if options.announce is not None:
        options.announce(known.columns)
    notes = options.tell([*table.notes, *known.notes])
    return Examined(table, wanted, skips, rows, content, known, notes)
