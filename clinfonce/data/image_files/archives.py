"""Find a user's image files without trusting the paths: in a folder, or in a .tar archive."""

import os
import stat
import tarfile
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, Protocol

from clinfonce.data.image_files.decode import BadImageError
from clinfonce.errors import InputError


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


def image_files(root: Path) -> ImageFiles:
    """The files below a folder, or in an archive.

    Raises:
        InputError: neither, or an archive that is damaged or compressed.
    """
    if root.is_dir():
        return SafeFolder(root)
    if root.suffix == ".tar" and root.is_file():
        return TarArchive(root)
    raise InputError(f"{root}: no such folder or .tar; root is what the paths start from")


class SafeFolder:
    """Files inside a folder, whatever links lie on the way.

    Folders are looked up once, for a table may have millions of rows.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._real_root = root.resolve()
        self._inside: dict[str, str | None] = {}  # folder of a table's path → the real one

    def open(self, text: str) -> BinaryIO:
        """The file of a path."""
        return Path(self.file(text)).open("rb")

    def has(self, text: str) -> bool:
        """Whether there is a file of that path."""
        try:
            return bool(self.file(text))
        except BadImageError:
            return False

    def file(self, text: str) -> str:
        """Where the file of a path is.

        Raises:
            BadImageError: an absolute path, one that leaves the folder, or no file there.
        """
        _check_relative(text)
        folder, _, name = text.rpartition("/")
        if folder not in self._inside:
            self._inside[folder] = self._real(self._real_root / folder)
        real = self._inside[folder]
        if real is None:
            raise BadImageError("the path leads out of the folder")
        path = f"{real}/{name}"
        try:
            mode = os.lstat(path).st_mode
        except (OSError, ValueError):
            raise BadImageError("no such file") from None
        if stat.S_ISLNK(mode):
            if self._real(Path(path)) is None:
                raise BadImageError("the path leads out of the folder")
            mode = stat.S_IFREG if Path(path).is_file() else 0
        if not stat.S_ISREG(mode):
            raise BadImageError("no such file")
        return path

    def _real(self, path: Path) -> str | None:
        """The path without links; None if it is outside of the folder."""
        try:
            real = path.resolve()
        except (OSError, RuntimeError):  # a circle of links
            return None
        return str(real) if real.is_relative_to(self._real_root) else None


class TarArchive:
    """Files in an uncompressed .tar, read where they lie; nothing is unpacked."""

    def __init__(self, root: Path) -> None:
        self.root = root
        try:
            with tarfile.open(root, "r:") as archive:
                self._places = {
                    member.name.removeprefix("./"): (member.offset_data, member.size)
                    for member in archive
                    if member.isreg() and member.sparse is None
                }
        except (tarfile.TarError, OSError) as error:
            raise InputError(f"{root}: not an uncompressed .tar archive ({error})") from None

    def open(self, text: str) -> BinaryIO:
        """The file of a path."""
        _check_relative(text)
        if text not in self._places:
            raise BadImageError("no such file in the archive")
        offset, size = self._places[text]
        with self.root.open("rb") as archive:
            archive.seek(offset)
            return BytesIO(archive.read(size))

    def has(self, text: str) -> bool:
        """Whether there is a file of that path."""
        return text in self._places


def _check_relative(text: str) -> None:
    if not text or "\0" in text:
        raise BadImageError("the path is empty or holds a NUL")
    if text[0] == "/" or ".." in text.split("/") or "\\" in text or ":" in text[:3]:
        raise BadImageError("the path must be relative, with / and without ..")
