"""Which clusterings are worth training on, told from a few labels before anything is trained."""

from clinfonce.advice.advise import Advice, Candidate, advise

__all__ = ["Advice", "Candidate", "advise"]
