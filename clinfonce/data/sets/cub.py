"""Caltech-UCSD Birds-200-2011: 11,788 images, 200 species, 312 attributes per image."""

from dataclasses import replace
from functools import partial
from pathlib import Path

from clinfonce.data.sets.published import Published, pairs
from clinfonce.data.table import ImageTable
from clinfonce.data.tables.source import SourceTable, of_texts
from clinfonce.errors import InputError

CERTAINTIES = {1: "not visible", 2: "guessing", 3: "probably", 4: "definitely"}


def load(root: Path | None = None, image_size: int | None = None) -> ImageTable:
    """Read the birds; see `Published.load`.

    The published test images are kept; a fifth of each species' training images validate. All
    annotations count, however sure people were of them, as in Tsai et al. 2021; `certain` makes
    the unsure ones missing.
    """
    return CUB.load(root, image_size)


def certain(certainty: int) -> Published:
    """The birds, with attributes missing where people were less sure of them than this.

    Args:
        certainty: 1 "not visible" (keeps all), 2 "guessing", 3 "probably" or 4 "definitely".

    Raises:
        InputError: another number.
    """
    if certainty not in CERTAINTIES:
        known = ", ".join(f"{number} ({word})" for number, word in CERTAINTIES.items())
        raise InputError(f"certainty {certainty} is none of {known}")
    return replace(CUB, read=partial(_read, certainty=certainty))


def _read(root: Path, certainty: int = 1) -> tuple[Path, SourceTable]:
    folder = root / "CUB_200_2011"
    attributes = folder.parent / "attributes.txt"  # beside the folder in the archive
    if not attributes.is_file():
        attributes = folder / "attributes" / "attributes.txt"
    names = list(pairs(attributes).values())
    paths = pairs(folder / "images.txt")
    labels, classes = pairs(folder / "image_class_labels.txt"), pairs(folder / "classes.txt")
    train = pairs(folder / "train_test_split.txt")
    present = {image: [""] * len(names) for image in paths}
    with (folder / "attributes" / "image_attribute_labels.txt").open(encoding="utf-8") as file:
        for line in file:  # some lines of the published file have fields too many at their end
            image, attribute, is_present, how_sure = line.split(maxsplit=4)[:4]
            if int(how_sure) >= certainty:
                present[image][int(attribute) - 1] = is_present
    rows = [
        [path, classes[labels[image]], "train" if train[image] == "1" else "test", *present[image]]
        for image, path in paths.items()
    ]
    texts = of_texts(folder / "images.txt", ["path", "label", "split", *names], rows)
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
