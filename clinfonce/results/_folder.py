"""A folder of whole files, on a disk or in an object store, each written at once or not at all."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from clinfonce.errors import InputError

_TEMPORARY = ".tmp-"


@dataclass(frozen=True)
class Folder:
    """Files below `root` of a pyarrow file system; paths are relative, with forward slashes."""

    filesystem: Any  # pyarrow.fs.FileSystem
    root: str

    @classmethod
    def at(cls, place: str | os.PathLike[str]) -> "Folder":
        """The folder at a local path or at a URI such as s3://bucket/results.

        Raises:
            InputError: the URI is of an unknown kind or malformed.
        """
        text = os.fspath(place)
        if "://" not in text:
            return cls(pafs.LocalFileSystem(), str(Path(text).absolute()))
        try:
            filesystem, root = pafs.FileSystem.from_uri(text)
        except (pa.ArrowException, ValueError, OSError) as error:
            reason = str(error).splitlines()[0]
            raise InputError(
                f"cannot open the results at {text!r} ({reason}); "
                "allowed: a local path, or a URI such as s3://bucket/folder"
            ) from error
        return cls(filesystem, root)

    @property
    def local(self) -> Path | None:
        """The folder as a local path; None in an object store."""
        return Path(self.root) if isinstance(self.filesystem, pafs.LocalFileSystem) else None

    def path(self, name: str) -> str:
        """The path of a file for the file system."""
        return f"{self.root}/{name}" if name else self.root

    def names(self, below: str = "") -> list[str]:
        """The names of finished files directly below a folder, sorted; none if there is none."""
        if self.local is not None:
            return _local_names(self.local / below)
        selector = pafs.FileSelector(self.path(below), allow_not_found=True)
        infos = self.filesystem.get_file_info(selector)
        return sorted(i.base_name for i in infos if i.type == pafs.FileType.File)

    def is_empty(self) -> bool:
        """Whether nothing at all is there, neither file nor folder."""
        selector = pafs.FileSelector(self.root, allow_not_found=True)
        return not self.filesystem.get_file_info(selector)

    def has(self, name: str) -> bool:
        """Whether a file is there."""
        found: bool = self.filesystem.get_file_info(self.path(name)).type == pafs.FileType.File
        return found

    def read(self, name: str) -> bytes:
        """The content of a file."""
        with self.filesystem.open_input_stream(self.path(name)) as stream:
            content: bytes = stream.read()
        return content

    def write(self, name: str, content: bytes) -> None:
        """Write a whole file: readers see the old one or the new one, never a part."""
        if self.local is not None:
            write_atomically(self.local / name, content)
            return
        # One put: a stream that is closed by an exception halfway would commit what it had.
        with self.filesystem.open_output_stream(self.path(name)) as stream:
            stream.write(content)

    def remove(self, name: str) -> None:
        """Remove a file; fine if it is gone already."""
        if self.has(name):
            self.filesystem.delete_file(self.path(name))

    def clean(self, below: str) -> None:
        """Remove what interrupted writers left behind in a folder."""
        if self.local is None:
            return  # an object store shows no part of an unfinished file
        for leftover in (self.local / below).glob(f"{_TEMPORARY}*"):
            if not _writer_lives(leftover.name):
                leftover.unlink(missing_ok=True)


def parquet_bytes(table: Any, *, small: bool = True) -> bytes:
    """A table as one Parquet file; a small one has no statistics, so that its footer reads fast."""
    sink = pa.BufferOutputStream()
    pq.write_table(
        table, sink, compression="zstd", use_dictionary=not small, write_statistics=not small
    )
    content: bytes = sink.getvalue().to_pybytes()
    return content


def _local_names(folder: Path) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return sorted(e.name for e in entries if not e.name.startswith(".") and e.is_file())
    except FileNotFoundError:
        return []


def write_atomically(path: Path, content: bytes) -> None:
    """Write a whole local file: readers see the old one or the new one, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{_TEMPORARY}{os.getpid()}-{uuid4().hex}-{path.name}")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Make the new name in the folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _writer_lives(name: str) -> bool:
    """Whether the process named in a temporary file's name still runs on this machine."""
    process = name.removeprefix(_TEMPORARY).split("-")[0]
    if not process.isdigit():
        return False
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
