"""What a step trains on: two views of each image of a batch, drawn from seed and step alone.

Views are of images, by augmentation, or of the features that a frozen encoder made of them, by
noise. A worker that shares a batch draws for all of it and takes its own rows, so any number of
workers sees the views of one.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from clinfonce.augment import Policy, normalize
from clinfonce.training.images import ImageSource

if TYPE_CHECKING:
    from clinfonce.config import AdapterSpec, TrialSpec

Rows = NDArray[np.int64]
Share = Callable[[int], slice]  # of a batch of so many images: which are this worker's

_IN_MEMORY = 1 << 28  # bytes of features that are read once, rather than for each batch
_BLOCK = 1 << 24  # bytes of features whose moments are taken at a time


class Inputs(Protocol):
    """The training images as a network is to see them.

    Attributes:
        shape: of one, without augmentation: (channels, height, width), or (d,).
    """

    @property
    def shape(self) -> tuple[int, ...]:
        """See the class."""

    def __len__(self) -> int: ...

    def stream(self, batches: Sequence[Rows], share: Share, step: int) -> Iterator[Tensor]:
        """This worker's part of each batch, to be made into views.

        Args:
            batches: numbers (b,) of training images.
            share: which of them are this worker's.
            step: of the first batch, from the start of the training.
        """

    def views(self, held: Tensor, size: int, share: Share, step: int) -> Tensor:
        """First views, then second views (2b, …) of this worker's b images of a batch.

        Args:
            held: what `stream` gave.
            size: images of the whole batch.
            share: which of them are this worker's.
            step: of the batch.
        """

    def plain(self, places: Rows) -> Tensor:
        """What a network sees of some training images without augmentation."""


class ImageInputs:
    """Views of images by augmentation.

    Args:
        source: the training images.
        policy: what may happen to a view.
        seed: of the trial.
    """

    def __init__(self, source: ImageSource, policy: Policy, seed: int) -> None:
        self._source, self._policy, self._seed = source, policy, seed

    @classmethod
    def of(cls, spec: "TrialSpec", source: ImageSource) -> "ImageInputs":
        """As a trial asks for them; views have the size that its encoder sees."""
        policy = policy_of(spec)
        if spec.encoder.image_size is not None:
            policy = replace(policy, image_size=spec.encoder.image_size)
        return cls(source, policy, spec.seed)

    @property
    def shape(self) -> tuple[int, ...]:
        """(channels, height, width)."""
        return self._source.shape

    def __len__(self) -> int:
        return len(self._source)

    def stream(self, batches: Sequence[Rows], share: Share, step: int) -> Iterator[Tensor]:
        """This worker's images uint8 (b, c, h, w) of each batch."""
        del step
        return self._source.stream([batch[share(len(batch))] for batch in batches])

    def views(self, held: Tensor, size: int, share: Share, step: int) -> Tensor:
        """Two views float (2b, c, h, w) of this worker's share of a batch."""
        parameters = self._policy.sample(size, _generator(self._seed, step))
        mine = share(size)
        if (mine.start, mine.stop) != (0, size):
            parameters = parameters.select(torch.arange(mine.start, mine.stop))
        return self._policy.apply(held, parameters)

    def plain(self, places: Rows) -> Tensor:
        """Images float32 (b, c, h, w) in [-1, 1]."""
        return normalize(self._source.take(places))


def policy_of(spec: "TrialSpec") -> Policy:
    """What may happen to a view of a trial.

    Raises:
        InputError: no such policy, or a value out of its range.
    """
    given = spec.augmentation
    if isinstance(given, str):
        return Policy.named(given)
    return Policy.changed(given.policy, given.changes)


class FeatureInputs:
    """Views of features: noise in deviations of each feature, and features left out.

    Args:
        features: floats (1 + v, n, d), of all images of a data set, then of v augmented copies of
            each; perhaps memory-mapped.
        rows: int64 (m,), which of the n are training images.
        spec: of the adapter.
        seed: of the trial.
        device: where it trains.
    """

    def __init__(
        self,
        features: Any,
        rows: Rows,
        spec: "AdapterSpec",
        seed: int,
        device: torch.device,
    ) -> None:
        copies, n, d = features.shape
        self._n, self._copies, self._d = len(rows), 1 + spec.views, d
        self._spec, self._seed, self._device = spec, seed, device
        used = np.concatenate([copy * n + rows for copy in range(self._copies)])
        flat = features.reshape(copies * n, d)
        if len(used) * d * features.dtype.itemsize <= _IN_MEMORY:
            flat, used = np.array(flat[used]), np.arange(len(used))
        self._source = ImageSource(flat, used, device)
        self.mean, self.deviation = (t.to(device) for t in moments(flat, used[: self._n]))

    @property
    def shape(self) -> tuple[int, ...]:
        """(d,)."""
        return (self._d,)

    def __len__(self) -> int:
        return self._n

    def stream(self, batches: Sequence[Rows], share: Share, step: int) -> Iterator[Tensor]:
        """This worker's features (2b, d) of each batch, of a copy drawn for each view."""
        return self._source.stream(
            [self._drawn(batch, share, step + i) for i, batch in enumerate(batches)]
        )

    def views(self, held: Tensor, size: int, share: Share, step: int) -> Tensor:
        """Two views float32 (2b, d) of this worker's share of a batch."""
        mine, spec = share(size), self._spec
        generator = _generator(self._seed, step, self._device)
        views = held.float().view(2, -1, self._d)
        if spec.noise:
            noise = torch.randn(
                2, size, self._d, generator=generator, device=self._device, dtype=torch.float32
            )
            views = torch.addcmul(views, noise[:, mine], self.deviation, value=spec.noise)
        if spec.dropout:
            kept = torch.empty(2, size, self._d, device=self._device)
            kept.bernoulli_(1 - spec.dropout, generator=generator).div_(1 - spec.dropout)
            views = torch.addcmul(self.mean, views - self.mean, kept[:, mine])
        return views.flatten(0, 1)

    def plain(self, places: Rows) -> Tensor:
        """Features float32 (b, d) of the images themselves."""
        return self._source.take(places).float()

    def _drawn(self, batch: Rows, share: Share, step: int) -> Rows:
        mine = batch[share(len(batch))]
        if self._copies == 1:
            return np.tile(mine, 2)
        rng = np.random.default_rng([self._seed, step])
        copies = rng.integers(self._copies, size=(2, len(batch)))[:, share(len(batch))]
        return (copies * self._n + mine).reshape(-1)


def moments(features: Any, rows: Rows) -> tuple[Tensor, Tensor]:
    """Mean and deviation float32 (d,) of some rows of features, block by block."""
    step = max(1, _BLOCK // (features.shape[1] * features.dtype.itemsize))
    total = np.zeros(features.shape[1])
    squares = np.zeros(features.shape[1])
    for start in range(0, len(rows), step):
        block = np.asarray(features[rows[start : start + step]], dtype=np.float64)
        total += block.sum(0)
        squares += np.square(block).sum(0)
    mean = total / len(rows)
    variance = np.maximum(squares / len(rows) - np.square(mean), 0)
    return torch.from_numpy(mean).float(), torch.from_numpy(np.sqrt(variance)).float()


def _generator(seed: int, step: int, device: torch.device | None = None) -> torch.Generator:
    state = np.random.SeedSequence([seed, step]).generate_state(1)
    return torch.Generator(device or "cpu").manual_seed(int(state[0]))
