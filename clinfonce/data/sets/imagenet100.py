"""ImageNet-100: the 100 classes of ImageNet that Tian et al. chose (2020, arXiv 1906.05849)."""

from collections.abc import Sequence
from pathlib import Path

from clinfonce.data.hierarchy import root_paths
from clinfonce.data.sets.published import Published
from clinfonce.data.table import ImageTable
from clinfonce.data.tables.source import SourceTable, of_texts

FETCH = (
    "download ILSVRC-2012 from https://image-net.org and unpack it so that "
    "<root>/train/n02869837/*.JPEG and <root>/val/n02869837/*.JPEG exist (classes beyond the 100 "
    "may be there); for the hierarchy put ImageNet's wordnet.is_a.txt beside them."
)
TERMS = "non-commercial research and education."

# imagenet100.txt of github.com/HobbitLong/CMC.
CLASSES = """
    n01558993 n01692333 n01729322 n01735189 n01749939 n01773797 n01820546 n01855672 n01978455
    n01980166 n01983481 n02009229 n02018207 n02085620 n02086240 n02086910 n02087046 n02089867
    n02089973 n02090622 n02091831 n02093428 n02099849 n02100583 n02104029 n02105505 n02106550
    n02107142 n02108089 n02109047 n02113799 n02113978 n02114855 n02116738 n02119022 n02123045
    n02138441 n02172182 n02231487 n02259212 n02326432 n02396427 n02483362 n02488291 n02701002
    n02788148 n02804414 n02859443 n02869837 n02877765 n02974003 n03017168 n03032252 n03062245
    n03085013 n03259280 n03379051 n03424325 n03492542 n03494278 n03530642 n03584829 n03594734
    n03637318 n03642806 n03764736 n03775546 n03777754 n03785016 n03787032 n03794056 n03837869
    n03891251 n03903868 n03930630 n03947888 n04026417 n04067472 n04099969 n04111531 n04127249
    n04136333 n04229816 n04238763 n04336792 n04418357 n04429376 n04435653 n04485082 n04493381
    n04517823 n04589890 n04592741 n07714571 n07715103 n07753275 n07831146 n07836838 n13037406
    n13040303
""".split()  # noqa: SIM905 - a list of a hundred lines


def load(root: Path | None = None, image_size: int | None = None) -> ImageTable:
    """Read the images; see `Published.load`.

    The 50 validation images of each class test; a fifth of each class's training images validate.
    With `wordnet.is_a.txt` at hand the column `wordnet` holds the paths to each class from the
    root of WordNet: several where a class has several parents somewhere above it.
    """
    return IMAGENET100.load(root, image_size)


def read(root: Path, classes: Sequence[str]) -> tuple[Path, SourceTable]:
    """The images of some classes, and their places in WordNet.

    Raises:
        FileNotFoundError: folders of classes are missing.
    """
    folders = [root / part / name for part in ("train", "val") for name in classes]
    if missing := [str(folder) for folder in folders if not folder.is_dir()]:
        raise FileNotFoundError(f"{len(missing)} folders are missing, such as {missing[0]}")
    rows = [
        [path.relative_to(root).as_posix(), path.parent.name, split]
        for part, split in (("train", "train"), ("val", "test"))
        for name in classes
        for path in sorted((root / part / name).glob("*.JPEG"))
    ]
    names = ["path", "label", "split"]
    wordnet = root / "wordnet.is_a.txt"
    if wordnet.is_file():
        paths = root_paths(_parents(wordnet), classes)
        texts = {name: "|".join(map("/".join, found)) for name, found in paths.items()}
        rows = [[*row, texts[row[1]]] for row in rows]
        names.append("wordnet")
    return root, of_texts(root, names, rows)


def _parents(file: Path) -> dict[str, list[str]]:
    """Lines of "parent child"."""
    parents: dict[str, list[str]] = {}
    for line in file.read_text(encoding="utf-8").splitlines():
        parent, child = line.split()
        parents.setdefault(child, []).append(parent)
    return parents


IMAGENET100 = Published(
    name="imagenet100",
    fetch=FETCH,
    terms=TERMS,
    n_images=131_689,
    image_size=224,
    read=lambda root: read(root, CLASSES),
    kinds={"wordnet": "hierarchy"},
)
