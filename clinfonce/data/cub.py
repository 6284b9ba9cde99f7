"""Caltech-UCSD Birds-200-2011: 11,788 images, 200 species, 312 attributes per image."""

from pathlib import Path

from clinfonce.data._texts import TextTable
from clinfonce.data.published import Published, as_texts, pairs
from clinfonce.data.table import ImageTable


def load(root: Path | None = None, image_size: int | None = None) -> ImageTable:
    """Read the birds; see `Published.load`.

    The published test images are kept; a fifth of each species' training images validate.
    """
    return CUB.load(root, image_size)


def _read(root: Path) -> tuple[Path, TextTable]:
    folder = root / "CUB_200_2011"
    attributes = folder.parent / "attributes.txt"  # beside the folder in the archive
    if not attributes.is_file():
        attributes = folder / "attributes" / "attributes.txt"
    names = list(pairs(attributes).values())
    paths = pairs(folder / "images.txt")
    labels, classes = pairs(folder / "image_class_labels.txt"), pairs(folder / "classes.txt")
    train = pairs(folder / "train_test_split.txt")
    present = {image: ["0"] * len(names) for image in paths}
    with (folder / "attributes" / "image_attribute_labels.txt").open(encoding="utf-8") as file:
        for line in file:  # some lines of the published file have fields too many at their end
            image, attribute, is_present = line.split(maxsplit=3)[:3]
            present[image][int(attribute) - 1] = is_present
    rows = [
        [path, classes[labels[image]], "train" if train[image] == "1" else "test", *present[image]]
        for image, path in paths.items()
    ]
    texts = as_texts(folder / "images.txt", ["path", "label", "split", *names], rows)
    return folder / "images", texts


CUB = Published(
    name="cub",
    fetch="download CUB_200_2011.tgz from https://data.caltech.edu/records/65de6-vp158 and unpack "
    "it so that <root>/CUB_200_2011 and <root>/attributes.txt exist.",
    terms="non-commercial research and education.",
    n_images=11_788,
    image_size=224,
    read=_read,
    kinds={"*": "boolean"},
)
