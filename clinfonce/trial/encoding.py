"""Features of a trial's images and of views of them, as they are probed."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from clinfonce.config import AdapterSpec, TrialSpec
from clinfonce.data import ImageTable
from clinfonce.evaluation import encode
from clinfonce.training.images import ImageSource
from clinfonce.training.inputs import FeatureInputs, ImageInputs, Inputs

_BLOCK = 1 << 26  # bytes of pixels or features that are in the memory at a time
_BATCH = 256  # images whose views pass at a time
_SEED = 0  # of the views, the same for all trials

Rows = NDArray[np.int64]
Encode = Callable[[Rows], Tensor]  # row numbers (m,) of a table to features (m, d) on the device


class EncodeViews:
    """Encodes views of images, as a trial's training draws them.

    Attributes:
        network: on the device, in whatever mode; None: the views are features already.
        inputs: gives some images, by their rows, as the network is to see them.
    """

    def __init__(self, network: nn.Module | None, inputs: Callable[[Rows], Inputs]) -> None:
        self.network, self.inputs = network, inputs

    @torch.no_grad()
    def __call__(self, rows: Rows, count: int) -> Tensor:
        """Features (m, count, d) of so many views of each of some rows (m,)."""
        source = self.inputs(rows)
        starts = range(0, len(rows), _BATCH)
        batches = [np.arange(start, min(start + _BATCH, len(rows))) for start in starts]
        pairs = []
        for turn in range(-(-count // 2)):
            step = turn * len(batches)
            held = source.stream(batches, whole, step)
            both = [
                _seen(self.network, source.views(part, len(batch), whole, step + number))
                for number, (batch, part) in enumerate(zip(batches, held, strict=True))
            ]
            pairs.append(torch.cat([part.view(2, -1, part.shape[1]) for part in both], 1))
        return torch.cat(pairs).transpose(0, 1)[:, :count]


def encoder_of_images(network: nn.Module, table: ImageTable, device: torch.device) -> Encode:
    """Encode the images of a table by a network on the device."""

    def features(rows: Rows) -> Tensor:
        images = (torch.from_numpy(table.images[part]) for part in _blocks(rows, table.images))
        return torch.cat([encode(network, block, device=device) for block in images])

    return features


def encoder_of_features(adapter: nn.Module | None, frozen: Any, device: torch.device) -> Encode:
    """Encode by an adapter on a frozen encoder's features (1 + copies, n, d); None: as they are."""

    @torch.no_grad()
    def features(rows: Rows) -> Tensor:
        was_training = adapter is not None and adapter.training
        if adapter is not None:
            adapter.eval()
        try:
            parts = []
            for part in _blocks(rows, frozen[0]):
                block = torch.from_numpy(np.array(frozen[0, part])).to(device).float()
                parts.append(block if adapter is None else adapter(block))
        finally:
            if adapter is not None:
                adapter.train(was_training)
        return torch.cat(parts)

    return features


def views_of_images(
    network: nn.Module, spec: TrialSpec, table: ImageTable, device: torch.device
) -> EncodeViews:
    """Encode augmented views of images, as the trial's training draws them."""
    spec = spec.model_copy(update={"seed": _SEED})

    def inputs(rows: Rows) -> Inputs:
        return ImageInputs.of(spec, ImageSource(table.images, rows, device))

    return EncodeViews(network, inputs)


def views_of_features(
    adapter: nn.Module | None, spec: TrialSpec, frozen: Any, device: torch.device
) -> EncodeViews:
    """Encode noisy features of a frozen encoder, as an adapter's training draws them."""
    noise = (spec.own_adapter or AdapterSpec()).model_copy(update={"views": 0})

    def inputs(rows: Rows) -> Inputs:
        return FeatureInputs(frozen[:1], rows, noise, _SEED, device)

    return EncodeViews(adapter, inputs)


class EncodedOnce:
    """Features of images, each encoded when it is first asked for.

    Args:
        encode: makes features.
        n: images there are.
    """

    def __init__(self, encode: Encode, n: int) -> None:
        self._encode = encode
        self._places = np.full(n, -1, dtype=np.int64)
        self._features: Tensor | None = None

    @property
    def device(self) -> torch.device:
        """Where the features are, once there are any."""
        assert self._features is not None
        return self._features.device

    def __call__(self, rows: Rows) -> Tensor:
        """Features (m, d) of some rows (m,)."""
        if len(new := rows[self._places[rows] < 0]):
            found = self._encode(new)
            start = 0 if self._features is None else len(self._features)
            self._places[new] = np.arange(start, start + len(new))
            parts = [found] if self._features is None else [self._features, found]
            self._features = torch.cat(parts)
        assert self._features is not None
        return self._features[torch.from_numpy(self._places[rows]).to(self._features.device)]


def _seen(network: nn.Module | None, views: Tensor) -> Tensor:
    """Features of views by a network in evaluation mode; None: the views are features."""
    if network is None:
        return views
    was_training = network.training
    network.eval()
    try:
        features: Tensor = network(views).float()
    finally:
        network.train(was_training)
    return features


def whole(size: int) -> slice:
    """The share of a single worker: all of a batch of so many."""
    return slice(0, size)


def _blocks(rows: Rows, values: Any) -> list[Rows]:
    """Row numbers in blocks whose pixels or features fit into the memory."""
    block = max(1, _BLOCK // values[:1].nbytes)
    return list(np.array_split(rows, max(1, -(-len(rows) // block))))
