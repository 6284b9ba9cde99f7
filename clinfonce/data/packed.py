"""A prepared data set on disk: `images.u8`, `table.parquet` and `metadata.json` in one folder.

`images.u8` is (n, c, h, w) uint8 without a header, so that it is memory-mapped, and appended to
while it is made.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from clinfonce.data.table import Column, ImageTable, open_images
from clinfonce.errors import InputError

FORMAT = 1
IMAGES, TABLE, METADATA = "images.u8", "table.parquet", "metadata.json"


def is_packed(folder: Path) -> bool:
    """Whether a folder holds a prepared data set."""
    return (folder / METADATA).is_file()


def load(folder: Path) -> ImageTable:
    """Open a prepared data set; images stay on disk, memory-mapped.

    Raises:
        InputError: a file that is missing, cut short, or of another format.
    """
    import pyarrow.parquet as parquet

    try:
        metadata = json.loads((folder / METADATA).read_text(encoding="utf-8"))
        table = parquet.read_table(folder / TABLE)
    except (OSError, ValueError) as error:  # pyarrow.ArrowInvalid is a ValueError
        raise InputError(f"{folder}: not a complete prepared data set: {error}") from None
    if metadata.get("format") != FORMAT:
        raise InputError(f"{folder}: format {metadata.get('format')}, this version reads {FORMAT}")
    shape = tuple(metadata["shape"])
    if table.num_rows != shape[0]:
        raise InputError(f"{folder}: {TABLE} does not have {shape[0]} images")
    labels = table["label"].to_numpy().astype(np.int64) if metadata["label_names"] else None
    loaded = ImageTable(
        name=metadata["name"],
        images=open_images(folder / IMAGES, shape),
        labels=labels,
        label_names=tuple(metadata["label_names"]),
        split=table["split"].to_numpy().astype(np.int8),
        columns={c["name"]: _read_column(c, table) for c in metadata["columns"]},
    )
    # Stored when the images were at hand: reading all of them anew could take hours.
    loaded.__dict__["fingerprint"] = metadata["fingerprint"]
    return loaded


def write_table(folder: Path, table: ImageTable, paths: Sequence[str], notes: Any) -> None:
    """Write `table.parquet` and then `metadata.json` beside the images.

    Args:
        folder: that holds `images.u8` already.
        table: whose images are that file.
        paths: (n,) of the images, for people.
        notes: JSON values, for people: what was left out.
    """
    import pyarrow
    import pyarrow.parquet as parquet

    arrays: dict[str, Any] = {"path": pyarrow.array(list(paths)), "split": table.split}
    if table.labels is not None:
        arrays["label"] = table.labels
    for column in table.columns.values():
        values = [v if p else None for v, p in zip(column.values.tolist(), column.present,
                                                   strict=True)]  # fmt: skip
        arrays[f"aux:{column.name}"] = pyarrow.array(values)
    parquet.write_table(pyarrow.table(arrays), folder / TABLE)
    metadata = {
        "format": FORMAT,
        "name": table.name,
        "shape": list(table.images.shape),
        "label_names": list(table.label_names),
        "columns": [
            {"name": c.name, "kind": c.kind, "level": c.level, "description": c.description}
            for c in table.columns.values()
        ],
        "fingerprint": table.fingerprint,
        "notes": notes,
    }
    text = json.dumps(metadata, indent=1, ensure_ascii=False)
    (folder / METADATA).write_text(text, encoding="utf-8")


def _read_column(described: dict[str, Any], table: Any) -> Column:
    values = table[f"aux:{described['name']}"].to_pylist()
    missing = np.array([value is None for value in values])
    kind = described["kind"]
    if kind in ("tags", "hierarchy"):
        array = np.empty(len(values), dtype=object)
        array[:] = [tuple(value or ()) for value in values]
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
