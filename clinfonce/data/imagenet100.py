"""ImageNet-100: 100 classes of ImageNet (Tian et al. 2020, arXiv 1906.05849) and WordNet."""

from pathlib import Path

from clinfonce.data._texts import TextTable
from clinfonce.data.hierarchy import tree_paths
from clinfonce.data.published import Published, as_texts
from clinfonce.data.table import ImageTable


def load(root: Path | None = None, image_size: int | None = None) -> ImageTable:
    """Read the images; see `Published.load`.

    The 50 validation images of each class test; a fifth of each class's training images validate.
    With `wordnet.is_a.txt` at hand the column `wordnet` holds each class's path from the root;
    a class with several parents keeps the nearest one to the root (`tree_paths`).
    """
    return IMAGENET100.load(root, image_size)


def _read(root: Path) -> tuple[Path, TextTable]:
    rows = [
        [path.relative_to(root).as_posix(), path.parent.name, split]
        for folder, split in (("train", "train"), ("val", "test"))
        for path in sorted((root / folder).glob("*/*.JPEG"))
    ]
    names = ["path", "label", "split"]
    wordnet = root / "wordnet.is_a.txt"
    if wordnet.is_file():
        paths = tree_paths(_parents(wordnet))
        rows = [[*row, "/".join(paths[row[1]])] for row in rows]
        names.append("wordnet")
    return root, as_texts(root, names, rows)


def _parents(file: Path) -> dict[str, list[str]]:
    """Lines of "parent child"."""
    parents: dict[str, list[str]] = {}
    for line in file.read_text(encoding="utf-8").splitlines():
        parent, child = line.split()
        parents.setdefault(child, []).append(parent)
    return parents


IMAGENET100 = Published(
    name="imagenet100",
    fetch="take the 100 classes out of ILSVRC-2012 (https://image-net.org) so that "
    "<root>/train/n02869837/*.JPEG and <root>/val/n02869837/*.JPEG exist; put wordnet.is_a.txt "
    "of ImageNet beside them for the hierarchy.",
    terms="non-commercial research and education.",
    n_images=131_689,
    image_size=224,
    read=_read,
    kinds={"wordnet": "hierarchy"},
)
