"""Clothing dataset (full): 5,096 photos of 17 garments, who sent each, and a small hierarchy."""

from pathlib import Path

import numpy as np

from clinfonce.data.sets.published import Published
from clinfonce.data.split import grouped_split
from clinfonce.data.table import SPLIT_NAMES, ImageTable
from clinfonce.data.tables.read import read_table
from clinfonce.data.tables.source import SourceTable, of_texts

# Where a garment is worn: a hierarchy of our own, for its authors publish none.
_GROUPS = {
    "bottom": ("Pants", "Shorts", "Skirt"),
    "full": ("Body", "Dress"),
    "hat": ("Hat",),
    "outer": ("Blazer", "Outwear"),
    "shoes": ("Shoes",),
    "top": (
        "Blouse", "Hoodie", "Longsleeve", "Polo", "Shirt", "T-Shirt", "Top", "Undershirt",
    ),
}  # fmt: skip
_GROUP_OF = {garment: group for group, garments in _GROUPS.items() for garment in garments}


def load(root: Path | None = None, image_size: int | None = None) -> ImageTable:
    """Read the photos; see `Published.load`.

    Photos labelled "Not sure", "Other" or "Skip" are left out. Columns: `kids`, a boolean;
    `contributor`, who sent the photo, which says much of the background and little of the
    garment; `group`, where the garment is worn, and `hierarchy`, the path group/garment. No split
    was published: in ours a contributor's photos are all in one split.
    """
    return CLOTHING.load(root, image_size)


def _read(root: Path) -> tuple[Path, SourceTable]:
    copied = (root / "index.csv").is_file()  # a copy with smaller photos in one archive
    texts = read_table(root / ("index.csv" if copied else "images.csv"))
    photos = texts.texts("path") if copied else [f"{i}.jpg" for i in texts.texts("image")]
    senders = texts.texts("sender_id")
    rows = [
        [photo, garment, sender, kids, _GROUP_OF[garment], f"{_GROUP_OF[garment]}/{garment}"]
        for photo, garment, sender, kids in zip(
            photos, texts.texts("label"), senders, texts.texts("kids"), strict=True
        )
        if garment in _GROUP_OF
    ]
    split = grouped_split(np.array([row[1] for row in rows]), np.array([row[2] for row in rows]))
    rows = [[*row, SPLIT_NAMES[code]] for row, code in zip(rows, split, strict=True)]
    names = ["path", "label", "contributor", "kids", "group", "hierarchy", "split"]
    return root / ("images96.tar" if copied else "images"), of_texts(texts.file, names, rows)


CLOTHING = Published(
    name="clothing",
    fetch="clone https://github.com/alexeygrigorev/clothing-dataset, so that <root>/images.csv "
    "and <root>/images exist.",
    terms="CC0 1.0, free for any purpose.",
    n_images=5_096,
    image_size=64,
    read=_read,
    kinds={
        "contributor": "categorical",
        "kids": "boolean",
        "group": "categorical",
        "hierarchy": "hierarchy",
    },
)
