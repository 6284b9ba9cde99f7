"""The data sets by name: opened, or prepared like a folder of one's own."""

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from clinfonce.data.prepared import packed
from clinfonce.data.prepared.embeddings import prepare_embeddings
from clinfonce.data.prepared.folder import prepare_folder
from clinfonce.data.prepared.options import OF_IMAGES
from clinfonce.data.prepared.publish import check_out, publish
from clinfonce.data.prepared.result import Prepared
from clinfonce.data.sets.published import Published
from clinfonce.data.storage import shards
from clinfonce.data.storage.places import is_uri
from clinfonce.data.table import ImageTable
from clinfonce.errors import InputError, unknown_name

FOLDER, EMBEDDINGS = "folder", "embeddings"

# Name to module; each has `load(root: Path | None) -> ImageTable`. Imported when asked for.
DATASETS = {
    "celeba": "clinfonce.data.sets.celeba",
    "cifar100": "clinfonce.data.sets.cifar100",
    "clothing": "clinfonce.data.sets.clothing",
    "cub": "clinfonce.data.sets.cub",
    "digits": "clinfonce.data.sets.digits",
    "imagenet100": "clinfonce.data.sets.imagenet100",
    "imagenet100-tsai": "clinfonce.data.sets.imagenet100_tsai",
    "ucmerced": "clinfonce.data.sets.ucmerced",
    "ut-zappos50k": "clinfonce.data.sets.ut_zappos50k",
    "wider-attribute": "clinfonce.data.sets.wider_attribute",
}


def load(name: str, root: Path | str | None = None) -> ImageTable:
    """Read a data set by name, or one that `prepare_folder` made.

    Args:
        name: one of `DATASETS`, or the path or URI of a prepared folder.
        root: folder that holds the files of a data set that has to be fetched first; for a URI,
            folder that keeps copies of what was fetched (else the user's cache folder).

    Raises:
        InputError: an unknown name (the known ones are named), or files that are missing.
    """
    if name not in DATASETS and packed.is_packed(name):
        return packed.load(name, None if root is None else Path(root))
    if name not in DATASETS:
        raise InputError(_nothing_there(name))
    module = importlib.import_module(DATASETS[name])
    table: ImageTable = module.load(None if root is None else Path(root))
    return table


def _nothing_there(name: str) -> str:
    """Why a name is no data set."""
    if is_uri(name):
        return f"{name}: no prepared data set is there"
    folder = Path(name).absolute()
    if Path(f"{folder}.partial").is_dir() and not folder.exists():
        return f"{name}: its preparation did not end; the command that began it goes on with it"
    if folder.is_dir():
        return (
            f"{name}: the folder {folder} is there, but nobody prepared it; make a data set of it "
            f"(clinfonce prepare folder --root {name} …) and name that"
        )
    return f"{unknown_name('data set', name, DATASETS)}; and there is no folder {folder}"


def prepare(
    what: str,
    out: Path | str,
    *,
    root: Path | str | None = None,
    table: Path | str | None = None,
    image_size: int | None = None,
    encoding: str = "utf-8",
    delimiter: str | None = None,
    columns: Mapping[str, str] | None = None,
    embeddings: str | None = None,
    certainty: int | None = None,
    **options: Any,
) -> Prepared:
    """Pack a data set, for `clinfonce.data.load(out)`.

    Args:
        what: "folder" for one's own images, "embeddings" for one's own embeddings, or the name of
            a data set.
        out: folder to make, a path or a URI.
        root: folder of the images, or of the files of a data set that has to be fetched first.
        table: of one's own images or embeddings.
        image_size: pixels a side; needed for a folder.
        encoding: of the table.
        delimiter: of the table.
        columns: of the table, as `prepare_folder` takes them.
        embeddings: column or file, as `prepare_embeddings` takes them.
        certainty: of the attributes of `cub`, see `cub.certain`.
        options: as in `Options` and `ImageOptions` of `clinfonce.data.prepared.options`.

    Raises:
        InputError: as `prepare_folder`, an unknown data set, or an option that it does not take.
    """
    place = None if root is None else Path(root)
    reading: dict[str, Any] = {"encoding": encoding, "delimiter": delimiter, "columns": columns}
    if certainty is not None and what != "cub":
        raise InputError(f"--certainty goes with cub, whose attributes have one; not with {what}")
    if what == EMBEDDINGS:
        return _prepare_embeddings(table, embeddings, out, reading | options, image_size)
    if embeddings is not None:
        raise InputError(f"--embeddings goes with prepare embeddings, not with prepare {what}")
    if what == FOLDER:
        if (place is None and table is None) or image_size is None:
            raise InputError("prepare folder needs --root IMAGES, --table FILE and --size PIXELS; "
                             "without a table, folders are the classes")  # fmt: skip
        return prepare_folder(place, table, out, image_size=image_size, **reading, **options)
    if what not in DATASETS:
        raise InputError(unknown_name("data set", what, [FOLDER, EMBEDDINGS, *DATASETS]))
    if table is not None:
        raise InputError(f"--table goes with folder; {what} has its own")
    module = importlib.import_module(DATASETS[what])
    published = next((v for v in vars(module).values() if isinstance(v, Published)), None)
    if certainty is not None:
        published = module.certain(certainty)
    if published is not None:
        return published.prepare(place, out, image_size=image_size, **options)
    return _prepare_table(module.load(place), out, image_size, options)


def _prepare_embeddings(
    table: Path | str | None,
    embeddings: str | None,
    out: Path | str,
    options: dict[str, Any],
    image_size: int | None,
) -> Prepared:
    if table is None or embeddings is None:
        raise InputError("prepare embeddings needs --table FILE and --embeddings COLUMN or FILE")
    if image_size is not None:
        raise InputError("--size goes with images; embeddings are kept as they are")
    for name in OF_IMAGES:
        options.pop(name, None)
    return prepare_embeddings(table, embeddings, out, **options)


def _prepare_table(
    table: ImageTable, out: Path | str, image_size: int | None, options: dict[str, Any]
) -> Prepared:
    """Pack a table that is in memory."""
    side = table.images.shape[-1]
    if image_size not in (None, side) or options.get("types") or options.get("skip_bad"):
        raise InputError(f"{table.name} is published at {side} pixels, typed and without faults")
    place, work = check_out(out)
    if (announce := options.get("announce")) is not None:
        announce(table.columns)
    step = max(shards.SHARD_BYTES // table.images[0].nbytes, 1)
    made = []
    for number, start in enumerate(range(0, len(table), step)):
        images = [image.tobytes() for image in table.images[start : start + step]]
        kept = list(range(start, start + len(images)))
        note = shards.Note(table.fingerprint, kept[-1] + 1, kept, [], shards.digest_of(images))
        made.append(shards.write_shard(work, number, images, note, "raw"))
        if (progress := options.get("progress")) is not None:
            progress(start + len(images), len(table))
    packed.write_table(work, table, made, "raw", notes={})
    publish(work, place, made)
    return Prepared(place.text, table, "raw", {}, ())
