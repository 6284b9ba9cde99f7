"""What columns of a table say of its labels: any CSV or Parquet file, without images."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clinfonce.errors import InputError, unknown_name
from clinfonce.information import Estimate, estimate

ALL = "all"
_MISSING = ("", "na", "NA", "n/a", "N/A", "nan", "NaN", "NAN", "null", "NULL", "Null")
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
    """

    clusters: str
    fraction: float
    estimate: Estimate
    n_missing: int

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
    def note(self) -> str | None:
        """What a reader of the bits should know, in one line; None if there is nothing."""
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
    clusters: Sequence[str],
    label: str,
    *,
    fractions: Sequence[float] = (),
    seed: int = 0,
    encoding: str = "utf-8",
) -> list[ColumnInformation]:
    """Measure what columns of a table say of its label column.

    Rows without a label are left out; a missing cluster is a cluster of its own. If the first
    column has no name and ends in -1, the last row is no image but counts (as in the tables that
    Tsai et al. 2021, arXiv 2106.02869, publish) and is dropped.

    Args:
        file: .csv, .tsv or .parquet.
        clusters: columns that hold cluster ids, numbers, texts or lists (tags, paths), of which
            equal ones are a cluster; ["all"] takes every column but the label and an unnamed one,
            of a prepared data set the auxiliary ones.
        label: column of the labels.
        fractions: in (0, 1]; for each, only so large a random part of the labelled rows is
            looked at. None given: all of them.
        seed: of the parts.
        encoding: of a .csv or .tsv.

    Returns:
        For each column in turn, one entry a fraction.

    Raises:
        InputError: an unreadable table, an unknown column, a fraction out of range, or fewer
            than four labelled rows.
    """
    for fraction in fractions:
        if not 0 < fraction <= 1:
            raise InputError(f"fraction must be above 0 and at most 1, got {fraction:g}")
    path = Path(file)
    names = _column_names(path, encoding)
    wanted = _all_but(names, label) if list(clusters) == [ALL] else list(clusters)
    for name in [*wanted, label]:
        if name not in names:
            raise InputError(unknown_name(f"column of {path}", name, [n for n in names if n]))
    if not wanted:
        raise InputError(f"{path}: no column to measure beside the label {label!r}")
    index = names[:1] if names[0] == "" else []
    codes = _read(path, list(dict.fromkeys([*index, *wanted, label])), encoding)
    end = _rows_of_images(codes, index)
    labels = _codes(codes[label], end)
    known = np.flatnonzero(labels >= 0)
    parts = [(f, _part(known, f, seed)) for f in fractions or (1.0,)]
    return [
        ColumnInformation(name, fraction, _estimate(path, ids, labels, rows, seed), int(missing))
        for name in wanted
        for ids, missing in [_clusters(codes[name], end)]
        for fraction, rows in parts
    ]


def _all_but(names: Sequence[str], label: str) -> list[str]:
    """Columns that may be clusters; those of a prepared data set start with aux:."""
    if "split" in names and any(name.startswith("aux:") for name in names):
        return [name for name in names if name.startswith("aux:")]
    return [name for name in names if name and name != label]


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


def _rows_of_images(columns: Any, index: Sequence[str]) -> int:
    """How many rows are of images: the last may hold counts."""
    n = len(next(iter(columns.values())))
    return n - 1 if index and n and str(columns[index[0]][n - 1].as_py()) == "-1" else n


def _codes(column: Any, end: int) -> NDArray[np.int64]:
    """Codes (end,) of the values, -1 where there is none."""
    codes: NDArray[np.int64] = column.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    return codes[:end].astype(np.int64)


def _clusters(column: Any, end: int) -> tuple[NDArray[np.int64], int]:
    """Codes (end,) in which missing is the last one, and how many are missing."""
    codes = _codes(column, end)
    missing = codes < 0
    codes[missing] = len(column.dictionary)
    return codes, int(missing.sum())


def _column_names(path: Path, encoding: str) -> list[str]:
    import pyarrow
    import pyarrow.csv
    import pyarrow.parquet

    if not path.is_file():
        raise InputError(f"{path}: no such file")
    with _as_input_errors(path, encoding):
        if path.suffix == ".parquet":
            return [str(name) for name in pyarrow.parquet.read_schema(path).names]
        if path.suffix in (".csv", ".tsv"):
            text = _first_line(path, encoding)
            options = pyarrow.csv.ParseOptions(delimiter=_delimiter(path))
            table = pyarrow.csv.read_csv(pyarrow.py_buffer(text), parse_options=options)
            return [str(name) for name in table.column_names]
    raise InputError(f"{path}: the table must be a .csv, .tsv or .parquet file")


def _first_line(path: Path, encoding: str) -> bytes:
    with path.open(encoding=encoding, newline="") as file:
        line = file.readline()
    if not line.strip():
        raise InputError(f"{path}: the table is empty")
    return line.removeprefix("\ufeff").encode()


def _read(path: Path, names: Sequence[str], encoding: str) -> dict[str, Any]:
    """Dictionary-encoded columns by name."""
    import pyarrow
    import pyarrow.csv
    import pyarrow.parquet

    with _as_input_errors(path, encoding):
        if path.suffix == ".parquet":
            table = pyarrow.parquet.read_table(path, columns=list(names))
        else:
            texts = dict.fromkeys(names, pyarrow.dictionary(pyarrow.int32(), pyarrow.string()))
            table = pyarrow.csv.read_csv(
                path,
                read_options=pyarrow.csv.ReadOptions(encoding=encoding),
                parse_options=pyarrow.csv.ParseOptions(
                    delimiter=_delimiter(path), newlines_in_values=True
                ),
                convert_options=pyarrow.csv.ConvertOptions(
                    include_columns=list(names),
                    column_types=texts,
                    null_values=list(_MISSING),
                    strings_can_be_null=True,
                ),
            )
        return {name: _encoded(path, table[name]) for name in names}


def _encoded(path: Path, column: Any) -> Any:
    import pyarrow
    import pyarrow.compute

    if pyarrow.types.is_nested(column.type):  # tags or paths: equal lists are a cluster
        texts = [None if value is None else json.dumps(value) for value in column.to_pylist()]
        column = pyarrow.chunked_array([pyarrow.array(texts, pyarrow.string())])
    if pyarrow.types.is_floating(column.type):
        column = pyarrow.compute.if_else(pyarrow.compute.is_nan(column), None, column)
    if not pyarrow.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    if column.num_chunks == 0:
        raise InputError(f"{path}: the table has no rows")
    return column.unify_dictionaries().combine_chunks()


@contextmanager
def _as_input_errors(path: Path, encoding: str) -> Iterator[None]:
    """Say what is wrong with a file in one line."""
    try:
        yield
    except InputError:
        raise
    except LookupError:
        raise InputError(f"unknown encoding {encoding!r}") from None
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path}: not {encoding} text ({error.reason}); give its encoding"
        ) from None
    except (OSError, ValueError) as error:  # pyarrow.ArrowInvalid is a ValueError
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        hint = "; give its encoding" if "UTF8" in reason else ""
        raise InputError(f"{path}: {reason}{hint}") from None


def _delimiter(path: Path) -> str:
    return "\t" if path.suffix == ".tsv" else ","
