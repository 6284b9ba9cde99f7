"""Find a user's image files without trusting the paths: in a folder, a .tar or a .zip."""

import os
import stat
import tarfile
import weakref
import zipfile
import zlib
from collections.abc import Iterator
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, Protocol

from clinfonce.data.image_files.limits import BadImageError
from clinfonce.data.image_files.names import (
    BadPathError,
    Nearby,
    composed,
    followed,
    normalized,
    target_of,
)
from clinfonce.data.image_files.unpack import compression_of, unpacked
from clinfonce.errors import InputError

_LARGEST = 1 << 30  # bytes of one file in an archive


class ImageFiles(Protocol):
    """Files by the paths of a table.

    Attributes:
        root: folder or archive that holds them.
    """

    root: Path

    def open(self, text: str) -> BinaryIO:
        """The file of a path, for reading.

        Raises:
            BadImageError: an absolute path, one that leads elsewhere, or no file there.
            OSError: it cannot be read.
        """
        ...

    def has(self, text: str) -> bool:
        """Whether there is a file of that path."""
        ...

    def names(self) -> Iterator[str]:
        """Paths of all files."""
        ...


def image_files(root: Path) -> ImageFiles:
    """The files below a folder, or in an archive.

    Raises:
        InputError: neither, or an archive that is damaged or of another kind.
    """
    if root.is_dir():
        return SafeFolder(root)
    if root.is_file():
        if zipfile.is_zipfile(root):
            return ZipArchive(root)
        if compression_of(root) or tarfile.is_tarfile(root):
            return TarArchive(root)
        if root.suffix.lower() in (".tar", ".zip", ".tgz"):
            raise InputError(f"{root}: not a whole .tar or .zip archive")
    raise InputError(
        f"{root}: no such folder, .tar, .tar.gz or .zip; root is what the paths start from"
    )


def checked(text: str) -> str:
    """A path of a table in one form.

    Raises:
        BadImageError: it is empty, absolute, or leads up.
    """
    try:
        return normalized(text)
    except BadPathError as error:
        raise BadImageError(str(error)) from None


class SafeFolder:
    """Files inside a folder, whatever links lie on the way.

    Folders are looked up once, for a table may have millions of rows.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._real_root = root.resolve()
        self._inside: dict[str, str | None] = {}  # folder of a table's path → the real one
        self._listed: dict[str, dict[str, str]] = {}  # real folder → composed name → name
        self._nearby: dict[str, Nearby] = {}

    def open(self, text: str) -> BinaryIO:
        """The file of a path."""
        return Path(self.file(text)).open("rb")

    def has(self, text: str) -> bool:
        """Whether there is a file of that path."""
        try:
            return bool(self.file(text))
        except BadImageError:
            return False

    def names(self) -> Iterator[str]:
        """Paths of all files, those behind links to folders once."""
        seen = set[str]()
        for folder, inner, files in os.walk(self._real_root, followlinks=True):
            inner[:] = sorted(name for name in inner if self._is_new(f"{folder}/{name}", seen))
            below = Path(folder).relative_to(self._real_root)
            yield from (composed((below / name).as_posix()) for name in sorted(files))

    def _is_new(self, folder: str, seen: set[str]) -> bool:
        real = self._real(Path(folder))
        if real is None or real in seen:
            return False
        seen.add(real)
        return True

    def file(self, text: str) -> str:
        """Where the file of a path is.

        Raises:
            BadImageError: an absolute path, one that leaves the folder, or no file there.
        """
        folder, _, name = checked(text).rpartition("/")
        if folder not in self._inside:
            self._inside[folder] = self._folder(folder)
        real = self._inside[folder]
        if real is None:
            raise BadImageError("the path leads out of the folder")
        path = self._entry(real, name)
        try:
            mode = os.lstat(path).st_mode
        except (OSError, ValueError):
            raise BadImageError(f"no such file{self._hint(text, real, name)}") from None
        if stat.S_ISLNK(mode):
            if self._real(Path(path)) is None:
                raise BadImageError("the path leads out of the folder")
            mode = stat.S_IFREG if Path(path).is_file() else 0
        if not stat.S_ISREG(mode):
            raise BadImageError("no such file")
        return path

    def _folder(self, folder: str) -> str | None:
        """The real path of a folder; None if it is outside."""
        path = str(self._real_root)
        for step in folder.split("/") if folder else ():
            path = self._entry(path, step)
        return self._real(Path(path))

    def _entry(self, real: str, name: str) -> str:
        """The path of a name in a folder, in whatever Unicode form it is written there."""
        path = f"{real}/{name}"
        if name.isascii() or os.path.lexists(path):
            return path
        return f"{real}/{self._names(real).get(name, name)}"

    def _names(self, real: str) -> dict[str, str]:
        if real not in self._listed:
            try:
                self._listed[real] = {
                    composed(path.name): path.name for path in Path(real).iterdir()
                }
            except OSError:
                self._listed[real] = {}
        return self._listed[real]

    def _hint(self, text: str, real: str, name: str) -> str:
        if text.split("/")[0] == self.root.name and (self.root.parent / text).is_file():
            return f"; the paths start from {str(self.root.parent)!r}, which the root should be"
        if real not in self._nearby:
            self._nearby[real] = Nearby(self._names(real))
        return self._nearby[real].hint(name)

    def _real(self, path: Path) -> str | None:
        """The path without links; None if it is outside of the folder."""
        try:
            real = path.resolve()
        except (OSError, RuntimeError):  # a circle of links
            return None
        return str(real) if real.is_relative_to(self._real_root) else None


class _Archive:
    """What archives share: files by their names, some of which are links to others."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._files: dict[str, tuple[int, int]] = {}  # name → place and size, or number and size
        self._links: dict[str, str] = {}

    def open(self, text: str) -> BinaryIO:
        """The file of a path."""
        path = checked(text)
        target = followed(path, self._links)
        if target is None:
            raise BadImageError("the path leads out of the archive")
        if target not in self._files:
            raise BadImageError(f"no such file in the archive{self._nearby.hint(target)}")
        place, size = self._files[target]
        if size > _LARGEST:
            raise BadImageError(f"{size:,} bytes are more than {_LARGEST:,}")
        return BytesIO(self._read(place, size))

    def has(self, text: str) -> bool:
        """Whether there is a file of that path."""
        try:
            return followed(checked(text), self._links) in self._files
        except BadImageError:
            return False

    def names(self) -> Iterator[str]:
        """Paths of all files, links among them."""
        yield from self._files
        yield from (link for link in self._links if self.has(link))

    def _read(self, place: int, size: int) -> bytes:
        raise NotImplementedError

    @cached_property
    def _nearby(self) -> Nearby:
        return Nearby(self._files)


class TarArchive(_Archive):
    """Files in a .tar, read where they lie; a compressed one is unpacked into a temporary file."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self._opened = unpacked(root)
        weakref.finalize(self, self._opened.close)
        try:
            with tarfile.open(fileobj=self._opened, mode="r:") as archive:
                for member in archive:
                    self._add(member)
        except (tarfile.TarError, OSError, ValueError) as error:
            raise InputError(f"{root}: not a whole .tar archive ({error})") from None

    def _add(self, member: tarfile.TarInfo) -> None:
        try:
            name = normalized(member.name)
            if member.islnk():
                self._links[name] = normalized(member.linkname)
            elif member.issym():
                self._links[name] = target_of(name, member.linkname)
            elif member.isreg() and member.sparse is None:
                self._files[name] = member.offset_data, member.size
                self._links.pop(name, None)  # the last of one name counts
        except BadPathError:
            return

    def _read(self, place: int, size: int) -> bytes:
        return os.pread(self._opened.fileno(), size, place)


class ZipArchive(_Archive):
    """Files in a .zip."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        try:
            self._zip = zipfile.ZipFile(root)
            self._members = self._zip.infolist()
            for number, member in enumerate(self._members):
                self._add(number, member)
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
            raise InputError(f"{root}: not a whole .zip archive ({error})") from None

    def _add(self, number: int, member: zipfile.ZipInfo) -> None:
        try:
            name = normalized(member.filename)
        except BadPathError:
            return
        if stat.S_ISLNK(member.external_attr >> 16):
            if member.file_size < 4096:
                target = self._zip.read(member).decode("utf-8", "replace")
                self._links[name] = target_of(name, target)
        elif not member.is_dir():
            self._files[name] = number, member.file_size

    def _read(self, place: int, size: int) -> bytes:
        member = self._members[place]
        if member.flag_bits & 1:
            raise BadImageError("encrypted in the archive")
        try:
            with self._zip.open(member) as opened:
                return opened.read(size)
        except (zipfile.BadZipFile, NotImplementedError, EOFError, ValueError, zlib.error) as error:
            raise BadImageError(f"damaged in the archive ({error})") from None
