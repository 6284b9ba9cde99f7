"""Columns and targets of a prepared data set, in its `table.parquet` and its metadata."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clinfonce.data.table import LABEL, Column, ImageTable
from clinfonce.data.targets import UNLABELLED, Target

_COLUMN, _TARGET = "aux:", "target:"  # how their names start in the file


def as_arrow(table: ImageTable, paths: Sequence[str] | None) -> dict[str, Any]:
    """Arrays by the name of their column in the file."""
    import pyarrow

    arrays: dict[str, Any] = {} if paths is None else {"path": pyarrow.array(list(paths))}
    arrays["split"] = table.split
    for target in table.targets.values():
        arrays[_name(target, table)] = _of_target(target)
    for column in table.columns.values():
        pairs = zip(column.values.tolist(), column.present.tolist(), strict=True)
        arrays[f"{_COLUMN}{column.name}"] = pyarrow.array(
            [v if here else None for v, here in pairs]
        )
    return arrays


def describe_columns(table: ImageTable) -> list[dict[str, Any]]:
    """What the file does not say of columns."""
    return [
        {"name": c.name, "kind": c.kind, "level": c.level, "description": c.description}
        for c in table.columns.values()
    ]


def describe_targets(table: ImageTable) -> list[dict[str, Any]]:
    """What the file does not say of targets."""
    return [
        {"name": t.name, "kind": t.kind, "names": list(t.names), "column": _name(t, table)}
        for t in table.targets.values()
    ]


def read_labels(rows: Any) -> NDArray[np.int64]:
    """The labels in a file."""
    return _codes(rows[LABEL])


def read_target(
    described: Mapping[str, Any], rows: Any, labels: NDArray[np.int64] | None
) -> Target:
    """A target in a file; one that the labels are shares their array."""
    name, kind, names = described["name"], described["kind"], tuple(described["names"])
    if described["column"] == LABEL and labels is not None:
        return Target(name, kind, labels, names)
    column = rows[described["column"]]
    if kind == "class":
        return Target(name, kind, _codes(column), names)
    if kind == "number":
        numbers = column.fill_null(np.nan).to_numpy().astype(np.float64)
        return Target(name, kind, numbers)
    values = np.zeros((len(column), len(names)), dtype=np.bool_)
    missing = np.zeros(len(column), dtype=np.bool_)
    for row, codes in enumerate(column.to_pylist()):
        missing[row] = codes is None
        values[row, codes or []] = True
    return Target(name, kind, values, names, missing if missing.any() else None)


def read_column(described: Mapping[str, Any], rows: Any) -> Column:
    """A column in a file."""
    values = rows[f"{_COLUMN}{described['name']}"].to_pylist()
    missing = np.array([value is None for value in values])
    kind = described["kind"]
    if kind in ("tags", "hierarchy"):
        array = np.empty(len(values), dtype=object)
        array[:] = [_as_tuple(value or ()) for value in values]
    elif kind == "categorical":
        filler: str | int = "" if any(isinstance(value, str) for value in values) else 0
        array = np.array([filler if value is None else value for value in values])
    else:
        array = np.array([value or 0 for value in values]).astype(
            bool if kind == "boolean" else float
        )
    return Column(
        name=described["name"],
        kind=kind,
        values=array,
        missing=missing if missing.any() else None,
        description=described["description"],
        level=described["level"],
    )


def _name(target: Target, table: ImageTable) -> str:
    """The column of a target in the file; the labels have one of their own."""
    return LABEL if target.values is table.labels else f"{_TARGET}{target.name}"


def _of_target(target: Target) -> Any:
    import pyarrow

    if target.kind != "multilabel":
        return pyarrow.array(target.values, mask=~target.known)
    rows = zip(target.values, target.known.tolist(), strict=True)
    codes = [np.flatnonzero(row).tolist() if known else None for row, known in rows]
    return pyarrow.array(codes, pyarrow.list_(pyarrow.int32()))


def _codes(column: Any) -> NDArray[np.int64]:
    codes: NDArray[np.int64] = column.fill_null(UNLABELLED).to_numpy().astype(np.int64)
    return codes


def _as_tuple(values: Sequence[Any]) -> tuple[Any, ...]:
    """Lists, also within lists, as tuples."""
    return tuple(_as_tuple(value) if isinstance(value, list) else value for value in values)
