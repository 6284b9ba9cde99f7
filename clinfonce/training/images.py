"""Training images where the loop wants them: on the device when they fit, else in the table."""

from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

if TYPE_CHECKING:
    from clinfonce.data.table import Images


class ImageSource:
    """Batches of uint8 images (b, c, h, w) on a device.

    Args:
        images: uint8 (n, c, h, w), an array or packed on disk.
        rows: int64 (m,), the images that are drawn from, in order.
        device: where batches go.
        device_share: the images stay on the device when they take at most this share of its free
            memory; on the CPU they stay as they are.
    """

    def __init__(
        self,
        images: "Images",
        rows: NDArray[np.int64],
        device: torch.device,
        *,
        device_share: float = 0.25,
    ) -> None:
        self._images, self._rows, self._device = images, rows, device
        self._resident: Tensor | None = None
        size = len(rows) * int(np.prod(images.shape[1:]))
        if device.type == "cuda" and size <= device_share * torch.cuda.mem_get_info(device)[0]:
            self._resident = torch.from_numpy(images[rows]).to(device)

    def __len__(self) -> int:
        return len(self._rows)

    def take(self, places: NDArray[np.int64]) -> Tensor:
        """The images at some places of `rows`: uint8 (len(places), c, h, w) on the device."""
        if self._resident is not None:
            return self._resident[torch.from_numpy(places).to(self._device)]
        batch = torch.from_numpy(self._images[self._rows[places]])  # indexing copies
        if self._device.type == "cpu":
            return batch
        return batch.pin_memory().to(self._device, non_blocking=True)
