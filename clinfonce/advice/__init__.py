"""Which clusterings, weights and roles are worth training on, told from a few labels."""

from clinfonce.advice.advise import advise
from clinfonce.advice.result import Advice, Candidate
from clinfonce.advice.weights import Telling, Weights

__all__ = ["Advice", "Candidate", "Telling", "Weights", "advise"]
