"""Shards: Arrow files of images, either raw pixels or the bytes of the user's own image files.

A shard is one record batch with one column `image`, so that a memory map of it is an array.
Its schema says what it was made of, so that broken-off work goes on after the last whole shard.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from clinfonce.data.storage.places import Place

Storage: TypeAlias = Literal["raw", "encoded"]
SHARD_BYTES = 1 << 26
_KEY = b"clinfonce"


@dataclass(frozen=True)
class Shard:
    """One file of images.

    Attributes:
        file: its name.
        n: images in it.
        size: of the file, in bytes.
        digest: SHA-256 of its images.
        content: SHA-256 of the whole file; "" in old data sets.
    """

    file: str
    n: int
    size: int
    digest: str
    content: str = ""


@dataclass(frozen=True)
class Note:
    """What a shard says of itself.

    Attributes:
        signature: of the work that it is part of.
        done: rows of the table that were looked at when the shard was full.
        kept: the rows whose images it holds, in order.
        bad: the rows left out since the shard before, each with the reason.
        digest: SHA-256 of the images.
        looks: what `looks.look_of` says of each image.
    """

    signature: str
    done: int
    kept: list[int]
    bad: list[tuple[int, str]]
    digest: str
    looks: list[str] = field(default_factory=list)


def shard_name(number: int) -> str:
    """File name of a shard."""
    return f"images-{number:05}.arrow"


def digest_of(images: Sequence[Any]) -> str:
    """SHA-256 of images one after the other, in hex."""
    digest = hashlib.sha256()
    for image in images:
        digest.update(image)
    return digest.hexdigest()


def write_shard(
    place: Place, number: int, images: Sequence[Any], note: Note, storage: Storage
) -> Shard:
    """Write a shard whole or not at all.

    Args:
        place: folder to write to.
        number: of the shard.
        images: buffers, all of one length if raw.
        note: what it says of itself.
        storage: how the images are kept.

    Returns:
        What is known of the file.
    """
    import pyarrow

    if storage == "raw":
        kind = pyarrow.binary(len(memoryview(images[0]).cast("B")) if images else 1)
    else:
        kind = pyarrow.large_binary()
    schema = pyarrow.schema([("image", kind)], {_KEY: json.dumps(asdict(note)).encode()})
    column = _column(images, kind, storage)
    sink = pyarrow.BufferOutputStream()
    with pyarrow.ipc.new_file(sink, schema) as writer:
        writer.write_batch(pyarrow.record_batch([column], schema=schema))
    content = sink.getvalue()
    place.write(shard_name(number), content)
    whole = hashlib.sha256(content).hexdigest()
    return Shard(shard_name(number), len(images), content.size, note.digest, whole)


def _column(images: Sequence[Any], kind: Any, storage: Storage) -> Any:
    import pyarrow

    joined = pyarrow.py_buffer(b"".join(images))
    if storage == "raw":
        return pyarrow.FixedSizeBinaryArray.from_buffers(kind, len(images), [None, joined])
    lengths = [len(image) for image in images]
    offsets = np.concatenate(([0], np.cumsum(lengths))).astype(np.int64)
    buffers = [None, pyarrow.py_buffer(offsets), joined]
    return pyarrow.LargeBinaryArray.from_buffers(kind, len(images), buffers)


def read_note(place: Place, number: int) -> Note | None:
    """What a shard says of itself; None if it is missing, or no shard of ours."""
    import pyarrow

    if place.size(shard_name(number)) is None:
        return None
    try:
        said = json.loads(_schema(place, shard_name(number)).metadata[_KEY])
    except (pyarrow.ArrowException, OSError, ValueError, KeyError, TypeError):
        return None
    return Note(**{**said, "bad": [(row, reason) for row, reason in said["bad"]]})


def _schema(place: Place, name: str) -> Any:
    """The schema of a shard; on a disk its end is looked at too, for it may have been cut off."""
    import pyarrow

    if place.is_local:
        with pyarrow.memory_map(f"{place.path}/{name}") as file:
            return pyarrow.ipc.open_file(file).schema
    with place.open(name) as file:
        file.read(8)  # "ARROW1" and padding; from there on an Arrow file is an Arrow stream
        return pyarrow.ipc.open_stream(file).schema


def describe(place: Place, number: int, note: Note) -> Shard | None:
    """What is known of a shard of an earlier call; None if its images are not those of its note."""
    content = place.read(shard_name(number))
    whole = hashlib.sha256(content).hexdigest()
    shard = Shard(shard_name(number), len(note.kept), len(content), note.digest, whole)
    return shard if _digest_of_content(content) == note.digest else None


def map_raw(file: Path, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Map the numbers of a raw shard into memory, (n, *shape), read-only."""
    column = _map(file)
    numbers: NDArray[Any] = np.frombuffer(column.buffers()[1], dtype=dtype)
    return numbers[: len(column) * int(np.prod(shape))].reshape(len(column), *shape)


def map_encoded(file: Path) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Map an encoded shard into memory: offsets (n + 1,) and the bytes of all its images."""
    column = _map(file)
    offsets = np.frombuffer(column.buffers()[1], dtype=np.int64)[: len(column) + 1]
    return offsets, np.frombuffer(column.buffers()[2] or b"", dtype=np.uint8)


def image_digest(file: Path) -> str:
    """SHA-256 of the images in a shard, as `digest_of` gives it; "" of what is no shard."""
    import pyarrow

    try:
        return _digest_of_column(_map(file))
    except (pyarrow.ArrowException, OSError, ValueError):
        return ""


def _digest_of_content(content: bytes) -> str:
    import pyarrow

    try:
        batch = pyarrow.ipc.open_file(pyarrow.BufferReader(content)).get_batch(0)
        return _digest_of_column(batch.column(0))
    except (pyarrow.ArrowException, OSError, ValueError):
        return ""


def _digest_of_column(column: Any) -> str:
    """SHA-256 of the bytes of all images; they lie one after the other."""
    buffers, n = column.buffers(), len(column)
    if len(buffers) == 2:
        images = memoryview(buffers[1])[: column.type.byte_width * n]
    else:
        offsets = np.frombuffer(buffers[1], dtype=np.int64)[: n + 1]
        images = memoryview(buffers[2] or b"")[offsets[0] : offsets[-1]]
    return hashlib.sha256(images).hexdigest()


def shards_from_json(described: Sequence[Mapping[str, Any]]) -> list[Shard]:
    """Shards as `dataclasses.asdict` wrote them."""
    return [Shard(**shard) for shard in described]


def _map(file: Path) -> Any:
    import pyarrow

    return pyarrow.ipc.open_file(pyarrow.memory_map(str(file))).get_batch(0).column(0)
