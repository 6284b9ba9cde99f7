"""Make a data set of a user's own folder of images and one table about them."""

import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

from clinfonce.data.image_files.archives import image_files
from clinfonce.data.image_files.depth import given_range
from clinfonce.data.image_files.rendering import Rendering, colour
from clinfonce.data.prepared import packed
from clinfonce.data.prepared.describe import (
    Known,
    Wanted,
    check_types,
    describe,
    describe_kept,
    usable_rows,
)
from clinfonce.data.prepared.findings import LIST, Findings
from clinfonce.data.prepared.packing import Packed, Packing, Progress, Skips, look_for_depths
from clinfonce.data.prepared.result import Prepared
from clinfonce.data.storage.checks import remember, state_of
from clinfonce.data.storage.images import PackedImages
from clinfonce.data.storage.places import Place
from clinfonce.data.storage.shards import Shard, Storage
from clinfonce.data.table import Column, ImageTable
from clinfonce.data.tables.read import read_table
from clinfonce.data.tables.roles import PATH, with_roles
from clinfonce.data.tables.source import SourceTable
from clinfonce.data.tables.words import Missing
from clinfonce.errors import InputError

_LARGEST_RAW = 128  # pixels a side: beyond, the user's own files are usually smaller than pixels

StorageChoice: TypeAlias = Literal["auto", "raw", "encoded"]
Announce: TypeAlias = Callable[[Mapping[str, Column]], None]


@dataclass(frozen=True)
class Options:
    """How a data set is made.

    Attributes:
        image_size: s; images become (3, s, s), shorter side resized to s, centre cropped.
        types: column name to type, where the one found is wrong; "ignore" leaves a column out.
        missing: words that stand for no value, in place of the usual ones (`words.WORDS`);
            COLUMN=WORD is one of that column alone, also in quotes.
        storage: "raw" keeps pixels; "encoded" keeps the image files and decodes them whenever
            they are read; "auto" is raw up to 128 pixels a side.
        background: colour that transparent images are laid on: a name, or #rrggbb.
        depth: what is white in files of more than 8 bits a sample: their bits, or LOW:HIGH; None
            finds it.
        skip_bad: leave out rows with an unreadable image, an unsafe, missing or repeated path or,
            to validate or test, no label, and values that do not fit their column; and count them.
        threads: that decode images; None takes one per core.
        progress: called with the rows done and in all.
        announce: called with the auxiliary columns before the first image is read.
        say: called with what is unsure, a line each, as soon as it is known.
    """

    image_size: int
    types: Mapping[str, str] = field(default_factory=dict)
    missing: Iterable[str] = ()
    storage: StorageChoice = "auto"
    background: str = "white"
    depth: str | None = None
    skip_bad: bool = False
    threads: int | None = None
    progress: Progress | None = None
    announce: Announce | None = None
    say: Callable[[str], None] | None = None

    @property
    def kept_as(self) -> Storage:
        """How images are kept.

        Raises:
            InputError: an unknown storage, or no pixels.
        """
        if self.storage not in get_args(StorageChoice):
            allowed = ", ".join(get_args(StorageChoice))
            raise InputError(f"storage {self.storage!r} is none of {allowed}")
        if self.image_size < 1:
            raise InputError(f"image_size must be at least 1, got {self.image_size}")
        if self.storage == "auto":
            return "raw" if self.image_size <= _LARGEST_RAW else "encoded"
        return self.storage


def prepare_folder(
    root: Path | str,
    table: Path | str,
    out: Path | str,
    *,
    image_size: int,
    encoding: str = "utf-8",
    delimiter: str | None = None,
    columns: Mapping[str, str] | None = None,
    **options: Any,
) -> Prepared:
    """Pack images and their table into a folder that `clinfonce.data.load` memory-maps.

    The table has one row per image. `path` (below `root`, with /) is needed; `label` and `split`
    (train, validation, test) may be there; every other column is auxiliary information. Typed
    columns of a Parquet file keep their type; texts are boolean (true/false, yes/no, 1/0, 1/-1),
    tags ("a|b", "a;b", "['a', 'b']"), hierarchy ("animal/cat"), numeric (dates too), or
    categorical. Empty values and the usual words for nothing are missing, unless in quotes.

    Without `split` half of each class trains, a fifth validates and the rest tests; if nothing is
    marked validation, a fifth of each class's training images is. Images without a label train.

    On a disk the work goes on in `<out>.partial`, which is renamed at the end; in an object store
    `metadata.json` is written last. So a data set is complete or absent, and a second call with
    the same table and options goes on where a broken one stopped.

    Args:
        root: folder, or .tar, .tar.gz or .zip archive, that the paths start from.
        table: .csv, .tsv, .txt or .parquet.
        out: folder to make, a path or a URI such as s3://bucket/folder; no data set may be there.
        image_size: pixels a side.
        encoding: of a text without a byte order mark.
        delimiter: of a text; None finds it.
        columns: path, label or split to the name that the column has in the table.
        options: as in `Options`.

    Raises:
        InputError: with file and line, whatever is wrong with the table, and with an image unless
            `skip_bad`; labels of one value only; a class too small for three splits.
    """
    read = read_table(Path(table), encoding, delimiter=delimiter)
    return prepare_table(
        Path(root), with_roles(read, columns or {}), out, image_size=image_size, **options
    )


def prepare_table(root: Path, table: SourceTable, out: Path | str, **given: Any) -> Prepared:
    """As `prepare_folder`, from a table that was read already."""
    options = Options(**given)
    place, work = check_out(out)
    kept_as, ground = options.kept_as, colour(options.background)
    depth = None if options.depth is None else given_range(options.depth)
    threads = options.threads or os.cpu_count() or 1
    files = image_files(root)
    check_types(table, options.types)
    skips = Skips(options.skip_bad)
    wanted = Wanted(options.types, Missing.given(options.missing, table.names))
    candidates = usable_rows(table, wanted.missing, skips)
    known = describe(table.take(candidates), wanted, skips)  # before hours of decoding
    notes = [*table.notes, *known.notes]
    _announce(options, known, notes)
    paths = table.texts(PATH)
    depths = look_for_depths(files, paths, table.where, candidates, depth, skips, threads)
    notes += _said(options, depths.notes)
    rendering = Rendering(options.image_size, ground, depths.ranges, trusts_files=depth is None)
    packing = Packing(files, paths, table.where, candidates, work, rendering, kept_as)
    done = _pack(packing, table, skips, threads, options.progress)
    if len(done.kept) < len(candidates):
        known = describe_kept(table.take(done.kept), wanted, known, skips)
    made = _as_table(place, known, done, rendering, kept_as)
    findings = Findings.of(done.looks, [paths[row] for row in done.kept], known.split)
    _write(work, made, done.shards, kept_as, findings, skips, notes)
    publish(work, place, done.shards)
    examples = tuple(skips.examples.values())
    return Prepared(place.text, made, kept_as, dict(skips.counts), examples, tuple(notes), findings)


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


def publish(work: Place, place: Place, shards: Iterable[Shard]) -> None:
    """Give a finished data set its name; its shards are known to be right."""
    if place.is_local:
        folder = Path(place.path)
        Path(work.path).rename(folder)
        remember(folder, {shard.file: state_of(folder / shard.file) for shard in shards})


def _announce(options: Options, known: Known, notes: Iterable[str]) -> None:
    if options.announce is not None:
        options.announce(known.columns)
    _said(options, notes)


def _said(options: Options, notes: Iterable[str]) -> list[str]:
    lines = list(notes)
    if options.say is not None:
        for line in lines:
            options.say(line)
    return lines


def _pack(
    packing: Packing, table: SourceTable, skips: Skips, threads: int, progress: Progress | None
) -> Packed:
    """Pack all images; what was packed of them stays if that ends early."""
    try:
        done = packing.run(skips, threads, progress)
        if not done.kept:
            raise InputError(f"{table.file}: not one image could be read")
    except InputError:
        if packing.place.is_local:
            with suppress(OSError):  # it holds shards, from which the work goes on
                Path(packing.place.path).rmdir()
        raise
    return done


def _as_table(
    place: Place, known: Known, done: Packed, rendering: Rendering, storage: Storage
) -> ImageTable:
    """The data set, whose images are where they will be."""
    shape = (3, rendering.image_size, rendering.image_size)
    folder = Path(place.path)
    return ImageTable(
        name=folder.name,
        images=PackedImages(folder, done.shards, shape, storage, rendering=rendering),
        labels=known.labels,
        label_names=known.label_names,
        split=known.split,
        columns=known.columns,
    )


def _write(
    work: Place,
    table: ImageTable,
    shards: Iterable[Shard],
    storage: Storage,
    findings: Findings,
    skips: Skips,
    notes: Iterable[str],
) -> None:
    if findings:
        work.write(LIST, findings.to_csv())
    said = {
        "skipped": dict(skips.counts),
        "examples": list(skips.examples.values()),
        "unsure": list(notes),
        "images": findings.to_json(),
    }
    packed.write_table(work, table, list(shards), storage, paths=findings.paths, notes=said)
