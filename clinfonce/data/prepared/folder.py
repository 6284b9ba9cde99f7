"""Make a data set of a user's own folder of images and one table about them."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from clinfonce.data.image_files.archives import ImageFiles
from clinfonce.data.image_files.depth import given_range
from clinfonce.data.image_files.rendering import Rendering, colour
from clinfonce.data.prepared.examine import examine
from clinfonce.data.prepared.findings import Findings
from clinfonce.data.prepared.options import OF_IMAGES, ImageOptions, Options
from clinfonce.data.prepared.packing import Packing, look_for_depths
from clinfonce.data.prepared.publish import check_out, left_clean, publish, write
from clinfonce.data.prepared.result import Prepared
from clinfonce.data.readers.find import Reading, find
from clinfonce.data.storage.images import PackedImages
from clinfonce.data.tables.roles import PATH
from clinfonce.data.tables.source import SourceTable
from clinfonce.errors import InputError


def prepare_folder(
    root: Path | str | None,
    table: Path | str | None,
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
        root: folder, or .tar, .tar.gz or .zip archive, that the paths start from; None if a
            Parquet table has the images inside.
        table: .csv, .tsv, .txt, .parquet, .json (records, or COCO's layout) or .jsonl; None if the
            root is laid out so that it needs none: folders that are the classes, Parquet files
            with the images inside, or WebDataset's archives.
        out: folder to make, a path or a URI such as s3://bucket/folder; no data set may be there.
        image_size: pixels a side.
        encoding: of a text without a byte order mark.
        delimiter: of a text; None finds it.
        columns: path, label or split to the name that the column has in the table.
        options: as in `Options` and `ImageOptions`.

    Raises:
        InputError: with file and line, whatever is wrong with the table, and with an image unless
            `skip_bad`; labels of one value only; a class too small for three splits.
    """
    files, read = find(
        None if root is None else Path(root),
        None if table is None else Path(table),
        Reading(encoding, delimiter, dict(columns or {})),
    )
    return prepare_table(files, read, out, image_size=image_size, **options)


def prepare_table(files: ImageFiles, table: SourceTable, out: Path | str, **given: Any) -> Prepared:
    """As `prepare_folder`, of images that were found and a table that was read already."""
    kept = ImageOptions(**{name: given.pop(name) for name in OF_IMAGES if name in given})
    options = Options(**given)
    place, work = check_out(out)
    storage, ground = kept.kept_as, colour(kept.background)
    depth = None if kept.depth is None else given_range(kept.depth)
    threads = kept.threads or os.cpu_count() or 1
    examined = examine(table, options)
    rows, skips, paths = examined.rows, examined.skips, table.texts(PATH)
    depths = look_for_depths(files, paths, table.where, rows, depth, skips, threads, kept.channels)
    examined.notes.extend(options.tell(depths.notes))
    rendering = Rendering(
        kept.image_size, kept.channels, ground, depths.ranges, trusts_files=depth is None
    )
    packing = Packing(files, paths, table.where, rows, work, rendering, storage)
    with left_clean(work):
        done = packing.run(skips, threads, options.progress)
        if not done.kept:
            raise InputError(f"{table.file}: not one image could be read")
    folder, shape = Path(place.path), (kept.channels, kept.image_size, kept.image_size)
    known, names = examined.of_kept(done.kept), examined.names(done.kept)
    images = PackedImages(folder, done.shards, shape, storage, rendering=rendering)
    made = known.table(folder.name, images)
    findings = Findings.of_looks(done.looks, names, known.split)
    write(work, made, done.shards, storage, names, findings, examined)
    publish(work, place, done.shards)
    return Prepared.of(place.text, made, storage, examined, findings)
