"""Make a data set of a user's own folder of images and one table about them."""

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from clinfonce.data.image_files.archives import image_files
from clinfonce.data.prepared import packed
from clinfonce.data.prepared.packing import Packed, Packing, Progress, Skips
from clinfonce.data.split import hold_out, stratified_split
from clinfonce.data.storage.images import PackedImages
from clinfonce.data.storage.places import Place
from clinfonce.data.storage.shards import Storage
from clinfonce.data.table import (
    SPLIT_NAMES,
    TRAIN,
    UNLABELLED,
    VALIDATION,
    Column,
    ImageTable,
    Kind,
)
from clinfonce.data.tables.texts import TextTable, read_texts
from clinfonce.data.tables.types import MISSING, parse_column
from clinfonce.errors import InputError

_RESERVED = ("path", "label", "split")
_SPLITS = {name: code for code, name in enumerate(SPLIT_NAMES)} | {"val": VALIDATION}
_LARGEST_RAW = 128  # pixels a side: beyond, the user's own files are usually smaller than pixels

StorageChoice: TypeAlias = Literal["auto", "raw", "encoded"]
Announce: TypeAlias = Callable[[Mapping[str, Column]], None]


@dataclass(frozen=True)
class Prepared:
    """What was prepared.

    Attributes:
        folder: of the prepared data set, path or URI, for `clinfonce.data.load`.
        table: the data set, without its images if they went to an object store.
        storage: how the images are kept.
        skipped: reason to number of rows (or, for columns, values) left out.
        examples: one line per reason, with the file and line of the first case.
    """

    folder: str
    table: ImageTable
    storage: Storage
    skipped: Mapping[str, int]
    examples: tuple[str, ...]

    @property
    def n_images(self) -> int:
        """Images in it."""
        return len(self.table)

    @property
    def summary(self) -> tuple[str, ...]:
        """What was made and what was left out, in lines for people."""
        table = self.table
        _, channels, height, width = table.images.shape
        splits = ", ".join(f"{len(table.rows(i))} {name}" for i, name in enumerate(SPLIT_NAMES))
        classes = f"{len(table.label_names)} classes" if table.label_names else "no labels"
        if table.label_names and table.n_unlabelled:
            classes += f" ({table.n_unlabelled:,} training images have no label)"
        return (
            f"{self.folder}: {len(table):,} images ({splits}) of {channels} x {height} x {width}, "
            f"{self.storage}; {classes}; {len(table.columns)} auxiliary columns",
            *(f"left out: {number:,} × {reason}" for reason, number in self.skipped.items()),
            *(f"  such as {line}" for line in self.examples),
        )

    def to_json(self) -> dict[str, Any]:
        """The same as plain values."""
        table = self.table
        return {
            "folder": self.folder,
            "fingerprint": table.fingerprint,
            "n_images": len(table),
            "shape": list(table.images.shape[1:]),
            "storage": self.storage,
            "splits": {name: len(table.rows(i)) for i, name in enumerate(SPLIT_NAMES)},
            "labels": list(table.label_names),
            "n_unlabelled": table.n_unlabelled,
            "columns": {column.name: column.kind for column in table.columns.values()},
            "skipped": dict(self.skipped),
            "examples": list(self.examples),
        }


def prepare_folder(
    root: Path | str,
    table: Path | str,
    out: Path | str,
    *,
    image_size: int,
    types: Mapping[str, Kind] | None = None,
    storage: StorageChoice = "auto",
    skip_bad: bool = False,
    encoding: str = "utf-8",
    threads: int | None = None,
    progress: Progress | None = None,
    announce: Announce | None = None,
) -> Prepared:
    """Pack images and their table into a folder that `clinfonce.data.load` memory-maps.

    The table has one row per image. `path` (below `root`, with /) is needed; `label` and `split`
    (train, validation, test) may be there; every other column is auxiliary information, of a type
    that is inferred: boolean (true/false, yes/no, 1/0, 1/-1), tags ("a|b" or "a;b"), hierarchy
    ("animal/cat"), numeric, or categorical (texts, and whole numbers of few values). Empty, NA,
    n/a, nan and null are missing.

    Without `split` half of each class trains, a fifth validates and the rest tests; if nothing is
    marked validation, a fifth of each class's training images is. Images without a label train.

    On a disk the work goes on in `<out>.partial`, which is renamed at the end; in an object store
    `metadata.json` is written last. So a data set is complete or absent, and a second call with
    the same table and options goes on where a broken one stopped.

    Args:
        root: folder, or uncompressed .tar archive, that the paths start from.
        table: .csv, .tsv or .parquet.
        out: folder to make, a path or a URI such as s3://bucket/folder; no data set may be there.
        image_size: s; images become (3, s, s), shorter side resized to s, centre cropped.
        types: column name to type, where the inferred one is wrong.
        storage: "raw" keeps pixels; "encoded" keeps the image files and decodes them whenever
            they are read; "auto" is raw up to 128 pixels a side.
        skip_bad: leave out rows with an unreadable image, an unsafe, missing or repeated path or,
            to validate or test, no label, and values that do not fit their column; and count them.
        encoding: of a .csv or .tsv.
        threads: that decode images; None takes one per core.
        progress: called with the rows done and in all.
        announce: called with the auxiliary columns before the first image is read.

    Raises:
        InputError: with file and line, whatever is wrong with the table, and with an image unless
            `skip_bad`; labels of one value only; a class too small for three splits.
    """
    return prepare_texts(
        Path(root),
        read_texts(Path(table), encoding),
        out,
        image_size=image_size,
        types=types or {},
        storage=storage,
        skip_bad=skip_bad,
        threads=threads,
        progress=progress,
        announce=announce,
    )


def prepare_texts(
    root: Path,
    texts: TextTable,
    out: Path | str,
    *,
    image_size: int,
    types: Mapping[str, Kind],
    storage: StorageChoice = "auto",
    skip_bad: bool = False,
    threads: int | None = None,
    progress: Progress | None = None,
    announce: Announce | None = None,
) -> Prepared:
    """As `prepare_folder`, from a table that was read already."""
    place, work = check_out(out)
    kept_as = _storage(storage, image_size)
    files = image_files(root)
    _check_columns(texts, types)
    skips = Skips(skip_bad)
    candidates = _usable_rows(texts, skips)
    known = _describe(texts.take(candidates), types, skips)  # before hours of decoding
    if announce is not None:
        announce(known.columns)
    packing = Packing(files, texts, candidates, work, image_size, kept_as)
    try:
        done = packing.run(skips, threads or os.cpu_count() or 1, progress)
        if not done.kept:
            raise InputError(f"{texts.file}: not one image could be read")
    except InputError:
        if work.is_local:
            with suppress(OSError):  # it holds shards, from which the work goes on
                Path(work.path).rmdir()
        raise
    if len(done.kept) < len(candidates):
        known = _describe_kept(texts.take(done.kept), known, skips)
    table = _as_table(place, known, done, (3, image_size, image_size), kept_as)
    notes = {"skipped": dict(skips.counts), "examples": list(skips.examples.values())}
    paths = texts.take(done.kept).column("path")
    packed.write_table(work, table, done.shards, kept_as, paths=paths, notes=notes)
    publish(work, place)
    return Prepared(place.text, table, kept_as, dict(skips.counts), tuple(skips.examples.values()))


def check_out(out: Path | str) -> tuple[Place, Place]:
    """Where a data set is to stand, and where it is made; in an object store they are the same.

    Raises:
        InputError: something is there already.
    """
    place = Place.of(out)
    taken = Path(place.path).exists() if place.is_local else packed.is_packed(place.text)
    if taken:
        raise InputError(f"{out}: already exists; choose another folder or remove it")
    return place, Place.of(f"{place.path}.partial") if place.is_local else place


def publish(work: Place, place: Place) -> None:
    """Give a finished data set its name."""
    if place.is_local:
        Path(work.path).rename(place.path)


def _storage(choice: StorageChoice, image_size: int) -> Storage:
    if choice not in get_args(StorageChoice):
        raise InputError(f"storage {choice!r} is none of {', '.join(get_args(StorageChoice))}")
    if image_size < 1:
        raise InputError(f"image_size must be at least 1, got {image_size}")
    if choice == "auto":
        return "raw" if image_size <= _LARGEST_RAW else "encoded"
    return choice


@dataclass(frozen=True)
class _Known:
    """What the table says of its images."""

    labels: NDArray[np.int64] | None
    label_names: tuple[str, ...]
    split: NDArray[np.int8]
    columns: dict[str, Column]


def _describe(texts: TextTable, types: Mapping[str, Kind], skips: Skips) -> _Known:
    if not texts.rows:
        raise InputError(f"{texts.file}: not one row is left")
    labels, names = _labels(texts)
    return _Known(labels, names, _split(texts, labels, names), _columns(texts, types, skips))


def _describe_kept(texts: TextTable, known: _Known, skips: Skips) -> _Known:
    """As before, of the rows whose images could be read; what is empty only now is counted too."""
    again = Skips(True)
    kinds: dict[str, Kind] = {column.name: column.kind for column in known.columns.values()}
    result = _describe(texts.keep([*_RESERVED, *kinds]), kinds, again)
    for reason in set(again.counts) - set(skips.counts):
        skips.add(reason, again.examples[reason], again.counts[reason])
    return result


def _as_table(
    place: Place, known: _Known, done: Packed, image_shape: tuple[int, int, int], storage: Storage
) -> ImageTable:
    """The data set, whose images are where they will be."""
    return ImageTable(
        name=Path(place.path).name,
        images=PackedImages(Path(place.path), done.shards, image_shape, storage),
        labels=known.labels,
        label_names=known.label_names,
        split=known.split,
        columns=known.columns,
    )


def _check_columns(texts: TextTable, types: Mapping[str, Kind]) -> None:
    if "path" not in texts.names:
        raise InputError(
            f"{texts.file}: no column named 'path' (columns: {', '.join(texts.names[:20])})"
        )
    for name in types:
        if name not in texts.names or name in _RESERVED:
            raise InputError(f"types names {name!r}, which is no auxiliary column of {texts.file}")


def _usable_rows(texts: TextTable, skips: Skips) -> list[int]:
    """Rows whose path is new, and whose label is known if they are to validate or to test."""
    labels = texts.column("label") if "label" in texts.names else None
    splits = texts.column("split") if "split" in texts.names else None
    first: dict[str, int] = {}
    rows = []
    for row, path in enumerate(texts.column("path")):
        if first.setdefault(path, row) != row:
            earlier = texts.lines[first[path]]
            skips.add("repeated path",
                      f"{texts.where(row)}: {path!r} is in line {earlier} already")  # fmt: skip
        elif (
            labels is not None
            and splits is not None
            and _evaluates_unlabelled(labels[row], splits[row])
        ):
            skips.add("no label", f"{texts.where(row)}: {path!r} has no label, and is in the split "
                      f"{splits[row]!r}; only training images may lack one")  # fmt: skip
        else:
            rows.append(row)
    return rows


def _evaluates_unlabelled(label: str, split: str) -> bool:
    return label.lower() in MISSING and _SPLITS.get(split.lower(), TRAIN) != TRAIN


def _labels(texts: TextTable) -> tuple[NDArray[np.int64] | None, tuple[str, ...]]:
    if "label" not in texts.names:
        return None, ()
    labels = np.array(texts.column("label"))
    known = np.array([label.lower() not in MISSING for label in labels])
    if not known.any():
        raise InputError(f"{texts.file}: not one label; without labels leave the column out")
    names, codes = np.unique(labels[known], return_inverse=True)
    if len(names) == 1:
        raise InputError(f"{texts.file}: every label is {str(names[0])!r}; two are needed at least")
    classes = np.full(len(labels), UNLABELLED, dtype=np.int64)
    classes[known] = codes
    return classes, tuple(names.tolist())


def _split(
    texts: TextTable, labels: NDArray[np.int64] | None, names: tuple[str, ...]
) -> NDArray[np.int8]:
    classes = np.zeros(len(texts.rows), dtype=np.int64) if labels is None else labels
    known = np.flatnonzero(classes != UNLABELLED)
    if "split" not in texts.names:
        sizes = np.bincount(classes[known])
        if sizes.min() < 3:
            which = f"label {names[sizes.argmin()]!r}" if names else "the table"
            raise InputError(
                f"{texts.file}: {which} has {sizes.min()} images; three are needed for a train, "
                "a validation and a test image"
            )
        split = np.full(len(classes), TRAIN, dtype=np.int8)
        split[known] = stratified_split(classes[known])
        return split
    split = np.empty(len(texts.rows), dtype=np.int8)
    for row, text in enumerate(texts.column("split")):
        if text.lower() not in _SPLITS:
            raise InputError(
                f"{texts.where(row)}: split is {text!r}, not one of {', '.join(SPLIT_NAMES)}"
            )
        split[row] = _SPLITS[text.lower()]
    train = known[split[known] == TRAIN]
    if not (split == VALIDATION).any() and len(train):
        split[train[hold_out(classes[train], 0.2)]] = VALIDATION
    return split


def _columns(texts: TextTable, types: Mapping[str, Kind], skips: Skips) -> dict[str, Column]:
    labels = texts.column("label") if "label" in texts.names else None
    columns = {}
    for name in texts.names:
        if name in _RESERVED:
            continue
        if skips.allowed and all(text.lower() in MISSING for text in texts.column(name)):
            skips.add("empty column", f"{texts.file}: column {name!r} has no value in any row")
            continue
        parsed = parse_column(texts, name, types.get(name), labels, skips.allowed)
        if parsed.n_bad:
            message = f"{texts.file}: {parsed.n_bad} values of {name!r} are not {types.get(name)}"
            skips.add("unfit value", message, parsed.n_bad)
        columns[name] = parsed.column
    return columns
