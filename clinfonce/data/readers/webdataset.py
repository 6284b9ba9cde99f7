"""WebDataset: archives in which the files of one sample share a name, up to its first dot."""

import json
import posixpath
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from clinfonce.data.image_files.archives import ImageFiles, TarArchive
from clinfonce.data.image_files.limits import BadImageError
from clinfonce.data.readers.folders import is_image, split_in
from clinfonce.data.tables.records import of_records
from clinfonce.data.tables.source import SourceTable
from clinfonce.errors import InputError

_SAYS = ("cls", "json")  # endings of files that say something of the image beside them


def is_sharded(names: Sequence[str]) -> bool:
    """Whether files in an archive are samples, with more than an image each."""
    keys = {_key(name) for name in names if is_image(name)}
    return any(_ending(name) in _SAYS and _key(name) in keys for name in names)


def webdataset(root: Path, files: Sequence[Path]) -> tuple["Shards", SourceTable]:
    """The images in archives, and what the files beside each say of it.

    `.cls` is the label, and the fields of a `.json` are columns (its `label` too, where there is no
    `.cls`); captions and other files are left out. The split of an archive is that which its name
    says.

    Raises:
        InputError: damaged archives, samples without an image or with several.
    """
    shards = Shards(root, {_relative(root, file): TarArchive(file) for file in files})
    records = []
    for shard, archive in shards.archives.items():
        split = split_in(shard) if len(files) > 1 else ""
        for key, members in _samples(archive.names()).items():
            records.append(_record(archive, f"{shard}/{key}", shard, members, split))
    if not records:
        raise InputError(f"{root}: no samples in its archives")
    return shards, of_records(root, records)


class Shards:
    """Files in several archives: ARCHIVE/NAME."""

    def __init__(self, root: Path, archives: Mapping[str, ImageFiles]) -> None:
        self.root, self.archives = root, archives

    def names(self) -> Iterator[str]:
        """Of all files."""
        for shard, archive in self.archives.items():
            yield from (f"{shard}/{name}" for name in archive.names())

    def has(self, text: str) -> bool:
        """Whether there is a file of that path."""
        shard, name = self._place(text)
        return shard is not None and shard.has(name)

    def open(self, text: str) -> BinaryIO:
        """The file of a path."""
        shard, name = self._place(text)
        if shard is None:
            raise BadImageError("no such archive")
        return shard.open(name)

    def _place(self, text: str) -> tuple[ImageFiles | None, str]:
        """The archive of a path, and the path inside it."""
        for end in (i for i, c in enumerate(text) if c == "/"):
            if text[:end] in self.archives:
                return self.archives[text[:end]], text[end + 1 :]
        return None, text


def _relative(root: Path, file: Path) -> str:
    return file.relative_to(root).as_posix() if root.is_dir() else file.name


def _key(name: str) -> str:
    folder, last = posixpath.split(name)
    return posixpath.join(folder, last.split(".")[0])


def _ending(name: str) -> str:
    return posixpath.basename(name).partition(".")[2].lower()


def _samples(names: Iterator[str]) -> dict[str, list[str]]:
    """Files of each sample, in the order of the archive."""
    found: dict[str, list[str]] = {}
    for name in names:
        found.setdefault(_key(name), []).append(name)
    return found


def _record(
    archive: ImageFiles, sample: str, shard: str, members: Sequence[str], split: str
) -> dict[str, Any]:
    """What the files of a sample say."""
    images = [name for name in members if is_image(name)]
    if len(images) != 1:
        raise InputError(f"{archive.root}: sample {sample!r} has {len(images)} images, not one")
    record: dict[str, Any] = {"path": f"{shard}/{images[0]}"}
    for name in members:
        if (ending := _ending(name)) not in _SAYS:
            continue
        try:
            with archive.open(name) as file:
                text = file.read().decode("utf-8").strip()
            said = json.loads(text) if ending == "json" else text
        except (ValueError, BadImageError, OSError) as error:
            raise InputError(f"{archive.root}: {name!r} cannot be read ({error})") from None
        if ending == "cls":
            record["label"] = said
            continue
        if not isinstance(said, dict):
            raise InputError(f"{archive.root}: {name!r} is not of named fields")
        record = {**{str(k): v for k, v in said.items() if k != "path"}, **record}
    return record if not split else record | {"split": split}
