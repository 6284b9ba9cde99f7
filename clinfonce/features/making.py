"""Features of images by a frozen encoder, part by part."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from clinfonce.augment import Policy, normalize
from clinfonce.data import ImageTable
from clinfonce.features.cache import FeatureCache
from clinfonce.features.recipe import FeatureRecipe
from clinfonce.training.images import ImageSource

_BATCH = {"cpu": 64, "cuda": 256}  # images at a time

Progress = Callable[[int, int], None]  # parts done, parts in all


def make_features(
    cache: FeatureCache,
    recipe: FeatureRecipe,
    table: ImageTable,
    network: nn.Module,
    device: torch.device,
    progress: Progress = lambda _done, _total: None,
) -> None:
    """Make what is missing of some features, in this process.

    Args:
        cache: where they are kept.
        recipe: what they are.
        table: the images.
        network: the frozen encoder.
        device: where it computes.
        progress: is told of the parts.
    """
    missing = cache.missing(recipe)
    network = network.to(device).eval()
    for done, part in enumerate(missing):
        progress(recipe.n_parts - len(missing) + done, recipe.n_parts)
        cache.write(recipe, part, make_part(recipe, part, table, network, device))
    progress(recipe.n_parts, recipe.n_parts)


@torch.no_grad()
def make_part(
    recipe: FeatureRecipe, part: int, table: ImageTable, network: nn.Module, device: torch.device
) -> NDArray[np.floating]:
    """The features (1 + copies, m, d) of the images of a part, of the images themselves first.

    Args:
        recipe: what they are.
        part: which.
        table: the images.
        network: in evaluation mode, on the device.
        device: where it computes.
    """
    rows = np.arange(recipe.rows(part).start, recipe.rows(part).stop)
    source = ImageSource(table.images, rows, device, device_share=0.0)
    size = _BATCH.get(device.type, _BATCH["cpu"])
    batches = np.split(np.arange(len(rows)), range(size, len(rows), size))
    half = recipe.precision == "bfloat16"
    made: list[Tensor] = []
    with torch.autocast(device.type, torch.bfloat16, enabled=half):
        for number, images in enumerate(source.stream(batches)):
            views = [normalize(images)]
            if recipe.policy is not None:
                seed = [part, number]
                views += _copies(images, recipe.policy, recipe.copies, seed)
            made.append(torch.stack([network(view).float() for view in views]).cpu())
    features: NDArray[np.floating] = torch.cat(made, 1).numpy().astype(recipe.dtype)
    return features


def _copies(images: Tensor, policy: Policy, count: int, seed: list[int]) -> list[Tensor]:
    """So many views (b, c, h, w) of each image."""
    views: list[Tensor] = []
    for pair in range(-(-count // 2)):
        state = np.random.SeedSequence([*seed, pair]).generate_state(1)
        generator = torch.Generator().manual_seed(int(state[0]))
        views += policy.apply(images, policy.sample(len(images), generator)).chunk(2)
    return views[:count]
