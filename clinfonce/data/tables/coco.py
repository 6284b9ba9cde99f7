"""JSON about images: records, or lists of images, annotations and categories as COCO has them."""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from clinfonce.data.tables.records import of_records
from clinfonce.data.tables.source import SourceTable
from clinfonce.errors import InputError

CATEGORIES = "categories"


def read_json(file: Path, only: Sequence[str] | None = None) -> SourceTable:
    """A table of images from JSON.

    Of COCO's layout the categories that some annotation of an image has become tags, a column
    `categories`; what is said of the image itself becomes columns too, addresses left out.

    Raises:
        InputError: no JSON, another layout, or annotations of images or categories that are not
            there.
    """
    try:
        found = json.loads(file.read_bytes())
    except FileNotFoundError:
        raise InputError(f"{file}: no such file") from None
    except (ValueError, RecursionError, OSError) as error:
        raise InputError(f"{file}: not JSON ({error})") from None
    if isinstance(found, list) and found and all(isinstance(row, dict) for row in found):
        return of_records(file, found, only)
    if isinstance(found, dict) and isinstance(found.get("images"), list):
        try:
            return of_records(file, _of_coco(file, found), only)
        except (KeyError, TypeError, AttributeError) as error:
            raise InputError(f"{file}: not as COCO has it ({error!r})") from None
    raise InputError(
        f"{file}: neither a list of records nor images, annotations and categories as COCO has them"
    )


def _of_coco(file: Path, found: Mapping[str, Any]) -> list[dict[str, Any]]:
    names = {c["id"]: str(c["name"]) for c in found.get("categories", ())}
    tags = defaultdict[Any, set[str]](set)
    known = {image["id"] for image in found["images"]}
    for annotation in found.get("annotations", ()):
        image, category = annotation["image_id"], annotation.get("category_id")
        if image not in known:
            raise InputError(f"{file}: an annotation is of image {image!r}, which is not there")
        if category is None:
            continue
        if category not in names:
            raise InputError(f"{file}: an annotation is of category {category!r}, which is not "
                             "there")  # fmt: skip
        tags[image].add(names[category])
    return [
        {
            **{k: v for k, v in image.items() if _is_said(k, v)},
            "path": str(image["file_name"]),
            CATEGORIES: sorted(tags[image["id"]]),
        }
        for image in found["images"]
    ]


def _is_said(name: str, value: Any) -> bool:
    """Whether a field of an image is worth a column."""
    return (
        name not in ("id", "file_name")
        and not name.endswith("url")
        and (
            isinstance(value, str | int | float) and not str(value).startswith(("http:", "https:"))
        )
    )
