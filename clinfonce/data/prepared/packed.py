"""A prepared data set: shards of images, `table.parquet` and `metadata.json` in one folder.

The folder is on this machine's disk or in an object store. `metadata.json` is written last, so a
folder that has one is complete. A remote data set is copied to the disk when it is opened, once a
machine, and memory-mapped there.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from clinfonce.data.image_files.rendering import Rendering
from clinfonce.data.prepared.arrow import (
    as_arrow,
    describe_columns,
    describe_targets,
    read_column,
    read_labels,
    read_target,
)
from clinfonce.data.storage.checks import cache
from clinfonce.data.storage.images import PackedImages
from clinfonce.data.storage.places import Place
from clinfonce.data.storage.shards import Shard, Storage, shards_from_json
from clinfonce.data.table import ImageTable
from clinfonce.errors import InputError

FORMAT = 3
_READ = (2, 3)  # formats that this version reads
_WITHOUT_DIGESTS = 2  # the last one that had none but those of images
TABLE, METADATA = "table.parquet", "metadata.json"


def is_packed(folder: Path | str) -> bool:
    """Whether a folder, perhaps in an object store, holds a prepared data set."""
    return Place.of(folder).size(METADATA) is not None


def load(folder: Path | str, copies: Path | None = None) -> ImageTable:
    """Open a prepared data set; images stay on disk, memory-mapped.

    Args:
        folder: path or URI.
        copies: folder for copies of remote data sets; None: clinfonce in the user's cache folder.

    Raises:
        InputError: a file that is missing, cut short, damaged, or of another format.
    """
    place = Place.of(folder)
    metadata = _metadata(place)
    try:
        return _open(place, metadata, copies)
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise InputError(
            f"{place.text}: not a complete prepared data set: {METADATA} says too little ({error})"
        ) from None


def _open(place: Place, metadata: Any, copies: Path | None) -> ImageTable:
    rows = _table(place, metadata["shape"][0], metadata.get("table_digest"))
    if place.is_local:
        local, origin = Path(place.path), None
    else:
        local, origin = (copies or cache()) / metadata["fingerprint"], place.text
    images = PackedImages(
        local,
        shards_from_json(metadata["shards"]),
        metadata["shape"][1:],
        metadata["storage"],
        dtype=metadata.get("dtype", "uint8"),
        rendering=Rendering.from_json(said) if (said := metadata.get("rendering")) else None,
        origin=origin,
    ).open()
    names = tuple(metadata["label_names"])
    labels = read_labels(rows) if names else None
    loaded = ImageTable(
        name=metadata["name"],
        images=images,
        labels=labels,
        label_names=names,
        split=rows["split"].to_numpy().astype(np.int8),
        columns={c["name"]: read_column(c, rows) for c in metadata["columns"]},
        targets={t["name"]: read_target(t, rows, labels) for t in metadata.get("targets", ())},
        paths=rows["path"].to_pylist() if "path" in rows.column_names else None,
    )
    # Stored when the images were at hand: reading all of them anew could take hours.
    loaded.__dict__["fingerprint"] = metadata["fingerprint"]
    return loaded


def _metadata(place: Place) -> Any:
    try:
        metadata = json.loads(place.read(METADATA))
    except ValueError as error:  # an InputError is one too
        raise InputError(f"{place.text}: not a complete prepared data set: {error}") from None
    found = metadata.get("format") if isinstance(metadata, dict) else None
    if found not in _READ:
        raise InputError(
            f"{place.text}: format {found}, this version reads {' and '.join(map(str, _READ))}; "
            "prepare the data set again"
        )
    digest = metadata.pop("digest", None)
    if digest != _digest(metadata) and (digest is not None or found > _WITHOUT_DIGESTS):
        raise InputError(
            f"{place.text}: not a complete prepared data set: {METADATA} is damaged, its content "
            "is not what was written"
        )
    return metadata


def _digest(metadata: Mapping[str, Any]) -> str:
    """SHA-256 of JSON values, in hex."""
    return hashlib.sha256(json.dumps(metadata, sort_keys=True).encode()).hexdigest()


def _table(place: Place, n: int, digest: str | None) -> Any:
    import pyarrow
    import pyarrow.parquet as parquet

    try:
        content = place.read(TABLE)
        if digest is not None and hashlib.sha256(content).hexdigest() != digest:
            raise ValueError(f"{TABLE} is damaged, its content is not what was written")
        # Not read_table: its threads let go of Python's bytes late, perhaps when Python has ended.
        with parquet.ParquetFile(pyarrow.BufferReader(content)) as file:
            table = file.read()
    except (OSError, ValueError) as error:  # InputError and pyarrow.ArrowInvalid are ValueErrors
        raise InputError(f"{place.text}: not a complete prepared data set: {error}") from None
    if table.num_rows != n:
        raise InputError(f"{place.text}: {TABLE} does not have {n} images")
    return table


def write_table(
    place: Place,
    table: ImageTable,
    shards: Sequence[Shard],
    storage: Storage,
    *,
    paths: Sequence[str] | None = None,
    notes: Mapping[str, Any],
) -> None:
    """Write `table.parquet` and then `metadata.json` beside the shards.

    Args:
        place: that holds the shards already.
        table: whose images those are.
        shards: in order.
        storage: how they keep the images.
        paths: (n,) of the images, for people.
        notes: JSON values, for people: what was left out.
    """
    import pyarrow
    import pyarrow.parquet as parquet

    sink = pyarrow.BufferOutputStream()
    parquet.write_table(pyarrow.table(as_arrow(table, paths)), sink)
    content = sink.getvalue()
    place.write(TABLE, content)
    images = table.images
    rendering = images.rendering if isinstance(images, PackedImages) else None
    metadata: dict[str, Any] = {
        "format": FORMAT,
        "name": table.name,
        "storage": storage,
        "shape": list(images.shape),
        "dtype": str(images.dtype),
        "shards": [asdict(shard) for shard in shards],
        "label_names": list(table.label_names),
        "targets": describe_targets(table),
        "columns": describe_columns(table),
        "fingerprint": table.fingerprint,
        "table_digest": hashlib.sha256(content).hexdigest(),
        "rendering": None if rendering is None else rendering.to_json(),
        "notes": notes,
    }
    metadata["digest"] = _digest(metadata)
    place.write(METADATA, json.dumps(metadata, indent=1, ensure_ascii=False).encode())
