"""A compressed archive as a plain one: images in it are read in any order."""

import bz2
import gzip
import lzma
import shutil
import tempfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from clinfonce.errors import InputError

_KINDS: dict[bytes, tuple[str, Callable[[Path], Any] | None]] = {
    b"\x1f\x8b": ("gzip", gzip.open),
    b"BZh": ("bzip2", bz2.open),
    b"\xfd7zXZ\0": ("xz", lzma.open),
    b"\x28\xb5\x2f\xfd": ("zstandard", None),
    b"7z\xbc\xaf\x27\x1c": ("7-Zip", None),
    b"Rar!": ("RAR", None),
}
_BLOCK = 1 << 22
_LEAST, _RATIO = 1 << 30, 100  # bytes that any archive may grow to, and how often it may grow


def compression_of(root: Path) -> str | None:
    """The name of the compression of a file, by its first bytes; None if there is none."""
    return next((name for mark, (name, _) in _KINDS.items() if _starts(root, mark)), None)


def unpacked(root: Path) -> BinaryIO:
    """A file for reading, of what a perhaps compressed file holds.

    Raises:
        InputError: a compression that is not known here, damaged content, or more content than an
            archive of images can have or the temporary folder has room for.
    """
    name = compression_of(root)
    if name is None:
        return root.open("rb")
    opener = next(opener for known, opener in _KINDS.values() if known == name)
    if opener is None:
        raise InputError(f"{root}: {name} cannot be read; pack the files as .tar or .zip")
    plain = tempfile.TemporaryFile()  # noqa: SIM115  (it is handed out)
    try:
        with opener(root) as source:
            _copy(root, source, plain)
    except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        plain.close()
        raise InputError(f"{root}: not a whole archive ({error})") from None
    except BaseException:
        plain.close()
        raise
    plain.seek(0)
    return plain


def _copy(root: Path, source: Any, plain: BinaryIO) -> None:
    limit = max(_LEAST, _RATIO * root.stat().st_size)
    folder = tempfile.gettempdir()
    while block := source.read(_BLOCK):
        if plain.tell() + len(block) > limit:
            raise InputError(f"{root}: unpacks to more than {limit:,} bytes")
        if shutil.disk_usage(folder).free < 2 * _BLOCK:
            raise InputError(f"{root}: no room in {folder} to unpack it; unpack it yourself")
        plain.write(block)


def _starts(root: Path, mark: bytes) -> bool:
    with root.open("rb") as file:
        return file.read(len(mark)) == mark
