"""One trial, from its specification to its rows: cluster, pretrain, probe. No Ray in it."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from clinfonce.clusterings import Clustering, from_instances
from clinfonce.config import TrialSpec
from clinfonce.data import TRAIN, ImageTable, attributes
from clinfonce.errors import InputError
from clinfonce.files import File
from clinfonce.models import Adapter, Weights, build_encoder
from clinfonce.results.store.scores import named
from clinfonce.training.images import ImageSource
from clinfonce.training.inputs import FeatureInputs, ImageInputs, Inputs, policy_of
from clinfonce.training.loop import Epoch, Pretraining, build_model
from clinfonce.training.sampler import build_sampler
from clinfonce.trial.attraction import Attraction, build_attraction, check_attraction
from clinfonce.trial.clusterings import PretrainedFeatures, labels_of
from clinfonce.trial.encoding import (
    Encode,
    EncodeViews,
    encoder_of_features,
    encoder_of_images,
    views_of_features,
    views_of_images,
)
from clinfonce.trial.factors import describe_factors
from clinfonce.trial.held_out import check_held_out, without_held_out
from clinfonce.trial.probing import probe, validate
from clinfonce.trial.rows import (
    Row,
    describe_clustering,
    describe_cost,
    describe_epochs,
    describe_machine,
    describe_outcome,
    describe_trial,
    forget_peak_memory,
)
from clinfonce.trial.start import (
    NOTHING,
    Start,
    check_kind,
    frozen_features,
    input_shape,
    needs_pretrained,
    needs_weights,
    saved_description,
    weights_of,
)
from clinfonce.trial.targets import check_evaluation


@dataclass
class TrialResult:
    """The rows of a finished trial, and its encoder.

    Attributes:
        trial: row of the table `trials`, with the measures of `scores` by name.
        epochs: rows of the table `epochs`.
        clustering: row of the table `clusterings`; None where nothing was trained.
        cluster_ids: int64 (n,), of the training images; None likewise, and where what attracts is
            no partition.
        scores: rows of the table `scores`.
        factors: rows of the table `factors`, without their trial.
        encoder: weights, on the CPU; of an adapter its own alone.
        encoder_description: how to build the network that they are of (`models.saved`).
    """

    trial: Row
    epochs: list[Row]
    clustering: Row | None
    encoder: dict[str, Tensor] = field(repr=False)
    encoder_description: dict[str, Any]
    cluster_ids: Tensor | None = None
    scores: list[Row] = field(default_factory=list)
    factors: list[Row] = field(default_factory=list)


def check_trial(spec: TrialSpec, table: ImageTable, start: Start = NOTHING) -> Clustering | None:
    """Find the mistakes in a trial before anything is trained, and return its clustering.

    The device is none of them: who checks may be another machine than the one that trains.

    Args:
        spec: the trial.
        table: its data.
        start: the weights that it starts from. Without a place for features, clusters of
            them are not made, and every image stands for one.

    Returns:
        The clustering; None of a trial that trains nothing.

    Raises:
        InputError: an unknown augmentation or encoder, a batch larger than the data or smaller
            than the workers, more prototypes than images, or a clustering that nothing can be
            learnt from.
    """
    attraction = _checked(spec, table, start)
    return None if attraction is None else attraction.clustering


def _checked(spec: TrialSpec, table: ImageTable, start: Start) -> Attraction | None:
    """What attracts in a trial that was found to be without mistakes, as in `check_trial`."""
    policy_of(spec)
    check_kind(spec.encoder, table)
    check_evaluation(spec.evaluation, table)
    check_held_out(spec, table)
    shape = input_shape(spec, table, start)
    if spec.epochs == 0:
        if not needs_weights(spec.encoder):  # else they are known to fit
            _check_network(spec, shape)
        return None
    with _threads(spec.threads):
        pretrained = partial(_pretrained_features, spec, table, start)
        unmade = start.features is None and needs_weights(spec.encoder)
        if unmade and needs_pretrained(spec):
            # The features are made later.
            attraction = Attraction(from_instances(len(table.rows(TRAIN))))
        else:
            attraction = build_attraction(
                spec,
                without_held_out(spec.evaluation, table),
                pretrained if spec.encoder.is_pretrained else None,
            )
    clustering = attraction.clustering
    if not spec.clustering.alternates:  # else it starts with instances
        clustering.check_trainable()
    build_model(
        spec,
        input_shape=shape,
        n_clusters=len(np.unique(clustering.ids)),
        sources=attraction.sources,
    )
    build_sampler(spec, clustering.ids, attraction.sources).check_workers(spec.workers)
    check_attraction(spec, attraction)
    if (most := max(spec.objective.prototypes or (0,))) > len(clustering.ids):
        raise InputError(
            f"objective.prototypes asks for {most}, but there are {len(clustering.ids)} training "
            "images: choose at most as many"
        )
    return attraction


def _pretrained_features(spec: TrialSpec, table: ImageTable, start: Start) -> PretrainedFeatures:
    """Of the images as they are, by the encoder that a trial starts from."""
    features = frozen_features(spec, table, start, find_device(spec))[0]
    return features, spec.encoder.weights_sha256


def _check_network(spec: TrialSpec, shape: tuple[int, ...]) -> None:
    if len(shape) == 3:
        build_encoder(**spec.encoder.description(channels=shape[0], image_size=shape[1]))


def find_device(spec: TrialSpec) -> torch.device:
    """The device of this machine that a trial computes on.

    Raises:
        InputError: there is none.
    """
    if spec.device == "cuda" and not torch.cuda.is_available():
        raise InputError("device is cuda, but PyTorch sees no CUDA device here: use cpu or auto")
    if spec.device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(spec.device)


def run_trial(
    spec: TrialSpec,
    table: ImageTable,
    *,
    experiment: str,
    on_epoch: Callable[[Epoch], None] = lambda _: None,
    checkpoint: Path | File | None = None,
    start: Start = NOTHING,
) -> TrialResult:
    """Run one trial. With several workers every one of them calls this, and gets the same rows.

    Args:
        spec: the trial.
        table: images, labels and auxiliary columns.
        experiment: name of the sweep (or of the single experiment) that the trial belongs to.
        on_epoch: is given each epoch as it ends.
        checkpoint: file that the training is saved to after each evaluated epoch and resumed from.
        start: the weights that it starts from, and where cached features are.

    Raises:
        InputError: the trial does not fit the data or the machine.
        TrainingDivergedError: the loss is no longer finite.
    """
    started = time.perf_counter()
    device = find_device(spec)
    attraction = _checked(spec, table, start)
    forget_peak_memory(device)
    with _threads(spec.threads):
        if attraction is None:
            outcome = _untrained(spec, table, start, device)
        else:
            outcome = _trained(spec, table, attraction, start, device, on_epoch, checkpoint)
        factors = _factors(spec, table, outcome)
        scores = probe(outcome.encoded, outcome.views, table, spec.evaluation)
    shape = input_shape(spec, table, start)
    trial = {
        **describe_trial(spec, table, outcome.clustering, experiment=experiment),
        **describe_outcome(outcome.history, status="complete"),
        **describe_cost(spec, shape, outcome.history),
        **describe_machine(device),
        "seconds": outcome.earlier + time.perf_counter() - started,
    }
    return TrialResult(
        named(trial, scores),
        describe_epochs(outcome.history, str(trial["trial_id"])),
        None if outcome.clustering is None else describe_clustering(outcome.clustering, table),
        outcome.state,
        saved_description(spec, table, start, outcome.adapter),
        _ids(outcome.clustering),
        scores,
        factors,
    )


def _ids(clustering: Clustering | None) -> Tensor | None:
    """Of a partition."""
    if clustering is None or not clustering.is_partition:
        return None
    return torch.tensor(clustering.ids)


def _factors(spec: TrialSpec, table: ImageTable, outcome: "_Outcome") -> list[Row]:
    """What features let one read before the training, and after it where there was one."""
    if not spec.evaluation.factors:
        return []
    found = describe_factors(outcome.before, table, "before")
    if outcome.clustering is None:
        return found
    return found + describe_factors(outcome.encoded, table, "after")


@dataclass(frozen=True)
class _Outcome:
    """What is left of a training, or of an encoder that was not trained.

    Attributes:
        encoded: makes the features that are probed.
        before: those that the training started from.
    """

    encoded: Encode
    before: Encode
    views: EncodeViews
    clustering: Clustering | None = None
    history: list[Epoch] = field(default_factory=list)
    state: dict[str, Tensor] = field(default_factory=dict)
    adapter: dict[str, Any] | None = None  # how it is built
    earlier: float = 0.0  # seconds of training in a run that was interrupted


def _untrained(spec: TrialSpec, table: ImageTable, start: Start, device: torch.device) -> _Outcome:
    """The encoder as it is: from cached features where its weights are pretrained."""
    if spec.encoder.is_pretrained:
        features = frozen_features(spec, table, start, device)
        as_it_is = encoder_of_features(None, features, device)
        return _Outcome(as_it_is, as_it_is, views_of_features(None, spec, features, device))
    model = build_model(spec, input_shape=input_shape(spec, table, start), n_clusters=2)
    encoder = model.encoder.to(device)
    as_it_is = encoder_of_images(encoder, table, device)
    return _Outcome(
        as_it_is,
        as_it_is,
        views_of_images(encoder, spec, table, device),
        state=_on_the_cpu(encoder.state_dict()),
    )


def _trained(
    spec: TrialSpec,
    table: ImageTable,
    attraction: Attraction,
    start: Start,
    device: torch.device,
    on_epoch: Callable[[Epoch], None],
    checkpoint: Path | File | None,
) -> _Outcome:
    rows, clustering = table.rows(TRAIN), attraction.clustering
    adapter = spec.own_adapter
    if adapter is None:
        inputs: Inputs = ImageInputs.of(spec, ImageSource(table.images, rows, device))
        weights = weights_of(spec, start)
    else:
        frozen, weights = frozen_features(spec, table, start, device), None
        inputs = FeatureInputs(frozen, rows, adapter, spec.seed, device)
    training = Pretraining(
        spec,
        inputs,
        clustering.ids,
        device=device,
        weights=weights,
        checkpoint=checkpoint,
        attributes=_shared_attributes(spec, table, clustering),
        sources=attraction.sources,
        labels=None if table.labels is None else labels_of(table, rows, partly=True),
    )
    encoder, earlier = training.encoder, training.seconds
    if adapter is None:
        encoded = encoder_of_images(encoder, table, device)
        before = _as_at_the_start(spec, table, inputs, weights, device)
        views = views_of_images(encoder, spec, table, device)
    else:
        encoded = encoder_of_features(encoder, frozen, device)
        before = encoder_of_features(None, frozen, device)
        views = views_of_features(encoder, spec, frozen, device)
    for epoch in training.epochs():
        due = epoch.epoch % spec.evaluation.every == 0 or epoch.epoch == spec.epochs
        if due and epoch.val_knn is None:
            epoch.val_knn, epoch.val_online = validate(
                encoded, table, spec.evaluation, training.probe
            )
            training.save()
        on_epoch(epoch)
    prefix = "" if adapter is None else "adapter."
    state = {prefix + name: w for name, w in _on_the_cpu(encoder.state_dict()).items()}
    built = encoder.description if isinstance(encoder, Adapter) else None
    made = training.clustering or clustering
    return _Outcome(encoded, before, views, made, training.history, state, built, earlier)


def _as_at_the_start(
    spec: TrialSpec,
    table: ImageTable,
    inputs: Inputs,
    weights: Weights | None,
    device: torch.device,
) -> Encode:
    """Encode by the network that the training began with, built anew when it is asked for."""

    def features(rows: NDArray[np.int64]) -> Tensor:
        network = build_model(spec, input_shape=inputs.shape, n_clusters=2, weights=weights).encoder
        return encoder_of_images(network.to(device), table, device)(rows)

    return features


def _on_the_cpu(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: w.detach().cpu() for name, w in state.items()}


def _shared_attributes(
    spec: TrialSpec, table: ImageTable, clustering: Clustering
) -> NDArray[np.float32] | None:
    """A column for each value of each attribute of the clustering, float32 (n, m), 1 where it is.

    So two images share as many columns as they agree in attributes.
    """
    if spec.objective.name != "soft_cl_infonce":
        return None
    names = cast(list[str], clustering.provenance["attributes"])
    values = attributes(table, table.rows(TRAIN), names=names, bins=spec.clustering.bins)
    columns = []
    for name in names:
        kinds, codes = np.unique(values[name], return_inverse=True)
        columns.append(np.eye(len(kinds), dtype=np.float32)[codes])
    return np.concatenate(columns, axis=1)


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """Compute with so many CPU threads: sums are ordered by their number, so bits depend on it."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
