"""What the data sets that have to be fetched share: a layout, a check, packing on first use."""

import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clinfonce.data.image_files.archives import image_files
from clinfonce.data.prepared import packed
from clinfonce.data.prepared.folder import prepare_table
from clinfonce.data.prepared.result import Prepared
from clinfonce.data.storage.checks import cache
from clinfonce.data.table import ImageTable, Kind
from clinfonce.data.tables.source import SourceTable
from clinfonce.errors import InputError

_NAMED = 3  # missing files in a message


@dataclass(frozen=True)
class Published:
    """A data set as its authors publish it.

    Attributes:
        name: as given to `clinfonce.data.load`.
        fetch: what to download from where, and how to unpack it under the root.
        terms: of use, in a few words.
        n_images: in all splits; a range where that depends.
        image_size: that images are packed at.
        read: root to (folder that paths start from, table of texts).
        kinds: of the auxiliary columns, where all are of one kind or the kind differs from what
            would be inferred; "*" stands for all others.
    """

    name: str
    fetch: str
    terms: str
    n_images: int | range
    image_size: int
    read: Callable[[Path], tuple[Path, SourceTable]]
    kinds: Mapping[str, Kind]

    def load(self, root: Path | None, image_size: int | None = None) -> ImageTable:
        """Open the packed images; the first call packs them, in some minutes.

        They go below `root`, or, where that is read-only, below the user's cache folder.

        Raises:
            InputError: no root, files that are missing (the message says what to fetch), or
                another number of images than was published.
        """
        if root is None:
            raise InputError(f"{self.name} needs the root of its files. {self.advice}")
        size = image_size or self.image_size
        out = _home(root) / f"{self.name}-{size}px"
        if not packed.is_packed(out):
            self.prepare(root, out, image_size=size, storage="raw")
        return packed.load(out)

    def prepare(
        self,
        root: Path | None,
        out: Path | str,
        *,
        image_size: int | None = None,
        types: Mapping[str, Kind] | None = None,
        **options: Any,
    ) -> Prepared:
        """Pack the images; the options are those of `prepare_folder`."""
        if root is None:
            raise InputError(f"{self.name} needs the root of its files. {self.advice}")
        start, texts = self._read(root)
        if not options.get("skip_bad"):
            self._check_files(start, texts)
        known = {n: k for n in texts.names if (k := self._kind(n)) is not None}
        size = image_size or self.image_size
        return prepare_table(
            image_files(start),
            texts,
            out,
            image_size=size,
            types=known | dict(types or {}),
            **options,
        )

    @property
    def advice(self) -> str:
        """What to fetch, and on which terms."""
        return f"To get it: {self.fetch} Terms: {self.terms}"

    def _read(self, root: Path) -> tuple[Path, SourceTable]:
        try:
            start, texts = self.read(root)
        except (OSError, LookupError, ValueError, RuntimeError) as error:
            raise InputError(f"{self.name} in {root}: {_reason(error)}. {self.advice}") from None
        wanted = self.n_images
        if isinstance(wanted, int):
            wanted = range(wanted, wanted + 1)
        if len(texts) not in wanted:
            many = f"{wanted[0]}" if len(wanted) == 1 else f"{wanted[0]} to {wanted[-1]}"
            raise InputError(
                f"{self.name} in {root}: {len(texts)} images, {many} were published. {self.advice}"
            )
        return start, texts

    def _check_files(self, start: Path, texts: SourceTable) -> None:
        """Count what is missing before anything is decoded."""
        files = image_files(start)
        missing = [path for path in texts.texts("path") if not files.has(path)]
        if missing:
            raise InputError(
                f"{self.name} in {start}: {len(missing)} of {len(texts)} images are missing, "
                f"such as {', '.join(missing[:_NAMED])}. {self.advice}"
            )

    def _kind(self, name: str) -> Kind | None:
        if name in ("path", "label", "split"):
            return None
        return self.kinds.get(name, self.kinds.get("*"))


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    if isinstance(error, OSError | RuntimeError):
        return str(error)
    return f"its files are not as published ({error!r})"


def _home(root: Path) -> Path:
    """Folder for what is packed of the files in a root."""
    if os.access(root, os.W_OK) and root.stat().st_mode & 0o222:
        return root / "clinfonce"
    place = hashlib.sha256(str(root.resolve()).encode()).hexdigest()[:12]
    return cache() / place


def pairs(file: Path) -> dict[str, str]:
    """Read lines of "key value", the value up to the end of the line."""
    lines = file.read_text(encoding="utf-8").splitlines()
    return dict(line.strip().split(maxsplit=1) for line in lines if line.strip())
