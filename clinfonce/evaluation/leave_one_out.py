"""How many bits of any column training images' features hold, to explain an encoder.

For the table `factors`: every column and target, before and after training, in bits that stand
beside the entropy of the column, without a look at validation or test images. So the probe is a
ridge regression in closed form, each image predicted without it (leave-one-out), whose axes are
found once for all facts that are known of the same images. `readable` asks what carries over to
other images, to select by, with the probe of targets: a fit at several strengths for each column,
some thirty times the work, and it knows no bits.
"""

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from clinfonce.evaluation.usable import Visibility

Measure: TypeAlias = Literal["bits", "accuracy", "r2"]


@dataclass(frozen=True)
class Reading:
    """How well one fact is read.

    Attributes:
        measure: "bits": usable information (`Visibility`), of numbers −½ log2(1 − R²) as of a
            Gaussian; "accuracy": share of the images that are told right; "r2".
        value: reached.
        chance: what the commonest value, or the mean, reaches: 0 bits, R² of 0.
        most: the entropy of the fact in bits, or 1.
    """

    measure: Measure
    value: float
    chance: float
    most: float | None


def read_categories(seen: Visibility, codes: Tensor) -> list[Reading]:
    """Read categories int64 (n,), 0…K−1, of the images that were looked at: bits and accuracy."""
    sizes = torch.bincount(codes).double()
    share = sizes[sizes > 0] / len(codes)
    entropy = -float((share * share.log2()).sum())
    indicators = torch.nn.functional.one_hot(codes).double()
    told = seen.left_out(indicators).argmax(1)
    right = float((told == codes).double().mean())
    return [
        Reading("bits", seen.bits(codes), 0.0, entropy),
        Reading("accuracy", right, float(share.max()), 1.0),
    ]


def read_numbers(seen: Visibility, values: Tensor) -> list[Reading]:
    """Read numbers floating (n,) of the images that were looked at: bits and R², at least 0."""
    values = values.double()
    centred = (values - values.mean())[:, None]
    error = (seen.left_out(centred) - centred).square().sum()
    # The mean without the image itself, which is what chance knows.
    spread = (centred * len(values) / max(len(values) - 1, 1)).square().sum()
    r2 = min(max(0.0, 1 - float(error / spread)), 1 - 1e-12) if float(spread) > 0 else 0.0
    return [
        Reading("bits", -0.5 * math.log2(1 - r2) + 0.0, 0.0, None),
        Reading("r2", r2, 0.0, 1.0),
    ]
