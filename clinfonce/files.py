"""Whole files, on a disk or in an object store: each is written at once or not at all."""

import errno
import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

import pyarrow as pa
import pyarrow.fs as pafs

from clinfonce.errors import InputError, StorageError

_TEMPORARY = ".tmp-"
_PATIENCE = 300.0  # seconds that an object store may be away
_LONGEST_PAUSE = 5.0  # seconds between two attempts
# What pyarrow says of an object store that is away or busy.
_PASSING = (
    "NETWORK_CONNECTION",
    "INTERNAL_FAILURE",
    "SERVICE_UNAVAILABLE",
    "SLOW_DOWN",
    "THROTTLING",
    "REQUEST_TIMEOUT",
    "HTTP status 5",
    "curlCode",
)

T = TypeVar("T")
Stamp = tuple[int, ...]  # of a file: time of its last change in nanoseconds, size, number


@dataclass(frozen=True)
class Folder:
    """Files below `root` of a pyarrow file system; paths are relative, with forward slashes.

    Whatever asks an object store asks again for minutes while that is away.

    Attributes:
        filesystem: a `pyarrow.fs.FileSystem`.
        root: path of the folder in it.
        place: path or URI that leads to it from any process.
        is_made: whether writing into it makes it where there is none.
    """

    filesystem: Any
    root: str
    place: str
    is_made: bool = False

    @classmethod
    def at(cls, place: str | os.PathLike[str]) -> "Folder":
        """The folder at a local path or at a URI such as s3://bucket/results.

        Raises:
            InputError: the URI is of an unknown kind or malformed.
        """
        text = os.fspath(place)
        if not is_uri(text):
            absolute = str(Path(text).absolute())
            return cls(pafs.LocalFileSystem(), absolute, absolute)
        try:
            filesystem, root = pafs.FileSystem.from_uri(text)
        except (pa.ArrowException, ValueError, OSError) as error:
            raise InputError(
                f"cannot open the files at {text!r} ({_first_line(error)}); "
                "allowed: a local path, or a URI such as s3://bucket/folder"
            ) from error
        return cls(filesystem, root, text)

    @property
    def local(self) -> Path | None:
        """The folder as a local path; None in an object store."""
        return Path(self.root) if isinstance(self.filesystem, pafs.LocalFileSystem) else None

    @property
    def parent(self) -> "Folder":
        """The folder that holds this one."""
        path, question, options = self.place.partition("?")
        above = path.rstrip("/").rpartition("/")[0]
        return Folder(self.filesystem, self.root.rpartition("/")[0], above + question + options)

    def path(self, name: str) -> str:
        """The path of a file for the file system."""
        return f"{self.root}/{name}" if name else self.root

    def file(self, name: str) -> "File":
        """One of its files, which need not be there."""
        return File(self, name)

    def names(self, below: str = "") -> list[str]:
        """The names of finished files directly below a folder, sorted; none if there is none."""
        return list(self.stamps(below))

    def stamps(self, below: str = "") -> dict[str, Stamp]:
        """The same, each with what changes when the file does."""
        local = self.local
        if local is not None:
            return self.ask(lambda: _local_stamps(local / below))
        selector = pafs.FileSelector(self.path(below), allow_not_found=True)
        infos = self.ask(lambda: self.filesystem.get_file_info(selector))
        files = {i.base_name: i for i in infos if i.type == pafs.FileType.File}
        return {name: (files[name].mtime_ns or 0, files[name].size) for name in sorted(files)}

    def entries(self) -> set[str]:
        """The names of all that is there, files and folders, hidden ones too."""
        selector = pafs.FileSelector(self.root, allow_not_found=True)
        return {i.base_name for i in self.ask(lambda: self.filesystem.get_file_info(selector))}

    def check_there(self) -> None:
        """Find out whether it is still there, if it has to be.

        Raises:
            StorageError: it is not, and what it held is missed.
        """
        if not self.is_made and self.local is not None and not self.local.is_dir():
            raise StorageError(f"{self.place} is gone: was it deleted or moved?")

    def make(self) -> None:
        """Make the folder where there is none; an object store has no folders.

        Raises:
            StorageError: it cannot be made.
        """
        if (local := self.local) is not None:
            self.ask(lambda: local.mkdir(parents=True, exist_ok=True))

    def has(self, name: str) -> bool:
        """Whether a file is there."""
        info = self.ask(lambda: self.filesystem.get_file_info(self.path(name)))
        found: bool = info.type == pafs.FileType.File
        return found

    def read(self, name: str) -> bytes:
        """The content of a file.

        Raises:
            FileNotFoundError: there is none.
            StorageError: it cannot be read now.
        """
        return self.ask(lambda: self._read(name))

    def write(self, name: str, content: bytes) -> None:
        """Write a whole file: readers see the old one or the new one, never a part.

        Raises:
            StorageError: it cannot be written now, or the folder is gone; nothing of it is.
        """
        local = self.local
        try:
            if local is not None:
                self.check_there()
                self.ask(lambda: write_atomically(local / name, content))
            else:
                self.ask(lambda: self._put(name, content))
        except FileNotFoundError as error:  # of the folder or the bucket
            raise self.explained(error) from error

    def remove(self, name: str) -> None:
        """Remove a file; fine if it is gone already."""
        if self.has(name):
            self.ask(lambda: self._delete(name))

    def check_writable(self) -> None:
        """Find out whether files can be written here.

        Raises:
            StorageError: they cannot.
        """
        probe = f"{_TEMPORARY}{os.getpid()}-{uuid4().hex}-probe"
        self.write(probe, bytes(4096))  # an empty file fits on a full disk
        self.remove(probe)

    def clean(self, below: str) -> None:
        """Remove what interrupted writers left behind in a folder."""
        if self.local is None:
            return  # an object store shows no part of an unfinished file
        for leftover in (self.local / below).glob(f"{_TEMPORARY}*"):
            if not _writer_lives(leftover.name):
                leftover.unlink(missing_ok=True)

    def ask(self, question: Callable[[], T]) -> T:
        """Read or write, again and again while an object store is away.

        Raises:
            FileNotFoundError: what is asked for is not there.
            StorageError: it cannot be had now.
        """
        given_up, pause = time.monotonic() + _PATIENCE, 0.1
        while True:
            try:
                return question()
            except (FileNotFoundError, StorageError):
                raise
            except pa.ArrowInvalid as error:  # such as a URI without a bucket
                raise InputError(f"cannot use {self.place!r}: {_first_line(error)}") from error
            except OSError as error:
                passing = self.local is None and any(text in str(error) for text in _PASSING)
                if not passing or time.monotonic() > given_up:
                    raise self.explained(error) from error
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    def explained(self, error: OSError) -> StorageError:
        """What went wrong with this folder, in words."""
        if isinstance(error, StorageError):
            return error
        place = self.place.split("?")[0]
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return StorageError(
                f"no space left in {place}: make room, then the same command goes on"
            )
        return StorageError(f"cannot use {place}: {error.strerror or _first_line(error)}")

    def _read(self, name: str) -> bytes:
        with self.filesystem.open_input_stream(self.path(name)) as stream:
            content: bytes = stream.read()
        return content

    def _put(self, name: str, content: bytes) -> None:
        # One put: a stream that is closed by an exception halfway would commit what it had.
        with self.filesystem.open_output_stream(self.path(name)) as stream:
            stream.write(content)

    def _delete(self, name: str) -> None:
        try:
            self.filesystem.delete_file(self.path(name))
        except FileNotFoundError:  # an attempt before this one has removed it
            return


@dataclass(frozen=True)
class File:
    """A file of a folder, which need not be there."""

    folder: Folder
    name: str

    @classmethod
    def at(cls, place: "str | os.PathLike[str] | File") -> "File":
        """The file at a local path or at a URI such as s3://bucket/folder/file."""
        if isinstance(place, File):
            return place
        path, question, options = os.fspath(place).partition("?")
        parent, _, name = path.rpartition("/")
        if not is_uri(path):
            parent, name, question, options = *os.path.split(os.fspath(place)), "", ""
        folder = Folder.at((parent or ".") + question + options)
        return cls(replace(folder, is_made=True), name)

    def __str__(self) -> str:
        return f"{self.folder.place.split('?')[0].rstrip('/')}/{self.name}"

    def exists(self) -> bool:
        """Whether it is there."""
        return self.folder.has(self.name)

    def read(self) -> bytes:
        """Its content; raises as `Folder.read`."""
        return self.folder.read(self.name)

    def write(self, content: bytes) -> None:
        """Write it whole or not at all; raises as `Folder.write`."""
        self.folder.write(self.name, content)

    def remove(self) -> None:
        """Remove it; fine if it is gone already."""
        self.folder.remove(self.name)


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]


def is_uri(text: str) -> bool:
    """Whether a text names a place as scheme://rest."""
    return "://" in text


def _local_stamps(folder: Path) -> dict[str, Stamp]:
    found = {}
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                with suppress(FileNotFoundError):  # removed meanwhile
                    if not entry.name.startswith(".") and entry.is_file():
                        status = entry.stat()
                        found[entry.name] = (status.st_mtime_ns, status.st_size, status.st_ino)
    except FileNotFoundError:
        return {}
    return dict(sorted(found.items()))


@contextmanager
def made_anew(path: Path) -> Iterator[Path]:
    """A file beside `path` to write into, which takes its place at the end.

    Raises:
        InputError: it cannot be written.
    """
    partial = path.with_name(f".tmp-{os.getpid()}-{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield partial
        partial.replace(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror or error}") from None
    finally:
        partial.unlink(missing_ok=True)


def write_atomically(path: Path, content: bytes | Iterable[bytes]) -> None:
    """Write a whole local file: readers see the old one or the new one, never a part.

    What is there and is no file, such as a pipe or a device, stays and is written to.

    Raises:
        OSError: it cannot be written; names the path.
    """
    parts = [content] if isinstance(content, bytes) else content
    try:
        if path.exists() and not path.is_file():
            with path.open("wb") as stream:
                stream.writelines(parts)
        else:
            _replace(path.resolve() if path.is_symlink() else path, parts)
    except OSError as error:
        if isinstance(error, StorageError):
            raise
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error


def _replace(path: Path, parts: Iterable[bytes]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{_TEMPORARY}{os.getpid()}-{uuid4().hex}-{path.name}")
    try:
        with temporary.open("wb") as file:
            file.writelines(parts)
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
