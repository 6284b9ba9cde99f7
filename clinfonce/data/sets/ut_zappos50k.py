"""UT-Zappos50K: 50,025 catalogue images of shoes, 21 categories, 126 binary attributes."""

import csv
from pathlib import Path

from clinfonce.data.sets.published import Published
from clinfonce.data.table import ImageTable
from clinfonce.data.tables.source import SourceTable, of_texts


def load(root: Path | None = None, image_size: int | None = None) -> ImageTable:
    """Read the shoes; see `Published.load`.

    The label is the sub-category. Attributes are the columns of `meta-data-bin.csv` but those of
    the category and the sub-category. No split was published: it is our own.
    """
    return UT_ZAPPOS50K.load(root, image_size)


def _read(root: Path) -> tuple[Path, SourceTable]:
    images = root / "ut-zap50k-images"
    file = root / "ut-zap50k-data" / "meta-data-bin.csv"
    # Paths are category/sub-category/brand/id.jpg; the table has the id with - for the first dot.
    paths = {p.stem.replace(".", "-"): p for p in sorted(images.glob("*/*/*/*.jpg"))}
    with file.open(newline="", encoding="utf-8") as opened:
        reader = csv.reader(opened)
        header = next(reader)
        labels = [i for i, name in enumerate(header) if name.startswith("SubCategory.")]
        kept = [
            i
            for i, name in enumerate(header)
            if name != "CID" and not name.startswith(("Category.", "SubCategory."))
        ]
        rows, missing = [], []
        for row in reader:
            if (shoe := row[header.index("CID")]) not in paths:
                missing.append(shoe)
                continue
            label = next(header[i].removeprefix("SubCategory.") for i in labels if row[i] == "1")
            path = paths[shoe].relative_to(images).as_posix()
            rows.append([path, label, *(row[i] for i in kept)])
    if missing:
        raise FileNotFoundError(
            f"images of {len(missing)} shoes are missing, such as that of {missing[0]}"
        )
    return images, of_texts(file, ["path", "label", *(header[i] for i in kept)], rows)


UT_ZAPPOS50K = Published(
    name="ut-zappos50k",
    fetch="download ut-zap50k-images.zip and ut-zap50k-data.zip from "
    "https://vision.cs.utexas.edu/projects/finegrained/utzap50k/ and unpack both under <root>.",
    terms="academic, non-commercial use.",
    n_images=50_025,
    image_size=32,
    read=_read,
    kinds={"*": "boolean"},
)
