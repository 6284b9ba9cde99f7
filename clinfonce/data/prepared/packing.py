"""Decode images into shards, so that broken-off work can go on."""

import hashlib
import json
import shutil
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

from clinfonce.data.image_files.archives import ImageFiles
from clinfonce.data.image_files.decode import decode, deep_of
from clinfonce.data.image_files.depth import Depths, Seen, find_depths
from clinfonce.data.image_files.limits import BadImageError
from clinfonce.data.image_files.looks import look_of
from clinfonce.data.image_files.rendering import Range, Rendering
from clinfonce.data.storage import shards
from clinfonce.data.storage.places import Place
from clinfonce.data.storage.shards import Note, Shard, Storage
from clinfonce.errors import InputError

_AHEAD = 64  # images that wait decoded, per thread
_TOLD = 256  # images between two reports of progress
_VERSION = 2  # of what a shard holds

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
    looks: list[str] = field(default_factory=list)
    done: int = 0

    def add(self, note: Note, shard: Shard) -> None:
        """Take a finished shard."""
        self.shards.append(shard)
        self.kept += note.kept
        self.bad += note.bad
        self.looks += note.looks
        self.done = note.done


@dataclass(frozen=True)
class Packing:
    """Decodes the images of some rows into shards.

    Attributes:
        files: of the images.
        paths: of the images, one a row of the table.
        where: row to its place in the table's file, for messages.
        candidates: the rows.
        place: where the shards go.
        rendering: how files become pixels.
        storage: "raw" keeps (c, s, s) pixels; "encoded" keeps the files that could be decoded.
    """

    files: ImageFiles
    paths: Sequence[str]
    where: Callable[[int], str]
    candidates: Sequence[int]
    place: Place
    rendering: Rendering
    storage: Storage

    def run(self, skips: Skips, threads: int, progress: Progress | None) -> Packed:
        """Pack all images; what an earlier call with the same arguments did is not done again."""
        packed = self._resume()
        for row, message in packed.bad:
            skips.add("unreadable image", f"{self.where(row)}: {message}")
        rows = self.candidates[packed.done :]
        waiting = _Waiting()
        total = len(self.candidates)
        with ThreadPoolExecutor(threads) as pool:
            found = _in_order(pool, self._read, (self.paths[row] for row in rows), threads * _AHEAD)
            for done, (row, image) in enumerate(zip(rows, found, strict=True), packed.done + 1):
                if isinstance(image, str):
                    skips.add("unreadable image", f"{self.where(row)}: {image}")
                    waiting.bad.append((row, image))
                else:
                    waiting.add(row, *image)
                if waiting.size >= shards.SHARD_BYTES or (done == total and waiting.kept):
                    self._write(packed, done, waiting)
                    waiting = _Waiting()
                if progress is not None and (done % _TOLD == 0 or done == total):
                    progress(done, total)
        return packed

    def _write(self, packed: Packed, done: int, waiting: "_Waiting") -> None:
        digest = shards.digest_of(waiting.images)
        note = Note(self._signature, done, waiting.kept, waiting.bad, digest, waiting.looks)
        number = len(packed.shards)
        packed.add(note, shards.write_shard(self.place, number, waiting.images, note, self.storage))

    def _read(self, path: str) -> tuple[memoryview | bytes, str] | str:
        """What is kept of an image and what it looks like, or what is wrong with it."""
        try:
            with self.files.open(path) as file:
                if self.storage == "raw":
                    pixels = decode(file, self.rendering)
                    return pixels.data.cast("B"), look_of(pixels)
                content = file.read()
            return content, look_of(decode(BytesIO(content), self.rendering))
        except BadImageError as error:
            return f"{path!r}: {error}"
        except OSError as error:
            return f"{path!r}: not a readable file ({error.strerror})"

    def _resume(self) -> Packed:
        """The whole shards that an earlier call with this signature left."""
        packed = Packed()
        while (note := shards.read_note(self.place, len(packed.shards))) is not None:
            if note.signature != self._signature:
                break
            shard = shards.describe(self.place, len(packed.shards), note)
            if shard is None:
                break
            packed.add(note, shard)
        if not packed.shards and self.place.is_local:
            shutil.rmtree(self.place.path, ignore_errors=True)
            Path(self.place.path).mkdir(parents=True)
        return packed

    @cached_property
    def _signature(self) -> str:
        """Changes with everything that the shards depend on but the image files."""
        paths = [self.paths[row] for row in self.candidates]
        content = json.dumps([
            _VERSION, list(self.candidates), paths, self.rendering.to_json(), self.storage,
            str(self.files.root),
        ])  # fmt: skip
        return hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()


@dataclass
class _Waiting:
    """What the next shard will hold."""

    images: list[Any] = field(default_factory=list)
    kept: list[int] = field(default_factory=list)
    looks: list[str] = field(default_factory=list)
    bad: list[tuple[int, str]] = field(default_factory=list)
    size: int = 0

    def add(self, row: int, image: Any, look: str) -> None:
        self.images.append(image)
        self.kept.append(row)
        self.looks.append(look)
        self.size += len(image)


def look_for_depths(
    files: ImageFiles,
    paths: Sequence[str],
    where: Callable[[int], str],
    candidates: Sequence[int],
    given: Range | None,
    skips: Skips,
    threads: int,
    channels: int,
) -> Depths:
    """The ranges of those images that have more than 8 bits a sample; others are only opened.

    So a file that is not there is told before anything is packed.

    Args:
        files: of the images.
        paths: of the images, one a row of the table.
        where: row to its place in the table's file, for messages.
        candidates: the rows that are looked at.
        given: the range of all deep images, if the user gives one.
        skips: which say whether a row may be left out.
        threads: that read files.
        channels: that are wanted.

    Raises:
        InputError: as `find_depths`, and a missing file unless it may be left out.
    """

    def look(path: str) -> Seen | str | None:
        try:
            with files.open(path) as file:
                return _seen(path, file, channels)
        except BadImageError as error:
            return f"{path!r}: {error}"
        except OSError:  # told when it is packed
            return None

    seen = []
    with ThreadPoolExecutor(threads) as pool:
        found = _in_order(pool, look, (paths[row] for row in candidates), threads * _AHEAD)
        for row, image in zip(candidates, found, strict=True):
            if isinstance(image, Seen):
                seen.append(image)
            elif image is not None and not skips.allowed:
                skips.add("unreadable image", f"{where(row)}: {image}")
    return find_depths(seen, given)


def _seen(path: str, file: BinaryIO, channels: int) -> Seen | None:
    """A deep image; None of an ordinary one, and of one that is told when it is packed."""
    try:
        image = deep_of(file, channels)
    except BadImageError:
        return None
    if image is None:
        return None
    return Seen(path, image.type, *image.limits, white=image.white)


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
