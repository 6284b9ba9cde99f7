"""Columns of a table as a similarity takes them: compared by kernels, or to be predicted."""

import hashlib
import io
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from clinfonce.config import ColumnSpec, SimilaritySpec
from clinfonce.data import Column as TableColumn
from clinfonce.data import ImageTable
from clinfonce.errors import InputError
from clinfonce.files import File
from clinfonce.information.cautions import cautions
from clinfonce.losses import Attribute, standardised
from clinfonce.similarity import (
    PERIODS,
    Column,
    days,
    encode,
    kernel_options,
    parse_dates,
    part,
)
from clinfonce.training.sources import Known

Rows: TypeAlias = NDArray[np.int64]

_WHERE = "similarity.columns"
# The kernel of a column of each kind that names none.
DEFAULT_KERNELS = {
    "boolean": "equal",
    "categorical": "equal",
    "numeric": "gaussian",
    "tags": "jaccard",
    "hierarchy": "common_ancestor",
}
_NUMBERS = frozenset({"gaussian", "cyclic", "great_circle"})
_KINDS_OF_KERNELS: Mapping[str, frozenset[str]] = {
    "differences": frozenset({"boolean"}),
    "jaccard": frozenset({"tags", "boolean"}),
    "common_ancestor": frozenset({"hierarchy"}),
    **dict.fromkeys(_NUMBERS, frozenset({"numeric"})),
}
# Where none is given: of equal values it is None, so that others have no weight.
_BANDWIDTHS: Mapping[str, float | None] = {
    "equal": None, "differences": 1.0, "gaussian": 1.0, "cyclic": 1.0, "great_circle": 100.0,
    "cosine": 0.1,
}  # fmt: skip
# Of a boolean that attracts and names no kernel: many of them multiply to exp(−differences).
_OF_A_BOOLEAN = 1.0
_MOST_TAGS = 256  # that are predicted, the commonest ones
_MOST_CATEGORIES = 10_000
_DAY = np.timedelta64(1, "D") / np.timedelta64(1, "us")


@dataclass(frozen=True, eq=False)
class Resolved:
    """A column of a specification on the training images.

    Attributes:
        name: in the specification.
        spec: with its kernel.
        columns: of the table that it is made of.
        rows: of the training images.
        embeddings: float (n, d) of them, for cosine; None otherwise.
        digest: SHA-256 of the file of embeddings, or None.
    """

    name: str
    spec: ColumnSpec
    columns: tuple[TableColumn, ...]
    rows: Rows
    embeddings: NDArray[Any] | None = None
    digest: str | None = None

    @property
    def unknown(self) -> NDArray[np.bool_]:
        """Images (n,) that lack a value."""
        lacking = [~column.present[self.rows] for column in self.columns]
        unknown: NDArray[np.bool_] = np.logical_or.reduce(lacking)
        return unknown

    @property
    def provenance(self) -> dict[str, Any]:
        """Its specification, and what it was read from."""
        given = self.spec.model_dump(mode="json", exclude_defaults=True)
        read = {} if self.digest is None else {"embeddings_sha256": self.digest}
        return {**given, "kernel": self.spec.kernel, "role": self.spec.role, **read}

    def compared(self, factor: float = 1.0) -> Column:
        """For its kernel, with bandwidths times a factor and powers divided by it.

        Raises:
            InputError: values that the kernel does not take.
        """
        kernel = str(self.spec.kernel)
        options = self.options(kernel, factor)
        return encode(
            kernel,
            *self._values(kernel),
            name=f"{_WHERE} {self.name!r}",
            unknown=self.unknown,
            missing=self.spec.missing,
            **options,
        )

    def options(self, kernel: str, factor: float) -> dict[str, Any]:
        """Of its kernel, those that are not the default and those that a factor changes."""
        spec, known = self.spec, kernel_options(kernel)
        options: dict[str, Any] = {}
        if "bandwidth" in known:
            width = spec.bandwidth or _BANDWIDTHS[kernel]
            options["bandwidth"] = None if width is None else width * factor
        if "power" in known:
            options["power"] = (spec.power or 1.0) / factor
        if "idf" in known:
            options["idf"] = spec.idf
        if "unit" in known and spec.unit is not None:
            options["unit"] = spec.unit
        if "period" in known:
            options["period"] = spec.period or PERIODS[spec.part]  # type: ignore[index]
        return options

    def _values(self, kernel: str) -> tuple[Any, ...]:
        if kernel == "cosine":
            return (self.embeddings,)
        if kernel in ("gaussian", "cyclic"):
            return (self.numbers(self.columns[0]),)
        values = tuple(column.values[self.rows] for column in self.columns)
        first = self.columns[0]
        if kernel in ("differences", "jaccard") and first.kind == "boolean":
            return (np.stack(values, axis=1),)
        if kernel == "equal" and first.kind in ("tags", "hierarchy"):
            ordered = sorted if first.kind == "tags" else tuple
            return (np.array([str(ordered(value)) for value in values[0]]),)
        return values

    def numbers(self, column: TableColumn) -> NDArray[Any]:
        """Numbers (n,), or the part of dates that the specification asks for."""
        values, which = column.values[self.rows], self.spec.part
        if column.kind == "categorical":  # dates that the table holds as texts
            dates = parse_dates(
                values.tolist(), unknown=self.unknown, name=f"{_WHERE} {self.name!r}"
            )
            return days(dates) if which is None else part(dates, which)
        if which is None:
            return values
        moments = np.where(self.unknown, 0.0, values) * _DAY
        return part(np.rint(moments).astype(np.int64).astype("datetime64[us]"), which)

    def known(self) -> dict[str, Known]:
        """What is to be predicted of it, by name: a hierarchy has one entry a level.

        Raises:
            InputError: fewer than two values.
        """
        weight, unknown = self.spec.weight, self.unknown
        return {
            name: replace(found, weight=weight) for name, found in _known(self, unknown).items()
        }


def resolve(spec: SimilaritySpec, table: ImageTable, rows: Rows) -> list[Resolved]:
    """The columns of a specification that play a role, on the training images of a table.

    Raises:
        InputError: an unknown column, or one that does not fit its kernel.
    """
    if isinstance(spec.columns, str):
        given = {name: ColumnSpec() for name in all_columns(table, rows)}
        if not given:
            raise InputError(
                f"{_WHERE} is all, but no column of {table.name} tells images apart, other than "
                "the label itself"
            )
    else:
        given = spec.columns
    found = [_resolve(name, column, table, rows) for name, column in given.items()]
    return [column for column in found if column.spec.role != "ignore"]


def all_columns(table: ImageTable, rows: Rows) -> list[str]:
    """What `all` stands for: usable columns, but those off which the label can be read.

    Whoever wants to train on such a column, or on a hierarchy with such a level, names it.
    """
    labels = {caution.column for caution in cautions(table) if caution.why == "label"}
    return [name for name in usable_columns(table, rows) if name not in labels]


def usable_columns(table: ImageTable, rows: Rows) -> list[str]:
    """Columns that tell training images apart, and not each from every other."""
    return [column.name for column in table.columns.values() if _tells(column, rows)]


def _tells(column: TableColumn, rows: Rows) -> bool:
    values = column.values[rows][column.present[rows]]
    count = len(set(values.tolist()))
    return count > 1 and (column.kind == "numeric" or count < len(values))


def _resolve(name: str, spec: ColumnSpec, table: ImageTable, rows: Rows) -> Resolved:
    columns = tuple(_column(name, of, table) for of in spec.of or (name,))
    if spec.kernel == "cosine":
        embeddings, digest = _read_embeddings(name, str(spec.embeddings), len(table))
        return Resolved(name, spec, columns, rows, embeddings[rows], digest)
    kernel = spec.kernel or DEFAULT_KERNELS[columns[0].kind]
    kinds = _KINDS_OF_KERNELS.get(kernel)
    dates = spec.part is not None and columns[0].kind == "categorical"
    for column in columns:
        if kinds is not None and column.kind not in kinds and not dates:
            raise InputError(
                f"{_WHERE} {name!r}: kernel {kernel} takes {' or '.join(sorted(kinds))} values, "
                f"and column {column.name!r} holds {column.kind} ones"
            )
    if kernel not in ("differences", "jaccard", "great_circle") and len(columns) > 1:
        raise InputError(f"{_WHERE} {name!r}: kernel {kernel} takes one column, not {len(columns)}")
    settled: dict[str, Any] = {"kernel": kernel}
    if spec.kernel is None and columns[0].kind == "boolean" and spec.role == "attract":
        settled["bandwidth"] = spec.bandwidth or _OF_A_BOOLEAN
    return Resolved(name, spec.model_copy(update=settled), columns, rows)


def _column(name: str, of: str, table: ImageTable) -> TableColumn:
    if of in table.targets:
        raise InputError(
            f"{_WHERE} {name!r}: {of!r} is what is to be predicted of {table.name}; only "
            "auxiliary columns have a role"
        )
    try:
        return table.column(of)
    except InputError as error:
        raise InputError(f"{_WHERE}: {error}") from None


def _read_embeddings(name: str, path: str, n: int) -> tuple[NDArray[Any], str]:
    where = f"{_WHERE} {name!r}: embeddings {path}"
    try:
        content = File.at(path).read()
        values = np.load(io.BytesIO(content), allow_pickle=False)
    except FileNotFoundError:
        raise InputError(f"{where}: no such file") from None
    except (ValueError, EOFError, OSError) as error:
        raise InputError(f"{where}: cannot be read as .npy ({error})") from None
    if values.ndim != 2 or len(values) != n or values.dtype.kind != "f":
        raise InputError(
            f"{where}: {values.dtype} of shape {values.shape}; must be floating ({n}, d), a row "
            "for each image of the data set"
        )
    return values, hashlib.sha256(content).hexdigest()


def _known(column: Resolved, unknown: NDArray[np.bool_]) -> dict[str, Known]:
    kernel, first = str(column.spec.kernel), column.columns[0]
    if kernel == "cosine":
        assert column.embeddings is not None
        return {column.name: _numbers(column.embeddings, unknown)}
    if kernel == "cyclic":
        turns = 2 * np.pi * column.numbers(first) / column.options(kernel, 1.0)["period"]
        return {column.name: _numbers(np.stack([np.cos(turns), np.sin(turns)], 1), unknown)}
    if kernel in _NUMBERS:
        numbers = [column.numbers(each) for each in column.columns]
        return {column.name: _numbers(np.stack(numbers, axis=1), unknown)}
    if first.kind == "boolean":
        booleans = np.stack([each.values[column.rows] for each in column.columns], axis=1)
        return {column.name: _booleans(booleans, unknown)}
    values = first.values[column.rows]
    if first.kind == "tags":
        return {column.name: _booleans(_tag_matrix(values), unknown)}
    if first.kind == "hierarchy":
        return dict(_levels(column.name, values, unknown))
    return {column.name: _categories(column.name, values, unknown)}


def _numbers(values: NDArray[Any], unknown: NDArray[np.bool_]) -> Known:
    filled = np.where(unknown[:, None], np.nan, values.astype(np.float64))
    numbers = standardised(torch.from_numpy(filled)).float()
    return Known(Attribute("numeric", numbers.shape[1]), numbers)


def _booleans(values: NDArray[Any], unknown: NDArray[np.bool_]) -> Known:
    filled = np.where(unknown[:, None], np.nan, values.astype(np.float32))
    return Known(Attribute("boolean", filled.shape[1]), torch.from_numpy(filled).float())


def _categories(name: str, values: NDArray[Any], unknown: NDArray[np.bool_]) -> Known:
    codes = np.full(len(values), -1, dtype=np.int64)
    kinds, codes[~unknown] = np.unique(values[~unknown], return_inverse=True)
    if not 2 <= len(kinds) <= _MOST_CATEGORIES:
        raise InputError(
            f"{_WHERE} {name!r} has {len(kinds)} values, and of 2 to {_MOST_CATEGORIES:,} one can "
            "be predicted"
        )
    return Known(Attribute("categorical", len(kinds)), torch.from_numpy(codes))


def _tag_matrix(values: NDArray[Any]) -> NDArray[np.bool_]:
    counts = Counter(tag for tags in values for tag in set(tags))
    kept = sorted(counts, key=lambda tag: (-counts[tag], tag))[:_MOST_TAGS]
    return np.array([[tag in tags for tag in kept] for tags in map(set, values)], dtype=np.bool_)


def _levels(
    name: str, values: NDArray[Any], unknown: NDArray[np.bool_]
) -> Iterator[tuple[str, Known]]:
    """A category at each level at which there are several; the first of several paths."""
    paths = [value[0] if value and isinstance(value[0], tuple) else value for value in values]
    for level in range(1, max(map(len, paths), default=0) + 1):
        heads = np.array(["/".join(path[:level]) for path in paths])
        absent = unknown | np.array([len(path) < level for path in paths])
        if 2 <= len(set(heads[~absent].tolist())) <= _MOST_CATEGORIES:
            yield f"{name}/{level}", _categories(name, heads, absent)


def categories_of(column: TableColumn, rows: Rows) -> Iterator[tuple[str, Rows]]:
    """A column as categories int64 (n,), -1 where unknown, by name.

    Tags are the one of each image that most images have, but not all; a hierarchy has one entry a
    level.
    """
    values, unknown = column.values[rows], ~column.present[rows]
    if column.kind == "hierarchy":
        for name, known in _levels(column.name, values, unknown):
            yield name, known.values.numpy()
        return
    if column.kind == "tags":
        counts = Counter(tag for tags in values for tag in set(tags))
        telling = [[tag for tag in tags if counts[tag] < len(values)] for tags in values]
        commonest = [min(tags, key=lambda t: (-counts[t], t), default="") for tags in telling]
        values = np.array(commonest)
    codes = np.full(len(values), -1, dtype=np.int64)
    codes[~unknown] = np.unique(values[~unknown], return_inverse=True)[1]
    yield column.name, codes
