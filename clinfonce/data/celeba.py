"""CelebA: 202,599 aligned faces with 40 binary attributes and the identity."""

from pathlib import Path

from clinfonce.data._texts import TextTable
from clinfonce.data.published import Published, as_texts, pairs
from clinfonce.data.table import ImageTable

LABEL = "Smiling"


def load(root: Path | None = None, image_size: int | None = None) -> ImageTable:
    """Read the faces; see `Published.load`.

    CelebA has no classes, and nobody's faces are in two splits, so that the identity cannot be
    the label. The attribute Smiling is the label here, and the other 39 and the identity are
    columns. The published split is kept.
    """
    return CELEBA.load(root, image_size)


def _read(root: Path) -> tuple[Path, TextTable]:
    file = root / "list_attr_celeba.txt"
    splits = pairs(root / "list_eval_partition.txt")
    identities = pairs(root / "identity_CelebA.txt")
    names = {"0": "train", "1": "validation", "2": "test"}
    with file.open(encoding="utf-8") as lines:
        next(lines)  # the number of images
        attributes = next(lines).split()
        place = attributes.index(LABEL)
        rows = []
        for line in lines:
            path, *values = line.split()
            label = LABEL if values.pop(place) == "1" else f"not {LABEL}"
            rows.append([path, label, names[splits[path]], identities[path], *values])
    columns = [name for name in attributes if name != LABEL]
    texts = as_texts(file, ["path", "label", "split", "identity", *columns], rows)
    return root / "img_align_celeba", texts


CELEBA = Published(
    name="celeba",
    fetch="download img_align_celeba.zip, list_attr_celeba.txt, list_eval_partition.txt and "
    "identity_CelebA.txt from http://mmlab.ie.cuhk.edu.hk/projects/CelebA.html and unpack them "
    "under <root>.",
    terms="non-commercial research.",
    n_images=202_599,
    image_size=64,
    read=_read,
    kinds={"identity": "categorical", "*": "boolean"},
)
