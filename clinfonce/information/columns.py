"""What columns of a table say of its labels: any CSV or Parquet file, without images."""

import csv
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clinfonce.data.prepared.splits import Splitting, words_of
from clinfonce.data.table import TRAIN, Column, cut_numbers
from clinfonce.data.tables.classes import classes_of
from clinfonce.data.tables.kinds import UNFIT
from clinfonce.data.tables.read import read_table
from clinfonce.data.tables.roles import PATH, SPLIT
from clinfonce.data.tables.source import SourceTable
from clinfonce.data.tables.types import known_rows, parse_column
from clinfonce.data.tables.words import Missing
from clinfonce.errors import InputError
from clinfonce.information import Estimate, estimate
from clinfonce.information.cautions import Caution, caution_lines, column_cautions

ALL = "all"
_AUXILIARY = "aux:"  # how the columns of a prepared data set start
# Halves drawn for the errors, by the number of labelled rows up to which so many are affordable.
_DRAWS = {20_000: 100, 1_000_000: 50}
_FEWEST_DRAWS = 20
_BINS = 2  # that a training cuts numbers into unless told otherwise


@dataclass(frozen=True)
class ColumnInformation:
    """What one column says of the labels, judged on a fraction of the labelled rows.

    Attributes:
        clusters: name of the column.
        fraction: of the labelled rows that were looked at; 1.0 is all of them.
        estimate: the bits, with their standard errors.
        n_missing: rows without a value, which are one cluster together.
        unsure: what is unsure of how the column was read, a line each.
        cautions: why it says nothing of images, or is to be taken with care.
    """

    clusters: str
    fraction: float
    estimate: Estimate
    n_missing: int
    unsure: tuple[str, ...] = field(default=(), compare=False)
    cautions: tuple[Caution, ...] = field(default=(), compare=False)

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
            "cautions": [asdict(caution) for caution in self.cautions],
        }

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of the bits should know, a line each."""
        said = () if self.note is None else (self.note,)
        return (*self.unsure, *said, *caution_lines(self.cautions))

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
    bins: int | None = None,
) -> list[ColumnInformation]:
    """Measure what columns of a table say of its label column.

    The table is read as `prepare` reads it, with the same types and words for nothing. Rows
    without a label are left out, and so are those that a column `split` keeps from training; a
    missing cluster is a cluster of its own. Numbers are cut at quantiles, as a training does; but
    whole numbers of a user's table are taken as cluster ids unless `bins` is given. If the first
    column
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
        bins: parts that numbers are cut into; None: 2.

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
    split = _split_of(table, Path(file), encoding, delimiter)
    training = np.ones(len(table), np.bool_) if split is None else split == TRAIN
    known = np.flatnonzero((classes.codes >= 0) & training)
    parts = [(f, _part(known, f, seed)) for f in fractions or (1.0,)]
    columns = {name: parse_column(table, name, None, False, words) for name in wanted}
    warned = column_cautions({n: c.column for n, c in columns.items()}, classes.codes, split)
    found = []
    for name, parsed in columns.items():
        ids, unsure = _clusters(table, parsed.column, training, bins)
        notes = (*table.notes, *classes.notes, *parsed.notes, *unsure)
        cautions = tuple(caution for caution in warned if caution.column == name)
        n_missing = int((~parsed.column.present).sum())
        found += [
            ColumnInformation(
                name, fraction, _estimate(table.file, ids, classes.codes, rows, seed), n_missing,
                notes, cautions,
            )
            for fraction, rows in parts
        ]  # fmt: skip
    return found


def _split_of(
    table: SourceTable, file: Path, encoding: str, delimiter: str | None
) -> NDArray[np.int64] | None:
    """Codes (n,) of the table's column `split`; None where there is none that all rows are in."""
    try:
        if SPLIT not in table.columns:
            table = read_table(file, encoding, delimiter=delimiter, only=[SPLIT])
        words = words_of(table, Splitting())
    except InputError:
        return None
    codes = np.array([words.get(text.lower(), -1) for text in table.texts(SPLIT)])
    return codes if (codes >= 0).all() and (codes == TRAIN).any() else None


def _names(table: SourceTable, clusters: Sequence[str] | str) -> list[str]:
    if isinstance(clusters, str):
        if clusters in table.columns:
            return [clusters]
        clusters = next(csv.reader([clusters], skipinitialspace=True), [])
    return [name.strip() for name in clusters]


def _all_but(table: SourceTable, label: str, words: Missing) -> list[str]:
    """Columns that may be clusters; those of a prepared data set start with aux:."""
    if SPLIT in table.columns and _is_prepared(table):
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
    table: SourceTable, column: Column, training: NDArray[np.bool_], bins: int | None
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Codes (n,) of a column in which missing is one of its own, and what is unsure of them."""
    notes: tuple[str, ...] = ()
    if column.kind == "numeric" and (bins is not None or not _are_ids(table, column)):
        codes = cut_numbers(column.values, column.present, training, bins or _BINS)
    else:
        if column.kind == "numeric":
            said = "whole numbers are taken as cluster ids; as quantities a training cuts them, and"
            notes = (f"{column.name}: {said} --bins {_BINS} measures that",)
        seen: dict[Any, int] = {}
        listed = column.values.tolist()
        codes = np.array([seen.setdefault(v, len(seen)) for v in listed], dtype=np.int64)
    return np.where(column.present, codes, int(codes.max()) + 1), notes


def _are_ids(table: SourceTable, column: Column) -> bool:
    """Whether numbers may be cluster ids: whole, and of a table that nobody prepared."""
    values = column.values[column.present]
    return not _is_prepared(table) and bool((values == np.round(values)).all())


def _is_prepared(table: SourceTable) -> bool:
    return any(name.startswith(_AUXILIARY) for name in table.names)
