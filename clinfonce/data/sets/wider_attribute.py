"""WIDER Attribute: 13,789 images of people, 30 scenes, 14 attributes of each person."""

import json
from pathlib import Path
from typing import Any

from clinfonce.data.sets.published import Published
from clinfonce.data.table import ImageTable
from clinfonce.data.tables.source import SourceTable, of_texts


def load(root: Path | None = None, image_size: int | None = None) -> ImageTable:
    """Read the scenes; see `Published.load`.

    An image has an attribute if one of its people has it. The published split is kept.
    """
    return WIDER_ATTRIBUTE.load(root, image_size)


def _read(root: Path) -> tuple[Path, SourceTable]:
    rows: list[list[str]] = []
    for part in ("trainval", "test"):
        file = root / "Anno" / f"wider_attribute_{part}.json"
        annotations = json.loads(file.read_text(encoding="utf-8"))
        attributes, scenes = annotations["attribute_id_map"], annotations["scene_id_map"]
        order = sorted(attributes, key=int)
        for image in annotations["images"]:
            path = image["file_name"]
            label = scenes[str(image["scene_id"])]
            rows.append([path, label, path.split("/")[0], *_anyone(image, len(order))])
    names = ["path", "label", "split", *(attributes[key] for key in order)]
    return root / "Image", of_texts(root / "Anno", names, rows)


def _anyone(image: dict[str, Any], n_attributes: int) -> list[str]:
    """Whether any person has each attribute; 1 is yes, -1 no and 0 not stated."""
    people = [person["attribute"] for person in image["targets"]]
    return [str(int(any(person[i] == 1 for person in people))) for i in range(n_attributes)]


WIDER_ATTRIBUTE = Published(
    name="wider-attribute",
    fetch="download images and annotations from "
    "http://mmlab.ie.cuhk.edu.hk/projects/WIDERAttribute.html and unpack them so that "
    "<root>/Image/train and <root>/Anno/wider_attribute_trainval.json exist.",
    terms="non-commercial research.",
    n_images=13_789,
    image_size=224,
    read=_read,
    kinds={"*": "boolean"},
)
