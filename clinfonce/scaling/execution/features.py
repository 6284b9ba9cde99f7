"""Features of frozen encoders, made by all workers of a sweep before its trials need them."""

import functools
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import ray

from clinfonce.config import TrialSpec
from clinfonce.data import ImageTable
from clinfonce.features import FeatureCache, FeatureRecipe, make_part
from clinfonce.files import Folder
from clinfonce.models import Encoder, Weights
from clinfonce.scaling.execution.capacity import WorkerResources
from clinfonce.trial.run import find_device
from clinfonce.trial.start import Start, needs_features, needs_weights, recipe_of, weights_of

_BETWEEN_LINES = 10.0  # seconds

Say = Callable[[str], None]


@dataclass(frozen=True)
class FeaturesToMake:
    """Features that trials of a sweep stand on, and a trial that they are for."""

    recipe: FeatureRecipe
    trial: TrialSpec


def features_to_make(
    trials: Iterable[TrialSpec], table: ImageTable, start: Start
) -> list[FeaturesToMake]:
    """What is not cached yet of the features that some trials stand on.

    Args:
        trials: with the digests of their weights.
        table: their images.
        start: what they start from.
    """
    found: dict[str, FeaturesToMake] = {}
    for trial in trials:
        if needs_weights(trial.encoder) and needs_features(trial):
            weights = weights_of(trial, start)
            assert weights is not None
            recipe = recipe_of(trial, table, weights)
            found.setdefault(recipe.key, FeaturesToMake(recipe, trial))
    assert start.features is not None
    return [each for each in found.values() if start.features.missing(each.recipe)]


def make_features_with_ray(
    wanted: Iterable[FeaturesToMake],
    table: ray.ObjectRef,
    weights: dict[str, ray.ObjectRef],
    home: str,
    per_worker: WorkerResources,
    say: Say,
) -> None:
    """Make features part by part on all machines; what was interrupted goes on.

    Args:
        wanted: what.
        table: the `ImageTable`, in the object store.
        weights: the `Weights` by digest, in the object store.
        home: folder or URI of the result store, which all machines see.
        per_worker: what one process takes of a machine.
        say: takes lines on how far it is.
    """
    options = {"num_cpus": per_worker.cpus, "num_gpus": per_worker.gpus, "max_retries": -1}
    make = ray.remote(_make_part).options(**options)
    for each in wanted:
        missing = FeatureCache(Folder.at(home)).missing(each.recipe)
        encoder, spec = each.trial.encoder, each.trial.model_dump_json()
        weighed = "" if encoder.weights == "random" else f" ({encoder.weights})"
        say(f"features of {each.recipe.n_images:,} images by {encoder.name}{weighed} …")
        began = told = time.monotonic()
        running = [
            make.remote(each.recipe, part, table, [weights[each.recipe.sha256]], spec, home)
            for part in missing
        ]
        done = each.recipe.n_parts - len(missing)
        while running:
            ended, running = ray.wait(running, num_returns=1, timeout=1.0)
            ray.get(ended)  # raises what a part met
            done += len(ended)
            if running and time.monotonic() - told > _BETWEEN_LINES:
                told = time.monotonic()
                say(f"features: {done} of {each.recipe.n_parts} parts are made")
        FeatureCache(Folder.at(home)).open(each.recipe)
        say(f"features made in {time.monotonic() - began:.0f} s; they are kept for later sweeps")


def _make_part(
    recipe: FeatureRecipe,
    part: int,
    table: ImageTable,
    weights: list[ray.ObjectRef],
    spec: str,
    home: str,
) -> None:
    """One part, in a process of Ray's."""
    import torch

    trial = TrialSpec.model_validate_json(spec)
    torch.set_num_threads(trial.threads)
    device = find_device(trial)
    network = _network(recipe.sha256, weights[0]).to(device)
    features = make_part(recipe, part, table, network, device)
    FeatureCache(Folder.at(home)).write(recipe, part, features)


@functools.lru_cache(maxsize=1)
def _network(sha256: str, weights: ray.ObjectRef) -> Encoder:
    """Built once in a process, for all parts that it makes."""
    del sha256
    found: Weights = ray.get(weights)
    return found.build().eval()
