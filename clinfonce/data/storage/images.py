"""Packed images that read like an array and stay on disk."""

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from clinfonce.data.image_files.decode import decode
from clinfonce.data.storage.places import Place
from clinfonce.data.storage.shards import Storage, map_encoded, map_raw
from clinfonce.errors import InputError

Pixels: TypeAlias = NDArray[np.uint8]


@dataclass(frozen=True)
class Shard:
    """One file of images.

    Attributes:
        file: its name.
        n: images in it.
        size: of the file, in bytes.
        digest: SHA-256 of its images.
    """

    file: str
    n: int
    size: int
    digest: str


class PackedImages:
    """Images (n, c, h, w) uint8 in memory-mapped shards, shared by all processes of a machine.

    Indexing copies (or decodes, on all cores) only the images that are asked for. Pickled, it
    is the path of its folder, and the URI that the folder can be fetched from.

    Args:
        folder: that holds the shards.
        shards: in order.
        image_shape: (c, h, w).
        storage: "raw" pixels or "encoded" image files.
        origin: URI that the folder is a copy of, if it is one.
        threads: that decode; None takes one per core.
    """

    ndim = 4
    dtype = np.dtype(np.uint8)

    def __init__(
        self,
        folder: Path,
        shards: Sequence[Shard],
        image_shape: Sequence[int],
        storage: Storage,
        *,
        origin: str | None = None,
        threads: int | None = None,
    ) -> None:
        self._folder, self._shards, self._storage = folder, tuple(shards), storage
        self._origin, self._threads = origin, threads or os.cpu_count() or 1
        self._starts = np.cumsum([0, *(shard.n for shard in shards)])
        self.shape: tuple[int, ...] = (int(self._starts[-1]), *image_shape)

    def open(self) -> "PackedImages":
        """Make sure that the shards are on the disk, fetching them if they come from elsewhere.

        Raises:
            InputError: a shard that is missing or cut short.
        """
        if self._origin is not None:
            origin = Place.of(self._origin)
            for shard in self._shards:
                origin.copy_to(self._folder, shard.file, shard.size)
        for shard in self._shards:
            _check(self._folder / shard.file, shard)
        return self

    def __len__(self) -> int:
        return int(self.shape[0])

    def __getitem__(self, key: Any) -> Pixels:
        if isinstance(key, tuple):
            chosen, rest = self[key[0]], key[1:]
            if chosen.ndim == 4:
                rest = (slice(None), *rest)
            found: Pixels = chosen[rest]
            return found
        if isinstance(key, int | np.integer):
            image: Pixels = self._take(np.array([range(len(self))[int(key)]]))[0]
            return image
        if isinstance(key, slice):
            return self._take(np.arange(len(self))[key])
        rows = np.asarray(key)
        if rows.dtype == np.bool_:
            rows = np.flatnonzero(rows)
        rows = np.where(rows < 0, rows + len(self), rows).astype(np.int64)
        if rows.size and not 0 <= rows.min() <= rows.max() < len(self):
            raise IndexError(f"image {int(rows.max())} of {len(self)}")
        return self._take(rows)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        if copy is False:
            raise ValueError("packed images are copied to become an array")
        return self[:].astype(dtype or np.uint8, copy=False)

    def __reduce__(self) -> tuple[Any, ...]:
        return _reopen, (
            str(self._folder), self._shards, self.shape[1:], self._storage, self._origin,
        )  # fmt: skip

    @property
    def nbytes(self) -> int:
        """Bytes of all pixels, whatever they take on disk."""
        return int(np.prod(self.shape))

    @property
    def digests(self) -> tuple[str, ...]:
        """SHA-256 of each shard's images and the way they are kept, in hex."""
        return (self._storage, *(shard.digest for shard in self._shards))

    def _take(self, rows: NDArray[np.int64]) -> Pixels:
        """The images of some valid rows."""
        places = np.searchsorted(self._starts, rows, side="right") - 1
        if self._storage == "encoded":
            return self._decode(rows - self._starts[places], places)
        if len(self._shards) == 1:
            return self._raw[0][rows]
        taken = np.empty((len(rows), *self.shape[1:]), dtype=np.uint8)
        order = np.argsort(places, kind="stable")
        used, begins = np.unique(places[order], return_index=True)
        ends = [*begins[1:], len(order)]
        for place, begin, end in zip(used, begins, ends[: len(used)], strict=True):
            mine = order[begin:end]
            taken[mine] = self._raw[place][rows[mine] - self._starts[place]]
        return taken

    def _decode(self, rows: NDArray[np.int64], places: NDArray[np.int64]) -> Pixels:
        taken = np.empty((len(rows), *self.shape[1:]), dtype=np.uint8)

        def decode_one(index: int) -> None:
            offsets, content = self._encoded[places[index]]
            row = rows[index]
            taken[index] = decode(
                BytesIO(content[offsets[row] : offsets[row + 1]].data), self.shape[-1]
            )

        if len(rows) == 1:
            decode_one(0)
        else:
            list(self._pool.map(decode_one, range(len(rows))))
        return taken

    @cached_property
    def _raw(self) -> list[Pixels]:
        return [map_raw(self._folder / shard.file, self.shape[1:]) for shard in self._shards]

    @cached_property
    def _encoded(self) -> list[tuple[NDArray[np.int64], NDArray[np.uint8]]]:
        return [map_encoded(self._folder / shard.file) for shard in self._shards]

    @cached_property
    def _pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self._threads, thread_name_prefix="decode")


def _reopen(
    folder: str,
    shards: Sequence[Shard],
    image_shape: Sequence[int],
    storage: Storage,
    origin: str | None,
) -> PackedImages:
    return PackedImages(Path(folder), shards, image_shape, storage, origin=origin).open()


def _check(file: Path, shard: Shard) -> None:
    if not file.is_file() or file.stat().st_size != shard.size:
        raise InputError(f"{file}: missing here or cut short; prepare the data set again")


def shards_from_json(described: Sequence[Mapping[str, Any]]) -> list[Shard]:
    """Shards as `dataclasses.asdict` wrote them."""
    return [Shard(**shard) for shard in described]
