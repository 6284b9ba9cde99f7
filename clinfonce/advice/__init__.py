"""Which clusterings are worth training on, told from a few labels before anything is trained."""

from clinfonce.advice.advise import advise
from clinfonce.advice.result import Advice, Candidate

__all__ = ["Advice", "Candidate", "advise"]
