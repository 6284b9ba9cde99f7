"""Decode images into shards, so that broken-off work can go on."""

import hashlib
import json
import shutil
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import Any

from clinfonce.data.image_files.archives import ImageFiles
from clinfonce.data.image_files.decode import BadImageError, decode
from clinfonce.data.storage import shards
from clinfonce.data.storage.images import Shard
from clinfonce.data.storage.places import Place
from clinfonce.data.storage.shards import Note, Storage
from clinfonce.data.tables.texts import TextTable
from clinfonce.errors import InputError

_AHEAD = 64  # images that wait decoded, per thread
_TOLD = 256  # images between two reports of progress

Progress = Callable[[int, int], None]


@dataclass
class Skips:
    """Counts what is left out, or raises the first case."""

    allowed: bool
    counts: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)

    def add(self, reason: str, message: str, times: int = 1) -> None:
        """Leave a row out, and count it; raise InputError if none may be."""
        if not self.allowed:
            raise InputError(f"{message}; --skip-bad (skip_bad) leaves such rows out")
        self.counts[reason] += times
        self.examples.setdefault(reason, message)


@dataclass
class Packed:
    """The shards so far, and the rows whose images they hold."""

    shards: list[Shard] = field(default_factory=list)
    kept: list[int] = field(default_factory=list)
    bad: list[tuple[int, str]] = field(default_factory=list)
    done: int = 0

    def add(self, note: Note, size: int) -> None:
        """Take a finished shard."""
        name = shards.shard_name(len(self.shards))
        self.shards.append(Shard(name, len(note.kept), size, note.digest))
        self.kept += note.kept
        self.bad += note.bad
        self.done = note.done


@dataclass(frozen=True)
class Packing:
    """Decodes the images of some rows into shards.

    Attributes:
        files: of the images.
        texts: the table.
        candidates: the rows.
        place: where the shards go.
        image_size: s.
        storage: "raw" keeps (3, s, s) pixels; "encoded" keeps the files that could be decoded.
    """

    files: ImageFiles
    texts: TextTable
    candidates: list[int]
    place: Place
    image_size: int
    storage: Storage

    def run(self, skips: Skips, threads: int, progress: Progress | None) -> Packed:
        """Pack all images; what an earlier call with the same arguments did is not done again."""
        packed = self._resume()
        for row, message in packed.bad:
            skips.add("unreadable image", f"{self.texts.where(row)}: {message}")
        paths = self.texts.column("path")
        rows = self.candidates[packed.done :]
        waiting: list[Any] = []
        kept: list[int] = []
        bad: list[tuple[int, str]] = []
        size, total = 0, len(self.candidates)
        with ThreadPoolExecutor(threads) as pool:
            found = _in_order(pool, self._read, (paths[row] for row in rows), threads * _AHEAD)
            for done, (row, image) in enumerate(zip(rows, found, strict=True), packed.done + 1):
                if isinstance(image, str):
                    skips.add("unreadable image", f"{self.texts.where(row)}: {image}")
                    bad.append((row, image))
                else:
                    waiting.append(image)
                    kept.append(row)
                    size += len(image)
                if size >= shards.SHARD_BYTES or (done == total and waiting):
                    self._write(packed, done, kept, bad, waiting)
                    waiting, kept, bad, size = [], [], [], 0
                if progress is not None and (done % _TOLD == 0 or done == total):
                    progress(done, total)
        return packed

    def _write(
        self,
        packed: Packed,
        done: int,
        kept: list[int],
        bad: list[tuple[int, str]],
        images: list[Any],
    ) -> None:
        note = Note(self._signature, done, kept, bad, shards.digest_of(images))
        number = len(packed.shards)
        packed.add(note, shards.write_shard(self.place, number, images, note, self.storage))

    def _read(self, path: str) -> memoryview | bytes | str:
        """What is kept of an image, or what is wrong with it."""
        try:
            with self.files.open(path) as file:
                if self.storage == "raw":
                    return decode(file, self.image_size).data.cast("B")
                content = file.read()
            decode(BytesIO(content), self.image_size)
        except BadImageError as error:
            return f"{path!r}: {error}"
        except OSError as error:
            return f"{path!r}: not a readable file ({error.strerror})"
        return content

    def _resume(self) -> Packed:
        """The whole shards that an earlier call with this signature left."""
        packed = Packed()
        while (note := shards.read_note(self.place, number := len(packed.shards))) is not None:
            if note.signature != self._signature:
                break
            packed.add(note, self.place.size(shards.shard_name(number)) or 0)
        if not packed.shards and self.place.is_local:
            shutil.rmtree(self.place.path, ignore_errors=True)
            Path(self.place.path).mkdir(parents=True)
        return packed

    @cached_property
    def _signature(self) -> str:
        """Changes with everything that the shards depend on but the image files."""
        content = json.dumps([
            self.texts.names, self.texts.rows, self.candidates, self.image_size, self.storage,
            str(self.files.root),
        ])  # fmt: skip
        return hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()


def _in_order(
    pool: ThreadPoolExecutor, function: Callable[[Any], Any], items: Iterable[Any], ahead: int
) -> Iterator[Any]:
    """The results in order, with at most `ahead` of them waiting."""
    futures: deque[Future[Any]] = deque()
    try:
        for item in items:
            futures.append(pool.submit(function, item))
            if len(futures) >= ahead:
                yield futures.popleft().result()
        while futures:
            yield futures.popleft().result()
    finally:
        for future in futures:
            future.cancel()
