"""How much a clustering says of the labels, in bits, and how much of that is chance.

Plug-in mutual information grows with the number of clusters even if cluster ids are drawn at
random, so the value expected by chance, and the excess over it, stand beside the raw one.
"""

from clinfonce.information._conditional import ConditionalInformation, conditional_information
from clinfonce.information._estimate import Estimate, estimate
from clinfonce.information._measure import Ids, Information, as_ids, entropy, measure, renumber
from clinfonce.information._pairs import PairInformation, PairWeights, pair_information
from clinfonce.information._weighted import WeightedInformation, weighted_information

__all__ = [
    "ConditionalInformation",
    "Estimate",
    "Ids",
    "Information",
    "PairInformation",
    "PairWeights",
    "WeightedInformation",
    "as_ids",
    "conditional_information",
    "entropy",
    "estimate",
    "measure",
    "pair_information",
    "renumber",
    "weighted_information",
]
