"""Find a user's images and what is said of them, in whatever layout they come."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from clinfonce.data.image_files.archives import ImageFiles, SafeFolder, TarArchive, image_files
from clinfonce.data.readers.folders import image_folder, is_image, split_in
from clinfonce.data.readers.hugging_face import image_column, parquet_images
from clinfonce.data.readers.webdataset import is_sharded, webdataset
from clinfonce.data.tables.read import read_table
from clinfonce.data.tables.roles import PATH, SPLIT, with_roles
from clinfonce.data.tables.source import Cells, SourceTable, joined
from clinfonce.errors import InputError

_PARQUET = (".parquet", ".pq")
_METADATA = ("metadata.csv", "metadata.jsonl", "metadata.parquet")  # of Hugging Face's ImageFolder


@dataclass(frozen=True)
class Reading:
    """How a table is read.

    Attributes:
        encoding: of a text without a byte order mark.
        delimiter: of a text; None finds it.
        columns: path, label or split to the name that the column has in the table.
    """

    encoding: str = "utf-8"
    delimiter: str | None = None
    columns: dict[str, str] | None = None

    def of(self, file: Path) -> SourceTable:
        """A table with its roles."""
        table = read_table(file, self.encoding, delimiter=self.delimiter)
        return with_roles(table, self.columns or {})


def find(root: Path | None, table: Path | None, reading: Reading) -> tuple[ImageFiles, SourceTable]:
    """The images and the table about them.

    Args:
        root: folder or archive of the images; without a table also a folder of folders that are
            the classes, one with a `metadata` table, Parquet files with the images inside, or
            WebDataset's archives.
        table: about the images; a Parquet file (or a folder of some) with the images inside needs
            no root.
        reading: how it is read.

    Raises:
        InputError: none of these layouts, or whatever is wrong with the files.
    """
    if table is not None and root is None:
        files = _parquet_files(table)
        if not files or image_column(files[0]) is None:
            raise InputError(
                f"{table}: no images in the table; --root IMAGES says where its paths start from"
            )
        return _inside(table, files, reading)
    if table is not None and root is not None:
        return image_files(root), reading.of(table)
    if root is None:
        raise InputError("prepare folder needs --root IMAGES or --table FILE")
    return _without_table(root, reading)


def _without_table(root: Path, reading: Reading) -> tuple[ImageFiles, SourceTable]:
    if files := _parquet_files(root):
        return _inside(root, files, reading)
    images = image_files(root)
    if isinstance(images, SafeFolder):
        if said := _metadata(root, reading):
            return images, said
        names = list(images.names())
        archives = [root / name for name in names if name.lower().endswith(".tar")]
        if archives and not any(map(is_image, names)):
            return _sharded(root, archives, reading)
    elif isinstance(images, TarArchive) and is_sharded(list(images.names())):
        return _sharded(root, [root], reading)
    return images, image_folder(root, images.names())


def _sharded(
    root: Path, archives: Sequence[Path], reading: Reading
) -> tuple[ImageFiles, SourceTable]:
    shards, table = webdataset(root, archives)
    return shards, with_roles(table, reading.columns or {})


def _inside(root: Path, files: Sequence[Path], reading: Reading) -> tuple[ImageFiles, SourceTable]:
    images, table = parquet_images(root, files)
    return images, with_roles(table, reading.columns or {})


def _parquet_files(place: Path) -> list[Path]:
    """Parquet files: one, or those below a folder in which no images lie."""
    if place.suffix.lower() in _PARQUET and place.is_file():
        return [place]
    if not place.is_dir():
        return []
    files = sorted(f for f in place.rglob("*") if f.suffix.lower() in _PARQUET and f.is_file())
    return [file for file in files if file.name not in _METADATA and image_column(file)]


def _metadata(root: Path, reading: Reading) -> SourceTable | None:
    """The tables `metadata` of a folder and of those in it; paths start from their own folder."""
    folders = [root, *sorted(folder for folder in root.iterdir() if folder.is_dir())]
    files = [folder / name for folder in folders for name in _METADATA]
    files = [file for file in files if file.is_file()]
    if not files:
        return None
    tables = [_below(root, file, reading.of(file), several=len(files) > 1) for file in files]
    return joined(root, tables)


def _below(root: Path, file: Path, table: SourceTable, several: bool) -> SourceTable:
    folder = file.parent.relative_to(root).as_posix()
    if folder == ".":
        return table
    paths = Cells([f"{folder}/{path}" for path in table.texts(PATH)])
    columns = {**table.columns, PATH: paths}
    if several and SPLIT not in columns and (word := split_in(folder)):
        columns[SPLIT] = Cells([word] * len(table))
    return replace(table, columns=columns)
