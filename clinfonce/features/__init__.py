"""Features of a frozen encoder: made once of all images, kept in files, read like an array."""

from clinfonce.features.cache import FeatureCache
from clinfonce.features.making import make_features, make_part
from clinfonce.features.recipe import FeatureRecipe

__all__ = ["FeatureCache", "FeatureRecipe", "make_features", "make_part"]
