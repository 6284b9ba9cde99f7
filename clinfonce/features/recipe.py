"""What features are: of which images, by which weights, how augmented."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any, Literal

from clinfonce.augment import Policy
from clinfonce.data import ImageTable
from clinfonce.models import Weights

PART = 1024  # images whose features are one file until all are there


@dataclass(frozen=True)
class FeatureRecipe:
    """Everything that decides the values of cached features.

    Attributes:
        data: fingerprint of the data set.
        n_images: in it.
        encoder: arguments of `build_encoder`.
        sha256: of its weights.
        copies: augmented copies of each image, beside the image itself.
        policy: of their augmentation; None without copies.
        dtype: of the numbers that are kept.
        precision: that the encoder computes in.
    """

    data: str
    n_images: int
    encoder: Mapping[str, Any]
    sha256: str
    copies: int = 0
    policy: Policy | None = None
    dtype: Literal["float32", "float16"] = "float32"
    precision: Literal["float32", "bfloat16"] = "float32"

    @classmethod
    def of(
        cls,
        table: ImageTable,
        weights: Weights,
        *,
        copies: int = 0,
        policy: Policy | None = None,
        dtype: Literal["float32", "float16"] = "float32",
        precision: Literal["float32", "bfloat16"] = "float32",
    ) -> "FeatureRecipe":
        """The recipe for the images of a table."""
        if policy is not None:
            policy = replace(policy, image_size=weights.description["image_size"])
        return cls(
            table.fingerprint, len(table), weights.description, weights.sha256, copies,
            policy if copies else None, dtype, precision,
        )  # fmt: skip

    @cached_property
    def key(self) -> str:
        """24 hex digits that name the features."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()[:24]

    def to_json(self) -> str:
        """All of it, for people."""
        values = {
            **{name: getattr(self, name) for name in type(self).__dataclass_fields__},
            "encoder": dict(self.encoder),
            "policy": None if self.policy is None else asdict(self.policy),
        }
        return json.dumps(values, sort_keys=True, indent=1)

    @property
    def n_parts(self) -> int:
        """How many files hold the features until all are there."""
        return -(-self.n_images // PART)

    def rows(self, part: int) -> range:
        """The images of a part."""
        return range(part * PART, min((part + 1) * PART, self.n_images))
