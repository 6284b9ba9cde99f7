"""Make a data set of a user's own folder of images and one table about them."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clinfonce.data import packed
from clinfonce.data._infer import MISSING, parse_column
from clinfonce.data._packing import PROGRESS, Packing, Progress, Skips
from clinfonce.data._texts import TextTable, read_texts
from clinfonce.data.split import hold_out, stratified_split
from clinfonce.data.table import (
    SPLIT_NAMES,
    TRAIN,
    VALIDATION,
    Column,
    ImageTable,
    Kind,
    open_images,
)
from clinfonce.errors import InputError

_RESERVED = ("path", "label", "split")
_SPLITS = {name: code for code, name in enumerate(SPLIT_NAMES)} | {"val": VALIDATION}


@dataclass(frozen=True)
class Prepared:
    """What `prepare_folder` made.

    Attributes:
        folder: of the prepared data set, for `clinfonce.data.load`.
        n_images: images in it.
        skipped: reason to number of rows (or, for columns, values) left out.
        examples: one line per reason, with the file and line of the first case.
    """

    folder: Path
    n_images: int
    skipped: Mapping[str, int]
    examples: tuple[str, ...]


def prepare_folder(
    root: Path | str,
    table: Path | str,
    out: Path | str,
    *,
    image_size: int,
    types: Mapping[str, Kind] | None = None,
    skip_bad: bool = False,
    encoding: str = "utf-8",
    threads: int | None = None,
    progress: Progress | None = None,
) -> Prepared:
    """Pack images and their table into a folder that `clinfonce.data.load` memory-maps.

    The table has one row per image. `path` (below `root`, with /) is needed; `label` and `split`
    (train, validation, test) may be there; every other column is auxiliary information, of a type
    that is inferred: boolean (true/false, yes/no, 1/0, 1/-1), tags ("a|b" or "a;b"), hierarchy
    ("animal/cat"), numeric, or categorical (texts, and whole numbers of few values). Empty, NA,
    n/a, nan and null are missing.

    Without `split` half of each class trains, a fifth validates and the rest tests; if nothing is
    marked validation, a fifth of each class's training images is.

    The work goes on in `<out>.partial` and is renamed at the end, so `out` is complete or absent;
    a second call with the same table and options goes on where a broken one stopped.

    Args:
        root: folder that the paths start from.
        table: .csv, .tsv or .parquet.
        out: folder to make; must not exist.
        image_size: s; images become (3, s, s), shorter side resized to s, centre cropped.
        types: column name to type, where the inferred one is wrong.
        skip_bad: leave out rows with an unreadable image, an unsafe, missing or repeated path or
            no label, and values that do not fit their column; and count them.
        encoding: of a .csv or .tsv.
        threads: that decode images; None takes one per core.
        progress: called with the rows done and in all.

    Raises:
        InputError: with file and line, whatever is wrong with the table, and with an image unless
            `skip_bad`; labels of one value only; a class too small for three splits.
    """
    if image_size < 1:
        raise InputError(f"image_size must be at least 1, got {image_size}")
    if Path(out).exists():
        raise InputError(f"{out}: already exists; choose another folder or remove it")
    return prepare_texts(
        Path(root),
        read_texts(Path(table), encoding),
        Path(out),
        image_size=image_size,
        types=types or {},
        skip_bad=skip_bad,
        threads=threads,
        progress=progress,
    )


def prepare_texts(
    root: Path,
    texts: TextTable,
    out: Path,
    *,
    image_size: int,
    types: Mapping[str, Kind],
    skip_bad: bool = False,
    threads: int | None = None,
    progress: Progress | None = None,
) -> Prepared:
    """As `prepare_folder`, from a table that was read already."""
    _check_columns(texts, types)
    partial = out.with_name(out.name + ".partial")
    skips = Skips(skip_bad)
    candidates = _usable_rows(texts, skips)
    packing = Packing(root, texts, candidates, partial, image_size)
    kept = packing.run(skips, threads or os.cpu_count() or 1, progress)
    if not kept:
        raise InputError(f"{texts.file}: not one image could be read")
    prepared = _finish(texts, kept, partial, out, image_size, types, skips)
    partial.rename(out)
    return prepared


def _finish(
    texts: TextTable,
    kept: list[int],
    partial: Path,
    out: Path,
    image_size: int,
    types: Mapping[str, Kind],
    skips: Skips,
) -> Prepared:
    """Write the table of the rows that were kept."""
    texts = TextTable(
        texts.file, texts.names, [texts.rows[r] for r in kept], [texts.lines[r] for r in kept]
    )
    shape = (len(kept), 3, image_size, image_size)
    labels, label_names = _labels(texts)
    result = ImageTable(
        name=out.name,
        images=open_images(partial / packed.IMAGES, shape),
        labels=labels,
        label_names=label_names,
        split=_split(texts, labels, label_names),
        columns=_columns(texts, types, skips),
    )
    notes = {"skipped": dict(skips.counts), "examples": list(skips.examples.values())}
    packed.write_table(partial, result, texts.column("path"), notes)
    (partial / PROGRESS).unlink()
    return Prepared(out, len(kept), dict(skips.counts), tuple(skips.examples.values()))


def _check_columns(texts: TextTable, types: Mapping[str, Kind]) -> None:
    if "path" not in texts.names:
        raise InputError(
            f"{texts.file}: no column named 'path' (columns: {', '.join(texts.names[:20])})"
        )
    for name in types:
        if name not in texts.names or name in _RESERVED:
            raise InputError(f"types names {name!r}, which is no auxiliary column of {texts.file}")


def _usable_rows(texts: TextTable, skips: Skips) -> list[int]:
    """Rows whose path is new and whose label is known."""
    labels = texts.column("label") if "label" in texts.names else None
    first: dict[str, int] = {}
    rows = []
    for row, path in enumerate(texts.column("path")):
        if first.setdefault(path, row) != row:
            earlier = texts.lines[first[path]]
            skips.add("repeated path",
                      f"{texts.where(row)}: {path!r} is in line {earlier} already")  # fmt: skip
        elif labels is not None and labels[row].lower() in MISSING:
            skips.add("no label", f"{texts.where(row)}: {path!r} has no label")
        else:
            rows.append(row)
    return rows


def _labels(texts: TextTable) -> tuple[NDArray[np.int64] | None, tuple[str, ...]]:
    if "label" not in texts.names:
        return None, ()
    names, codes = np.unique(np.array(texts.column("label")), return_inverse=True)
    if len(names) == 1:
        raise InputError(f"{texts.file}: every label is {str(names[0])!r}; two are needed at least")
    return codes.astype(np.int64), tuple(names.tolist())


def _split(
    texts: TextTable, labels: NDArray[np.int64] | None, names: tuple[str, ...]
) -> NDArray[np.int8]:
    classes = np.zeros(len(texts.rows), dtype=np.int64) if labels is None else labels
    if "split" not in texts.names:
        sizes = np.bincount(classes)
        if sizes.min() < 3:
            which = f"label {names[sizes.argmin()]!r}" if names else "the table"
            raise InputError(
                f"{texts.file}: {which} has {sizes.min()} images; three are needed for a train, "
                "a validation and a test image"
            )
        return stratified_split(classes)
    split = np.empty(len(texts.rows), dtype=np.int8)
    for row, text in enumerate(texts.column("split")):
        if text.lower() not in _SPLITS:
            raise InputError(
                f"{texts.where(row)}: split is {text!r}, not one of {', '.join(SPLIT_NAMES)}"
            )
        split[row] = _SPLITS[text.lower()]
    train = np.flatnonzero(split == TRAIN)
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
