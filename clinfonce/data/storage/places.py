"""A folder on this machine's disk or in an object store, behind the same few operations."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clinfonce.errors import InputError


@dataclass(frozen=True)
class Place:
    """A folder of any filesystem that pyarrow reads.

    Attributes:
        text: as the user gave it: a path, or a URI such as s3://bucket/folder.
        files: `pyarrow.fs.FileSystem`.
        path: of the folder, in that filesystem.
        is_local: whether it is on this machine's disk.
    """

    text: str
    files: Any
    path: str
    is_local: bool

    @classmethod
    def of(cls, text: Path | str) -> "Place":
        """The place that a path or a URI means.

        Raises:
            InputError: a URI that pyarrow does not understand.
        """
        import pyarrow
        from pyarrow import fs

        given = str(text)
        if not is_uri(given):
            return cls(given, fs.LocalFileSystem(), str(Path(given).absolute()), True)
        try:
            files, path = fs.FileSystem.from_uri(given)
        except (OSError, ValueError, pyarrow.ArrowException) as error:
            raise InputError(f"{given}: {_first_line(error)}") from None
        if not path.strip("/"):
            raise InputError(f"{given}: names no folder, such as s3://bucket/folder")
        return cls(given, files, path.rstrip("/"), isinstance(files, fs.LocalFileSystem))

    def file(self, name: str) -> str:
        """Path of a file in this folder, for people."""
        return f"{self.text.split('?')[0].rstrip('/')}/{name}"

    def size(self, name: str) -> int | None:
        """Bytes of a file; None if there is none."""
        info = self._ask(lambda: self.files.get_file_info(f"{self.path}/{name}"))
        return info.size if info.is_file else None

    def read(self, name: str) -> bytes:
        """The content of a file.

        Raises:
            InputError: it is missing or cannot be read.
        """
        return bytes(self._ask(lambda: self._open(name).read()))

    def open(self, name: str) -> Any:
        """A file that is read from its beginning on, a pyarrow `NativeFile`."""
        return self._ask(lambda: self._open(name))

    def write(self, name: str, content: Any) -> None:
        """Write a file whole or not at all."""
        target = f"{self.path}/{name}"
        if not self.is_local:  # object stores show an object when it is complete
            self._ask(lambda: self._put(target, content))
            return
        file = Path(target)
        file.parent.mkdir(parents=True, exist_ok=True)
        partial = file.with_name(f".tmp-{os.getpid()}-{file.name}")
        try:
            with partial.open("wb") as out:
                out.write(content)
            partial.replace(file)
        finally:
            partial.unlink(missing_ok=True)

    def remove(self, name: str) -> None:
        """Delete a file."""
        self._ask(lambda: self.files.delete_file(f"{self.path}/{name}"))

    def copy_to(self, folder: Path, name: str, size: int) -> None:
        """Copy a file to a local folder, unless one of that size is there; whole or not at all."""
        target = folder / name
        if target.is_file() and target.stat().st_size == size:
            return
        folder.mkdir(parents=True, exist_ok=True)
        partial = folder / f".tmp-{os.getpid()}-{name}"
        try:
            with self.open(name) as source, partial.open("wb") as out:
                shutil.copyfileobj(source, out, 1 << 24)
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)

    def _open(self, name: str) -> Any:
        # Not open_input_file: pyarrow 26 waits for ever in random access to gs://.
        return self.files.open_input_stream(f"{self.path}/{name}")

    def _put(self, target: str, content: Any) -> None:
        with self.files.open_output_stream(target) as out:
            out.write(content)

    def _ask(self, question: Any) -> Any:
        try:
            return question()
        except FileNotFoundError as error:
            raise InputError(f"{self.text}: no such file: {_first_line(error)}") from None
        except (OSError, ValueError) as error:  # pyarrow.ArrowInvalid is a ValueError
            raise InputError(f"{self.text}: {_first_line(error)}") from None


def is_uri(text: str) -> bool:
    """Whether a text names a place as scheme://rest."""
    return "://" in text


def _first_line(error: BaseException) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
