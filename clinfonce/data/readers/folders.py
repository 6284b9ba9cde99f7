"""Images in folders that are the classes, as torchvision's and Hugging Face's ImageFolder."""

import posixpath
import re
from collections.abc import Iterable
from pathlib import Path

from clinfonce.data.tables.roles import SPLIT_WORDS
from clinfonce.data.tables.source import Cells, SourceTable
from clinfonce.errors import InputError

SUFFIXES = (
    ".bmp", ".gif", ".jpeg", ".jpg", ".jpe", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp",
)  # fmt: skip


def is_image(name: str) -> bool:
    """Whether a name is that of an image, and not hidden."""
    return name.lower().endswith(SUFFIXES) and not any(
        step.startswith((".", "__MACOSX")) for step in name.split("/")
    )


def split_in(name: str) -> str:
    """The word for a split in a path, or "": train of data/train-00000-of-00002.parquet.

    It may stand between others (imagenet-train-000000.tar), if it is the only one of its step.
    """
    for step in name.lower().split("/"):
        words = [word for word in re.split(r"[-_. ]", step) if word in SPLIT_WORDS]
        if words and len({SPLIT_WORDS[word] for word in words}) == 1:
            return words[0]
    return ""


def image_folder(root: Path, names: Iterable[str]) -> SourceTable:
    """A table of images whose folder is their class: CLASS/…, or SPLIT/CLASS/….

    Folders below that of the class are a column `subfolder`.

    Args:
        root: that holds them, for messages.
        names: of all files in it.

    Raises:
        InputError: no images, or images that lie in no folder.
    """
    names = list(names)
    paths = sorted(name for name in names if is_image(name))
    if not paths:
        raise InputError(f"{root}: no images in it, and no table of any{_hint(names)}")
    tops = {path.split("/")[0] for path in paths}
    has_splits = len(tops) > 1 and all(top.lower() in SPLIT_WORDS for top in tops)
    rows = [_row(path, has_splits) for path in paths]
    if all(not row[1] for row in rows):
        raise InputError(
            f"{root}: its images lie in no folders that could be their classes; --table FILE says "
            "what they are"
        )
    notes = [f"{root}: without a table, the class of an image is its folder"]
    if loose := [row[0] for row in rows if not row[1]]:
        notes.append(
            f"{len(loose)} images lie in no folder and have no label, such as {loose[0]!r}"
        )
    columns = {
        name: Cells([row[place] or None for row in rows], "string")
        for place, name in enumerate(("path", "label", "split", "subfolder"))
        if any(row[place] for row in rows)
    }
    return SourceTable(root, columns, range(1, len(rows) + 1), unit="image", notes=tuple(notes))


def _hint(names: Iterable[str]) -> str:
    """What to do with files that others read, and we do not."""
    if any(name.endswith(".arrow") for name in names):
        return "; of a data set that `datasets` saved, its `to_parquet` makes files that are read"
    return ""


def _row(path: str, has_splits: bool) -> list[str]:
    """Path, label, split and subfolder of an image."""
    steps = posixpath.dirname(path).split("/") if "/" in path else []
    split = steps.pop(0) if has_splits else ""
    label = steps.pop(0) if steps else ""
    return [path, label, split, "/".join(steps)]
