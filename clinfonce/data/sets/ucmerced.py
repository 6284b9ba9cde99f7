"""UC Merced land use: 2,100 aerial images, 21 scenes, 17 attributes that people gave each image."""

from pathlib import Path

from clinfonce.data.sets.published import Published
from clinfonce.data.table import ImageTable
from clinfonce.data.tables.read import read_table
from clinfonce.data.tables.source import SourceTable, of_texts


def load(root: Path | None = None, image_size: int | None = None) -> ImageTable:
    """Read the scenes; see `Published.load`.

    The label is the scene. Attributes (Chaudhuri et al. 2018) are of the single image: cars,
    trees, water ... No split was published: it is our own.
    """
    return UCMERCED.load(root, image_size)


def _read(root: Path) -> tuple[Path, SourceTable]:
    if (root / "index.csv").is_file():  # a copy of both in one table and one archive
        texts = read_table(root / "index.csv")
        return root / "images_gray128.tar", texts.keep([n for n in texts.names if n != "id"])
    file = root / "multilabels" / "LandUse_Multilabeled.txt"
    header, *lines = file.read_text(encoding="utf-8").splitlines()
    names = header.split()[1:]
    rows = []
    for line in lines:
        image, *values = line.split()
        scene = image.rstrip("0123456789")
        rows.append([f"{scene}/{image}.tif", scene, *values])
    images = root / "UCMerced_LandUse" / "Images"
    return images, of_texts(file, ["path", "label", *names], rows)


UCMERCED = Published(
    name="ucmerced",
    fetch="download UCMerced_LandUse.zip from http://weegee.vision.ucmerced.edu/datasets/"
    "landuse.html and multilabels.zip from https://bigearth.eu/datasets.html, and unpack both so "
    "that <root>/UCMerced_LandUse/Images and <root>/multilabels/LandUse_Multilabeled.txt exist.",
    terms="images of the USGS in the public domain, cite Yang & Newsam 2010; attributes without a "
    "stated licence, cite Chaudhuri et al. 2018.",
    n_images=2_100,
    image_size=64,
    read=_read,
    kinds={"*": "boolean"},
)
