"""A cheap probe of what attracts: adapters trained a few epochs on features, the better half on.

All candidates train for two epochs, the better half anew for four, the better half of those for
eight: by the accuracy on the validation split of a linear classifier with at most five labels a
class, of those that advice looks at. Instances train with each round, so that every accuracy stands
beside that of instances after as many epochs. The test split is not touched.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from clinfonce.advice.sample import IntArray, Points, Sample, columns_alone
from clinfonce.clusterings import from_instances
from clinfonce.config import AdapterSpec, TrialSpec
from clinfonce.data import VALIDATION, ImageTable
from clinfonce.evaluation.linear import linear_probe
from clinfonce.training.inputs import FeatureInputs
from clinfonce.training.loop import Pretraining
from clinfonce.trial.attraction import Attraction, build_attraction, check_attraction
from clinfonce.trial.clusterings import labelled_rows, labels_of

# The clusters (n,) of a bench's images, or fields of a trial that say what attracts.
Attracting = IntArray | Mapping[str, Any]

EPOCHS = (2, 4, 8)  # of the rounds
_IMAGES = 5_000  # trained on at most
_VALIDATION = 2_000  # images at most
_AXES = 256  # principal axes of the features that are kept
_LABELS = 5  # a class
_DRAWS = 10
_BATCH = 256
_GROUP = 4  # images of a cluster in a batch


@dataclass(frozen=True)
class Probed:
    """What an adapter reached in the last round that a candidate was in.

    Attributes:
        accuracy: on the validation split, with at most five labels a class.
        above_instances: accuracy above that of instances in the same round.
        epochs: of that round.
    """

    accuracy: float
    above_instances: float
    epochs: int


@dataclass(frozen=True)
class ProbeCost:
    """What a probe took.

    Attributes:
        seconds: by the clock.
        epochs: of all adapters together.
        n_images: that they trained on.
    """

    seconds: float
    epochs: int
    n_images: int


def probe(
    candidates: Sequence[Attracting],
    bench: "Bench",
    say: Callable[[str], None] = lambda _: None,
    *,
    what: str = "clusterings",
) -> list[Probed]:
    """Train by successive halving.

    Args:
        candidates: what attracts in each.
        bench: where they train.
        say: is told what each round cost.
        what: the candidates are, for people.

    Returns:
        What each candidate reached, in their order.
    """
    began = time.perf_counter()
    alive = list(range(len(candidates)))
    found: dict[int, Probed] = {}
    for number, epochs in enumerate(EPOCHS):
        for each in alive:
            found[each] = bench.probed(candidates[each], epochs)
        seconds = time.perf_counter() - began
        say(f"probe {number + 1}/{len(EPOCHS)}: {len(alive)} {what}, {seconds:.0f} s")
        ranked = sorted(alive, key=lambda each: -found[each].accuracy)
        alive = ranked[: max(1, len(ranked) // 2)]
    return [found[each] for each in range(len(candidates))]


class Bench:
    """Features and labels that a probe trains and validates on.

    Args:
        table: the data set.
        features: (n, d) of all images by a frozen encoder.
        sample: the training images, some of which are taken, and the labels that are looked at.
        seed: of the choice, of the labelled images and of the adapters.
    """

    def __init__(self, table: ImageTable, features: Any, sample: Sample, *, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        others = np.setdiff1d(np.arange(len(sample.rows)), sample.known)
        known = rng.permutation(sample.known)[:_IMAGES]
        more = rng.permutation(others)[: _IMAGES - len(known)]
        self.places = np.sort(np.concatenate((known, more)))  # among the rows of the sample
        self._columns = columns_alone(sample.table, self.places)
        held_out = rng.permutation(labelled_rows(table, VALIDATION))[:_VALIDATION]
        train = sample.rows[self.places]
        used = np.concatenate((train, held_out))
        values = np.stack([np.asarray(features[row], dtype=np.float32) for row in used])
        self._features = _principal_axes(values, len(train))[None]
        self._train, self._held_out = np.arange(len(train)), np.arange(len(train), len(used))
        self._labels = torch.from_numpy(labels_of(table, train, partly=True).clip(min=0))
        self._val_labels = torch.from_numpy(labels_of(table, held_out))
        self._n_classes = len(table.label_names)
        self._draws = _draws(np.searchsorted(self.places, np.sort(known)), self._labels, rng)
        self._seed = seed
        self._instances: dict[int, float] = {}  # by epochs
        self._began, self._epochs = time.perf_counter(), 0

    @property
    def cost(self) -> ProbeCost:
        """What all probes took until now."""
        return ProbeCost(time.perf_counter() - self._began, self._epochs, len(self._train))

    def probed(self, what: Attracting, epochs: int) -> Probed:
        """What an adapter reaches, and instances after as many epochs."""
        if epochs not in self._instances:
            self._instances[epochs] = self.accuracy(from_instances(len(self._train)).ids, epochs)
        reached = self.accuracy(what, epochs)
        return Probed(reached, reached - self._instances[epochs], epochs)

    def attraction(self, fields: Mapping[str, Any]) -> Attraction:
        """What attracts by fields of a trial.

        Raises:
            InputError: nothing attracts, or nothing is left to tell apart.
        """
        spec = self._spec(EPOCHS[0], fields)
        found = build_attraction(spec, self._columns)
        check_attraction(spec, found)
        return found

    def accuracy(self, what: Attracting, epochs: int) -> float:
        """Of an adapter that was trained on the bench's images."""
        self._epochs += epochs
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            training = self._training(what, epochs)
            for _ in training.epochs():
                pass
            return self._validate(training.encoder)
        finally:
            torch.set_num_threads(threads)

    def _training(self, what: Attracting, epochs: int) -> Pretraining:
        inputs = FeatureInputs(self._features, self._train, _ADAPTER, self._seed, _CPU)
        if isinstance(what, np.ndarray):
            return Pretraining(self._spec(epochs), inputs, what, device=_CPU)
        spec = self._spec(epochs, what)
        found = build_attraction(spec, self._columns)
        ids = found.clustering.ids
        return Pretraining(spec, inputs, ids, device=_CPU, sources=found.sources)

    def _spec(self, epochs: int, fields: Mapping[str, Any] | None = None) -> TrialSpec:
        return TrialSpec.model_validate({
            "encoder": {"name": "embeddings"}, "adapter": _ADAPTER.model_dump(),
            "head": {"hidden_dim": 128, "out_dim": 64}, "objective": {"temperature": 0.1},
            "optimizer": {"learning_rate": 0.003}, "epochs": epochs, "seed": self._seed,
            "sampler": {
                "batch_size": min(_BATCH, len(self._train)), "images_per_cluster": _GROUP,
            },
            **(fields or {}),
        })  # fmt: skip

    @torch.no_grad()
    def _validate(self, adapter: torch.nn.Module) -> float:
        adapter.eval()
        values = torch.from_numpy(self._features[0])
        train, held_out = (adapter(values[rows]) for rows in (self._train, self._held_out))
        found = linear_probe(
            train,
            self._labels,
            held_out,
            self._val_labels,
            n_classes=self._n_classes,
            draws=self._draws,
        )
        return float(found.val[1].mean())


_CPU = torch.device("cpu")
_ADAPTER = AdapterSpec(hidden_dim=256, out_dim=128)


def _principal_axes(values: Points, n_train: int) -> Points:
    """The first axes of features (n, d) by their training rows, of unit mean variance."""
    x = values - values[:n_train].mean(axis=0)
    x /= np.maximum(x[:n_train].std(axis=0), 1e-6)
    if x.shape[1] > _AXES:
        axes = np.linalg.eigh(x[:n_train].T @ x[:n_train])[1][:, ::-1][:, :_AXES]
        x = x @ axes
    scaled: Points = (x / x[:n_train].std()).astype(np.float32)
    return scaled


def _draws(known: IntArray, labels: Tensor, rng: np.random.Generator) -> Tensor:
    """At most five labelled images of each class, drawn anew each time: (draws, k)."""
    classes = labels.numpy()[known]
    drawn = []
    for _ in range(_DRAWS):
        order = rng.permutation(len(known))
        rank = np.zeros(len(known), dtype=np.int64)
        for code in np.unique(classes):
            places = np.flatnonzero(classes[order] == code)
            rank[places] = np.arange(len(places))
        drawn.append(np.sort(known[order[rank < _LABELS]]))
    return torch.from_numpy(np.stack(drawn))
