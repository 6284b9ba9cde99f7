"""What happens to each view of a batch: parameters that `clinfonce.augment` draws and applies."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from clinfonce.augment import pixels

ATTEMPTS = 10  # at a crop that fits, as torchvision's RandomResizedCrop
COLUMNS = (
    *(f"crop_area_{i}" for i in range(ATTEMPTS)),
    *(f"crop_log_ratio_{i}" for i in range(ATTEMPTS)),
    *("crop_x", "crop_y", "flip", "angle", "shear_x", "shear_y", "zoom", "shift_x", "shift_y"),
    *("brightness", "contrast", "saturation", "hue", "blur", "solarise", "noise", "noise_start"),
    *("erase_area", "erase_log_ratio", "erase_x", "erase_y"),
    "vertical_flip",
)
COLUMN = {name: place for place, name in enumerate(COLUMNS)}


@dataclass(frozen=True)
class Parameters:
    """What happens to each view of a batch of n images.

    Attributes:
        values: float32 (2, n, number of parameters): first views, then second views. Angles are in
            radians, lengths in shares of the side; `flip` and `vertical_flip` are -1 for a
            mirror image, else 1.
    """

    values: Tensor

    def __len__(self) -> int:
        """Return n."""
        return self.values.shape[1]

    def __getitem__(self, name: str) -> Tensor:
        """Return one parameter of all views, (2n,), first views before second views."""
        return self.values[..., COLUMN[name]].flatten()

    def select(self, rows: Tensor | Sequence[int] | slice) -> "Parameters":
        """Return the parameters of some images, by their numbers 0..n-1 in the batch."""
        index = rows if isinstance(rows, slice) else torch.as_tensor(rows, dtype=torch.int64)
        return Parameters(self.values[:, index])

    def to(self, device: torch.device) -> "Parameters":
        """Return the same parameters on another device, without waiting for what that is at."""
        leaves_cpu = device.type == "cuda" and self.values.device.type == "cpu"
        values = self.values.pin_memory() if leaves_cpu else self.values
        return Parameters(values.to(device, non_blocking=True))

    def replace(self, **columns: Tensor | float) -> "Parameters":
        """Return a copy with some parameters set, each to a number or a (2n,) tensor."""
        values = self.values.clone()
        for name, column in columns.items():
            values.view(-1, len(COLUMNS))[:, COLUMN[name]] = torch.as_tensor(column).float()
        return Parameters(values)

    def crop_boxes(self, height: int, width: int, ratio: tuple[float, float]) -> Tensor:
        """Return the crops (2n, 4) of images of a size: left, top, width, height, as fractions.

        The distribution is that of torchvision's RandomResizedCrop without its rounding to whole
        pixels: the first of ten proposals of area and width : height that fits, else the largest
        central crop whose width : height is in `ratio`.
        """
        area = self.values[..., :ATTEMPTS].flatten(0, 1)  # (2n, 10)
        log_ratio = self.values[..., ATTEMPTS : 2 * ATTEMPTS].flatten(0, 1)
        stretch = (log_ratio + math.log(height / width)).exp_()  # fraction of width : of height
        proposals = torch.stack(((area * stretch).sqrt_(), (area / stretch).sqrt_()))  # (2, 2n, 10)
        fits = proposals.amax(0) <= 1 + 1e-6
        first = fits.byte().argmax(1, keepdim=True)
        chosen = proposals.gather(2, first.expand(2, -1, -1))[..., 0]  # (2, 2n)
        largest = min(max(width / height, ratio[0]), ratio[1]) * height / width
        found = fits.any(1)
        central = min(1.0, largest), min(1.0, 1 / largest)
        either = [torch.where(found, *each) for each in zip(chosen, central, strict=True)]
        sizes = torch.stack(either).clamp_(max=1)
        places = torch.stack((self["crop_x"], self["crop_y"])).masked_fill(~found, 0.5)
        return torch.cat((places * (1 - sizes), sizes)).T

    def whole_images(self) -> Tensor:
        """Return the boxes (2n, 4) of all of each image, as `crop_boxes`."""
        corner = self.values.new_zeros(2 * len(self), 2)
        return torch.cat((corner, corner + 1), 1)

    def erase_boxes(self) -> Tensor:
        """Return the erased boxes (2n, 4): left, top, width, height, as fractions of the view."""
        stretch = self["erase_log_ratio"].exp()
        area = self["erase_area"]
        sizes = torch.stack(((area * stretch).sqrt(), (area / stretch).sqrt())).clamp_(max=1)
        places = torch.stack((self["erase_x"], self["erase_y"]))
        return torch.cat((places * (1 - sizes), sizes)).T


def stretches(p: Parameters, boxes: Tensor) -> Tensor:
    """What the views show (2n, 4): left, top, extents across and down, fractions of the image."""
    mirror = torch.stack((p["flip"], p["vertical_flip"]), 1)
    shift = torch.stack((p["shift_x"], p["shift_y"]), 1)
    extents = boxes[:, 2:] * mirror / p["zoom"][:, None]
    centres = boxes[:, :2] + boxes[:, 2:] / 2
    return torch.cat((centres - extents * (0.5 + shift), extents), 1)


def maps(p: Parameters, boxes: Tensor, aspect: float) -> Tensor:
    """The maps (2n, 2, 3) from places in the views to places in the images, in [-1, 1]."""
    shift = torch.stack((p["shift_x"], p["shift_y"]), 1)
    result = pixels.inverse_affine(p["angle"], p["shear_x"], p["shear_y"], p["zoom"], shift, aspect)
    mirror = torch.stack((p["flip"], p["vertical_flip"]), 1)
    result = result * (boxes[:, 2:] * mirror)[:, :, None]
    result[:, :, 2] += 2 * boxes[:, :2] + boxes[:, 2:] - 1
    return result
