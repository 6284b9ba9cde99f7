"""CelebA through torchvision: 202,599 aligned faces with 40 binary attributes and the identity."""

from pathlib import Path

from clinfonce.data.sets.published import Published
from clinfonce.data.table import ImageTable
from clinfonce.data.tables.source import SourceTable, of_texts
from clinfonce.torchvision_import import import_torchvision

LABEL = "Smiling"


def load(root: Path | None = None, image_size: int | None = None) -> ImageTable:
    """Read the faces; see `Published.load`. torchvision checks the MD5 sums of the annotations.

    CelebA has no classes, and nobody's faces are in two splits, so that the identity cannot be
    the label. The attribute Smiling is the label here, and the other 39 and the identity are
    columns. The published split is kept.
    """
    return CELEBA.load(root, image_size)


def _read(root: Path) -> tuple[Path, SourceTable]:
    published = import_torchvision("torchvision.datasets").CelebA
    folder = root / published.base_folder
    for _, _, file in published.file_list:
        if file.endswith(".txt") and not (folder / file).is_file():
            raise FileNotFoundError(f"{folder / file} is missing")
    rows: list[list[str]] = []
    for split, name in (("train", "train"), ("valid", "validation"), ("test", "test")):
        faces = published(root, split=split, target_type=["attr", "identity"])
        attributes = [name for name in faces.attr_names if name]
        place = attributes.index(LABEL)
        people, values = faces.identity[:, 0].tolist(), faces.attr.tolist()
        for path, person, present in zip(faces.filename, people, values, strict=True):
            label = LABEL if present.pop(place) else f"not {LABEL}"
            rows.append([path, label, name, str(person), *map(str, present)])
    rows.sort(key=lambda row: row[0])
    columns = [name for name in attributes if name != LABEL]
    file = folder / "list_attr_celeba.txt"
    texts = of_texts(file, ["path", "label", "split", "identity", *columns], rows)
    return folder / "img_align_celeba", texts


CELEBA = Published(
    name="celeba",
    fetch="download img_align_celeba.zip, list_attr_celeba.txt, list_eval_partition.txt, "
    "list_bbox_celeba.txt, list_landmarks_align_celeba.txt and identity_CelebA.txt from "
    "http://mmlab.ie.cuhk.edu.hk/projects/CelebA.html and unpack them under <root>/celeba, or let "
    "torchvision.datasets.CelebA(root, download=True) do so.",
    terms="non-commercial research.",
    n_images=202_599,
    image_size=64,
    read=_read,
    kinds={"identity": "categorical", "*": "boolean"},
)
