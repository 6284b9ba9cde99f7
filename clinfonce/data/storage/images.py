"""Packed images, or embeddings in their place, that read like an array and stay on disk."""

import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clinfonce.data.image_files.decode import decode
from clinfonce.data.image_files.rendering import Rendering
from clinfonce.data.storage.checks import State, check_shards
from clinfonce.data.storage.places import Place
from clinfonce.data.storage.shards import Shard, Storage, map_encoded, map_raw


class PackedImages:
    """Images (n, c, h, w) uint8 in memory-mapped shards, shared by all processes of a machine.

    So are embeddings (n, d) float16 or float32. Indexing copies (or decodes, on all cores) only
    what is asked for. Pickled, it is the path of its folder, and the URI that the folder can be
    fetched from.

    Args:
        folder: that holds the shards.
        shards: in order.
        image_shape: (c, h, w), or (d,) of embeddings.
        storage: "raw" numbers or "encoded" image files.
        dtype: of raw numbers.
        rendering: how encoded files become pixels; None as in data sets that do not say.
        origin: URI that the folder is a copy of, if it is one.
        threads: that decode; None takes one per core.
    """

    def __init__(
        self,
        folder: Path,
        shards: Sequence[Shard],
        image_shape: Sequence[int],
        storage: Storage,
        *,
        dtype: str = "uint8",
        rendering: Rendering | None = None,
        origin: str | None = None,
        threads: int | None = None,
    ) -> None:
        self._folder, self._shards, self._storage = folder, tuple(shards), storage
        self.dtype: np.dtype[Any] = np.dtype(dtype)
        self.rendering = rendering
        self._checked: dict[str, State] = {}
        self._origin, self._threads = origin, threads or os.cpu_count() or 1
        self._starts = np.cumsum([0, *(shard.n for shard in shards)])
        self.shape: tuple[int, ...] = (int(self._starts[-1]), *image_shape)

    def open(self, checked: dict[str, State] | None = None) -> "PackedImages":
        """Make sure that the shards are on the disk, fetching them if they come from elsewhere.

        Their digests are compared once a file, as long as it does not change.

        Args:
            checked: files whose digests another process has compared, with their state then.

        Raises:
            InputError: a shard that is missing, cut short or damaged.
        """
        if self._origin is not None:
            origin = Place.of(self._origin)
            for shard in self._shards:
                origin.copy_to(self._folder, shard.file, shard.size)
        self._checked = check_shards(
            self._folder, self._shards, checked or {}, threads=self._threads
        )
        return self

    @property
    def ndim(self) -> int:
        """4 of images, 2 of embeddings."""
        return len(self.shape)

    def __len__(self) -> int:
        return int(self.shape[0])

    def __getitem__(self, key: Any) -> NDArray[Any]:
        if isinstance(key, tuple):
            chosen, rest = self[key[0]], key[1:]
            if chosen.ndim == self.ndim:
                rest = (slice(None), *rest)
            found: NDArray[Any] = chosen[rest]
            return found
        if isinstance(key, int | np.integer):
            image: NDArray[Any] = self._take(np.array([range(len(self))[int(key)]]))[0]
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
        return self[:].astype(dtype or self.dtype, copy=False)

    def __reduce__(self) -> tuple[Any, ...]:
        return _reopen, (
            str(self._folder), self._shards, self.shape[1:], self._storage, self.dtype.str,
            self.rendering, self._origin, self._checked,
        )  # fmt: skip

    @property
    def nbytes(self) -> int:
        """Bytes of all numbers, whatever they take on disk."""
        return int(np.prod(self.shape)) * self.dtype.itemsize

    @property
    def digests(self) -> tuple[str, ...]:
        """SHA-256 of each shard's images in hex, and how they are kept and read."""
        kept = (self._storage, *(shard.digest for shard in self._shards))
        if self._storage == "raw" or self.rendering is None:
            return kept
        return (*kept, json.dumps(self.rendering.to_json(), sort_keys=True))

    def _take(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        """The images of some valid rows."""
        places = np.searchsorted(self._starts, rows, side="right") - 1
        if self._storage == "encoded":
            return self._decode(rows - self._starts[places], places)
        if len(self._shards) == 1:
            return self._raw[0][rows]
        taken = np.empty((len(rows), *self.shape[1:]), dtype=self.dtype)
        order = np.argsort(places, kind="stable")
        used, begins = np.unique(places[order], return_index=True)
        ends = [*begins[1:], len(order)]
        for place, begin, end in zip(used, begins, ends[: len(used)], strict=True):
            mine = order[begin:end]
            taken[mine] = self._raw[place][rows[mine] - self._starts[place]]
        return taken

    def _decode(self, rows: NDArray[np.int64], places: NDArray[np.int64]) -> NDArray[np.uint8]:
        rendering = self.rendering or Rendering.of_old(self.shape[-1])
        taken = np.empty((len(rows), *self.shape[1:]), dtype=np.uint8)

        def decode_one(index: int) -> None:
            offsets, content = self._encoded[places[index]]
            row = rows[index]
            content = content[offsets[row] : offsets[row + 1]]
            taken[index] = decode(BytesIO(content.data), rendering)

        if len(rows) == 1:
            decode_one(0)
        else:
            list(self._pool.map(decode_one, range(len(rows))))
        return taken

    @cached_property
    def _raw(self) -> list[NDArray[Any]]:
        return [map_raw(self._folder / s.file, self.shape[1:], self.dtype) for s in self._shards]

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
    dtype: str,
    rendering: Rendering | None,
    origin: str | None,
    checked: dict[str, State],
) -> PackedImages:
    return PackedImages(
        Path(folder), shards, image_shape, storage, dtype=dtype, rendering=rendering, origin=origin
    ).open(checked)
