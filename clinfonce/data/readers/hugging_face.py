"""Parquet files with the images inside, as Hugging Face data sets are published."""

import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

from clinfonce.data.image_files.limits import BadImageError
from clinfonce.data.readers.folders import split_in
from clinfonce.data.tables.parquet import read_parquet
from clinfonce.data.tables.roles import PATH, SPLIT
from clinfonce.data.tables.source import Cells, SourceTable, joined
from clinfonce.errors import InputError

_GROUPS = 4  # row groups in memory


def image_column(file: Path) -> str | None:
    """The column of a Parquet file that holds images; None if there is none.

    Raises:
        InputError: no Parquet file, or several such columns.
    """
    import pyarrow
    import pyarrow.parquet as parquet
    import pyarrow.types as is_a

    try:
        schema = parquet.read_schema(file)
    except (pyarrow.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{file}: not a Parquet file, or not a whole one: {reason}") from None
    names = [
        field.name
        for field in schema
        if is_a.is_binary(field.type)
        or is_a.is_large_binary(field.type)
        or (is_a.is_struct(field.type) and field.type.get_field_index("bytes") >= 0)
    ]
    if len(names) > 1:
        raise InputError(
            f"{file}: {len(names)} columns of images ({', '.join(names)}); a table has one"
        )
    return names[0] if names else None


def parquet_images(root: Path, files: Sequence[Path]) -> tuple["ParquetImages", SourceTable]:
    """The images in Parquet files, and what else these say of them.

    The split of a file is that which its name or folder says.

    Raises:
        InputError: files without a column of images, or with different columns.
    """
    images = ParquetImages(root)
    tables = []
    for file in files:
        column = image_column(file)
        if column is None:
            raise InputError(f"{file}: no column of images in it")
        table = read_parquet(file, leave_out=column)
        relative = str(file.relative_to(root)) if root.is_dir() else file.name
        names = images.add(file, column, relative)
        columns: dict[str, Cells] = {PATH: Cells(names, "string")}
        if SPLIT not in table.columns and (word := split_in(relative)) and len(files) > 1:
            columns[SPLIT] = Cells([word] * len(names), "string")
        others = {name: cells for name, cells in table.columns.items() if name != PATH}
        tables.append(replace(table, columns=columns | others))
    return images, joined(root, tables)


class ParquetImages:
    """Images in a column of Parquet files, by the names that they have there."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._places: dict[str, tuple[int, int, int]] = {}  # name → file, row group, row
        self._files: list[tuple[Path, str]] = []
        self._groups: OrderedDict[tuple[int, int], Sequence[Any]] = OrderedDict()
        self._lock = threading.Lock()

    def add(self, file: Path, column: str, relative: str) -> list[str]:
        """Take the images of a file; returns their names."""
        import pyarrow.parquet as parquet

        number = len(self._files)
        self._files.append((file, column))
        found = list[str]()
        with parquet.ParquetFile(file) as opened:
            for group in range(opened.metadata.num_row_groups):
                said = _names(opened, column, group)
                for row, name in enumerate(said):
                    if not name or name in self._places:
                        name = f"{relative}/{len(found)}"
                    self._places[name] = number, group, row
                    found.append(name)
        return found

    def names(self) -> Iterator[str]:
        """Of all images."""
        return iter(self._places)

    def has(self, text: str) -> bool:
        """Whether there is an image of that name."""
        return text in self._places

    def open(self, text: str) -> BinaryIO:
        """The file of an image."""
        if text not in self._places:
            raise BadImageError("no such image in the table")
        number, group, row = self._places[text]
        value = self._group(number, group)[row]
        content = value.get("bytes") if isinstance(value, Mapping) else value
        if content is None:
            raise BadImageError("the table holds no bytes of it")
        return BytesIO(content)

    def _group(self, number: int, group: int) -> Sequence[Any]:
        import pyarrow.parquet as parquet

        with self._lock:
            key = number, group
            if key not in self._groups:
                file, column = self._files[number]
                with parquet.ParquetFile(file) as opened:
                    table = opened.read_row_group(group, columns=[column])
                self._groups[key] = table.column(0).to_pylist()
                while len(self._groups) > _GROUPS:
                    self._groups.popitem(last=False)
            self._groups.move_to_end(key)
            return self._groups[key]


def _names(opened: Any, column: str, group: int) -> list[str | None]:
    """Names that a row group gives its images; None where it gives none."""
    import pyarrow.types as is_a

    kind = opened.schema_arrow.field(column).type
    n = opened.metadata.row_group(group).num_rows
    if not is_a.is_struct(kind) or kind.get_field_index("path") < 0:
        return [None] * n
    found: list[str | None] = (
        opened.read_row_group(group, columns=[f"{column}.path"]).column(0).combine_chunks()
        .field("path").to_pylist()
    )  # fmt: skip
    return found
