"""What columns of a table say of its labels: any CSV or Parquet file, without images."""

import csv
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clinfonce.data.tables.classes import classes_of
from clinfonce.data.tables.kinds import UNFIT
from clinfonce.data.tables.read import read_table
from clinfonce.data.tables.roles import PATH, SPLIT
from clinfonce.data.tables.source import SourceTable
from clinfonce.data.tables.types import known_rows, parse_column
from clinfonce.data.tables.words import Missing
from clinfonce.errors import InputError
from clinfonce.information import Estimate, estimate

ALL = "all"
_AUXILIARY = "aux:"  # how the columns of a prepared data set start
# Halves drawn for the errors, by the number of labelled rows up to which so many are affordable.
_DRAWS = {20_000: 100, 1_000_000: 50}
_FEWEST_DRAWS = 20


@dataclass(frozen=True)
class ColumnInformation:
    """What one column says of the labels, judged on a fraction of the labelled rows.

    Attributes:
        clusters: name of the column.
        fraction: of the labelled rows that were looked at; 1.0 is all of them.
        estimate: the bits, with their standard errors.
        n_missing: rows without a value, which are one cluster together.
        unsure: what is unsure of how the column was read, a line each.
    """

    clusters: str
    fraction: float
    estimate: Estimate
    n_missing: int
    unsure: tuple[str, ...] = field(default=(), compare=False)

    def to_json(self) -> dict[str, Any]:
        """Flat values, in bits but `ami`."""
        found = self.estimate
        return {
            "clusters": self.clusters,
            "fraction": self.fraction,
            "n_labelled": found.n_labelled,
            "n_missing": self.n_missing,
            **asdict(found.information),
            "i_zt_error": found.i_zt_error,
            "i_zt_excess_error": found.i_zt_excess_error,
            "ami_error": found.ami_error,
            "i_zt_interval": list(found.i_zt_interval),
            "i_zt_excess_interval": list(found.i_zt_excess_interval),
            "ami_interval": list(found.ami_interval),
        }

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of the bits should know, a line each."""
        return self.unsure if self.note is None else (*self.unsure, self.note)

    @property
    def note(self) -> str | None:
        """Why the bits say nothing, in one line; None if they do."""
        bits = self.estimate.information
        if bits.n_clusters == self.estimate.n_labelled:
            return (
                f"{self.clusters}: every row is a cluster of its own, so its {bits.i_zt:.4g} bits "
                "are all chance"
            )
        if bits.n_clusters == 1:
            return f"{self.clusters}: all rows are in one cluster, which says nothing"
        return None


def measure_columns(
    file: Path | str,
    clusters: Sequence[str] | str,
    label: str,
    *,
    fractions: Sequence[float] = (),
    seed: int = 0,
    encoding: str = "utf-8",
    delimiter: str | None = None,
    missing: Sequence[str] = (),
) -> list[ColumnInformation]:
    """Measure what columns of a table say of its label column.

    The table is read as `prepare` reads it, with the same types and words for nothing. Rows
    without a label are left out; a missing cluster is a cluster of its own. If the first column
    has no name and ends in -1, the last row is no image but counts (as in the tables that Tsai et
    al. 2021, arXiv 2106.02869, publish) and is left out.

    Args:
        file: .csv, .tsv, .txt or .parquet.
        clusters: columns that hold cluster ids, numbers, texts, tags or paths, of which equal ones
            are a cluster; "all" takes every column but the label, `path` and `split`, of a
            prepared data set the auxiliary ones. One text is one name, or several with commas
            between them, in quotes where a name holds one.
        label: column of the labels.
        fractions: in (0, 1]; for each, only so large a random part of the labelled rows is
            looked at. None given: all of them.
        seed: of the parts.
        encoding: of a text without a byte order mark.
        delimiter: of a text; None finds it.
        missing: words that stand for no value, in place of the usual ones.

    Returns:
        For each column in turn, one entry a fraction.

    Raises:
        InputError: an unreadable table, an unknown column, a fraction out of range, or fewer
            than four labelled rows.
    """
    for fraction in fractions:
        if not 0 < fraction <= 1:
            raise InputError(f"fraction must be above 0 and at most 1, got {fraction:g}")
    only = None if isinstance(clusters, str) or ALL in clusters else [*clusters, label]
    table = read_table(Path(file), encoding, delimiter=delimiter, only=only)
    words = Missing.given(missing, table.names)
    classes = classes_of(table, label, words, at_least=1)
    wanted = _names(table, clusters)
    if wanted == [ALL] and ALL not in table.columns:
        wanted = _all_but(table, label, words)
    if not wanted:
        raise InputError(f"{table.file}: no column to measure beside the label {label!r}")
    known = np.flatnonzero(classes.codes >= 0)
    parts = [(f, _part(known, f, seed)) for f in fractions or (1.0,)]
    found = []
    for name in wanted:
        ids, n_missing, unsure = _clusters(table, name, words)
        notes = (*table.notes, *classes.notes, *unsure)
        found += [
            ColumnInformation(
                name, fraction, _estimate(table.file, ids, classes.codes, rows, seed), n_missing,
                notes,
            )
            for fraction, rows in parts
        ]  # fmt: skip
    return found


def _names(table: SourceTable, clusters: Sequence[str] | str) -> list[str]:
    if isinstance(clusters, str):
        if clusters in table.columns:
            return [clusters]
        clusters = next(csv.reader([clusters], skipinitialspace=True), [])
    return [name.strip() for name in clusters]


def _all_but(table: SourceTable, label: str, words: Missing) -> list[str]:
    """Columns that may be clusters; those of a prepared data set start with aux:."""
    if SPLIT in table.columns and any(name.startswith(_AUXILIARY) for name in table.names):
        return [name for name in table.names if name.startswith(_AUXILIARY)]
    return [
        name
        for name in table.names
        if name not in (label, PATH, SPLIT)
        and table.cells(name).form not in UNFIT
        and known_rows(table.cells(name), name, words)[0].any()
    ]


def _estimate(
    path: Path,
    ids: NDArray[np.int64],
    labels: NDArray[np.int64],
    rows: NDArray[np.int64],
    seed: int,
) -> Estimate:
    if len(rows) < 4:
        raise InputError(f"{path}: {len(rows)} labelled rows; at least four are needed")
    draws = next((draws for most, draws in _DRAWS.items() if len(rows) <= most), _FEWEST_DRAWS)
    return estimate(ids[rows], labels[rows], n_draws=draws, seed=seed)


def _part(known: NDArray[np.int64], fraction: float, seed: int) -> NDArray[np.int64]:
    """A random part of some rows, ascending; a larger fraction holds every smaller one."""
    if fraction == 1:
        return known
    order = np.random.default_rng(seed).permutation(len(known))
    return np.sort(known[order[: round(fraction * len(known))]])


def _clusters(
    table: SourceTable, name: str, words: Missing
) -> tuple[NDArray[np.int64], int, tuple[str, ...]]:
    """Codes (n,) of a column in which missing is one of its own, how many are, what is unsure."""
    parsed = parse_column(table, name, None, False, words)
    codes = np.empty(len(table), dtype=np.int64)
    seen: dict[Any, int] = {}
    for row, value in enumerate(parsed.column.values.tolist()):
        codes[row] = seen.setdefault(value, len(seen))
    absent = ~parsed.column.present
    codes[absent] = len(seen)
    return codes, int(absent.sum()), parsed.notes
