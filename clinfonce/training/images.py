"""Training images or features where the loop wants them: on the device, else fetched ahead."""

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_AHEAD = 2  # batches that threads fetch while the device works


def sent(values: Tensor, device: torch.device) -> Tensor:
    """A copy on the device; nobody waits until that is through with what it is at."""
    if device.type == "cuda":
        values = values.pin_memory()
    return values.to(device, non_blocking=True)


class ImageSource:
    """Batches of uint8 images (b, c, h, w), or of features (b, d), on a device.

    Args:
        images: uint8 (n, c, h, w) or floats (n, d), perhaps on disk: indexed like an array.
        rows: int64 (m,), the images that are drawn from, in order.
        device: where batches go.
        device_share: the images stay on the device when they take at most this share of its free
            memory; on the CPU they stay as they are.
    """

    def __init__(
        self,
        images: Any,
        rows: NDArray[np.int64],
        device: torch.device,
        *,
        device_share: float = 0.25,
    ) -> None:
        self._images, self._rows, self._device = images, rows, device
        self._resident: Tensor | None = None
        size = len(rows) * int(np.prod(images.shape[1:])) * images.dtype.itemsize
        if device.type == "cuda" and size <= device_share * torch.cuda.mem_get_info(device)[0]:
            self._resident = torch.from_numpy(images[rows]).to(device)
        in_memory = isinstance(images, np.ndarray) and not isinstance(images, np.memmap)
        self._at_hand = self._resident is not None or (device.type == "cpu" and in_memory)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one image."""
        shape: tuple[int, ...] = tuple(self._images.shape[1:])
        return shape

    def __len__(self) -> int:
        return len(self._rows)

    def take(self, places: NDArray[np.int64]) -> Tensor:
        """The images at some places of `rows`: (len(places), …) on the device."""
        if self._resident is not None:
            return self._resident[sent(torch.from_numpy(places), self._device)]
        return sent(self._read(places), self._device)

    def stream(self, batches: Sequence[NDArray[np.int64]]) -> Iterator[Tensor]:
        """What `take` gives for each of some batches; threads read ahead where that takes time."""
        if self._at_hand:
            yield from map(self.take, batches)
            return
        pool = ThreadPoolExecutor(_AHEAD, thread_name_prefix="images")
        coming: deque[Future[Tensor]] = deque()
        try:
            for number in range(len(batches) + _AHEAD):
                if number < len(batches):
                    coming.append(pool.submit(self._read, batches[number]))
                if number >= _AHEAD:
                    yield sent(coming.popleft().result(), self._device)
        finally:
            pool.shutdown(cancel_futures=True)

    def _read(self, places: NDArray[np.int64]) -> Tensor:
        images = torch.from_numpy(self._images[self._rows[places]])  # indexing copies
        return images.pin_memory() if self._device.type == "cuda" else images
