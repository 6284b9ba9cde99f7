"""Cached features: equal to the network's own, made once, by whoever, whatever interrupted it."""

import threading

import numpy as np
import pytest
import torch

from clinfonce.augment import Policy
from clinfonce.data import load
from clinfonce.errors import StorageError
from clinfonce.evaluation import encode
from clinfonce.features import FeatureCache, FeatureRecipe, make_features, make_part
from clinfonce.files import Folder
from clinfonce.models import build_encoder
from clinfonce.models.weights import Weights

CPU = torch.device("cpu")
CNN = {"name": "small_cnn", "channels": 1, "image_size": 8, "stem": None, "width": 4}


@pytest.fixture(scope="module")
def weights():
    torch.manual_seed(0)
    return Weights(CNN, build_encoder(**CNN).state_dict(), "f" * 64, "")


@pytest.fixture(scope="module")
def table():
    return load("digits")


def test_features_are_those_of_the_network(tmp_path, table, weights):
    cache, recipe = FeatureCache(Folder.at(tmp_path)), FeatureRecipe.of(table, weights)
    assert cache.missing(recipe) == list(range(recipe.n_parts))
    seen = []
    make_features(
        cache, recipe, table, weights.build(), CPU, lambda done, total: seen.append((done, total))
    )
    found = cache.open(recipe)
    expected = encode(weights.build(), torch.from_numpy(np.array(table.images)))
    np.testing.assert_allclose(found[0], expected.numpy(), rtol=1e-4, atol=1e-5)
    assert found.shape == (1, len(table), 16)
    assert isinstance(found, np.memmap)
    assert not found.flags.writeable
    assert seen[0] == (0, recipe.n_parts)
    assert seen[-1] == (recipe.n_parts, recipe.n_parts)
    assert cache.missing(recipe) == []
    assert {p.suffix for p in (tmp_path / "features").iterdir()} == {".npy", ".json"}


def test_what_was_interrupted_goes_on(tmp_path, table, weights):
    cache, recipe = FeatureCache(Folder.at(tmp_path)), FeatureRecipe.of(table, weights)
    network = weights.build().eval()
    cache.write(recipe, 1, make_part(recipe, 1, table, network, CPU))
    with pytest.raises(StorageError, match="parts of the features"):
        cache.open(recipe)
    assert 1 not in cache.missing(recipe)
    make_features(cache, recipe, table, network, CPU)
    (tmp_path / "other").mkdir()
    whole = FeatureCache(Folder.at(tmp_path / "other"))
    make_features(whole, recipe, table, network, CPU)
    np.testing.assert_array_equal(cache.open(recipe), whole.open(recipe))


def test_several_may_join_the_parts_at_once(tmp_path, table, weights):
    recipe = FeatureRecipe.of(table, weights)
    cache = FeatureCache(Folder.at(tmp_path))
    network = weights.build().eval()
    for part in range(recipe.n_parts):
        cache.write(recipe, part, make_part(recipe, part, table, network, CPU))
    found = []
    threads = [threading.Thread(target=lambda: found.append(cache.open(recipe))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert all(np.array_equal(one, found[0]) for one in found)


def test_copies_are_augmented_and_the_same_each_time(tmp_path, table, weights):
    policy = Policy.named("digits")
    recipe = FeatureRecipe.of(table, weights, copies=3, policy=policy, dtype="float16")
    network = weights.build().eval()
    part = make_part(recipe, 0, table, network, CPU)
    again = make_part(recipe, 0, table, network, CPU)
    assert part.dtype == np.float16
    assert part.shape[0] == 4
    np.testing.assert_array_equal(part, again)
    plain = make_part(FeatureRecipe.of(table, weights), 0, table, network, CPU)
    np.testing.assert_allclose(part[0].astype(np.float32), plain[0], rtol=2e-3, atol=1e-3)
    assert all(np.abs(part[0] - copy).mean() > 0.01 for copy in part[1:])
    assert np.abs(part[1] - part[2]).mean() > 0.01


def test_another_recipe_is_another_file(table, weights):
    other = Weights(CNN, weights.state, "e" * 64, "")
    keys = {
        FeatureRecipe.of(table, weights).key,
        FeatureRecipe.of(table, other).key,
        FeatureRecipe.of(table, weights, dtype="float16").key,
        FeatureRecipe.of(table, weights, copies=2, policy=Policy.named("digits")).key,
        FeatureRecipe.of(table, weights, copies=2, policy=Policy.named("paper")).key,
        FeatureRecipe.of(table, weights, precision="bfloat16").key,
    }
    assert len(keys) == 6


def test_a_damaged_file_is_named(tmp_path, table, weights):
    cache, recipe = FeatureCache(Folder.at(tmp_path)), FeatureRecipe.of(table, weights)
    make_features(cache, recipe, table, weights.build(), CPU)
    cache.open(recipe)
    path = next((tmp_path / "features").glob("*.npy"))
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(StorageError, match="is damaged"):
        cache.open(recipe)
