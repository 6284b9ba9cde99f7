"""Every kernel with values to try it on, and its definition for one pair in plain Python."""

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from clinfonce import similarity

N = 23
_RNG = np.random.default_rng(5)


@dataclass(frozen=True)
class Case:
    """A kernel.

    Attributes:
        encode: makes a column of values; takes `unknown` and `missing` too.
        values: of N images.
        weight: of two of them, by the definition.
    """

    encode: Callable[..., similarity.Column]
    values: Any
    weight: Callable[[Any, Any], float]


def _booleans():
    return _RNG.random((N, 5)) < 0.4


def _by_jaccard(a, b, power, worth=lambda tag: 1.0):
    a, b = set(a), set(b)
    union = sum(map(worth, a | b))
    return (sum(map(worth, a & b)) / union) ** power if union > 0 else 1.0


def _true(row):
    return [i for i, value in enumerate(row) if value]


def _kinship(a, b, power):
    def one(p, q):
        p, q = p[1:], q[1:]  # all start at one root
        common = sum(p[: i + 1] == q[: i + 1] for i in range(min(len(p), len(q))))
        return 2 * common / (len(p) + len(q)) if p or q else 1.0

    a, b = ([each] if isinstance(each[0], str) else each for each in (a, b))
    return max(one(p, q) for p in a for q in b) ** power


def _haversine(a, b, bandwidth):
    (phi, lam), (psi, mu) = (map(math.radians, each) for each in (a, b))
    h = math.sin((psi - phi) / 2) ** 2
    h += math.cos(phi) * math.cos(psi) * math.sin((mu - lam) / 2) ** 2
    distance = 2 * 6371.0088 * math.asin(min(1.0, math.sqrt(h)))
    return math.exp(-((distance / bandwidth) ** 2) / 2)


def _cosine(a, b, bandwidth):
    cosine = a @ b / math.sqrt((a @ a) * (b @ b))
    return math.exp((cosine - 1) / bandwidth)


def _gauss(x, y, h):
    return math.exp(-(((x - y) / h) ** 2) / 2)


def _round_the_clock(x, y, period, h):
    d = abs(x - y) % period
    return _gauss(min(d, period - d), 0, h)


def _place():
    return (float(_RNG.uniform(-90, 90)), float(_RNG.uniform(-180, 180)))


def _places(values, **more):
    latitude, longitude = np.array(values).T
    return similarity.great_circle(latitude, longitude, bandwidth=4000, **more)


def _path(root="r"):
    return (root, *(str(_RNG.integers(3)) for _ in range(_RNG.integers(0, 4))))


TAGS = [tuple(f"t{t}" for t in np.flatnonzero(_RNG.random(8) < 0.3)) for _ in range(N)]
TAGS[3] = TAGS[4] = ()
TAGS[5], TAGS[6], TAGS[7] = ("only here",), ("nowhere else",), ("t1", "but once")
COUNTS = Counter(tag for tags in TAGS for tag in tags)
NUMBERS = _RNG.normal(size=N)
QUARTILES = np.quantile(NUMBERS, [0.25, 0.75])
SPREAD = float(QUARTILES[1] - QUARTILES[0]) / 1.3489795003921634

CASES = {
    "equal": Case(
        similarity.equal, _RNG.choice(["red", "green", "blue"], N), lambda a, b: float(a == b)
    ),
    "equal, soft": Case(
        lambda v, **more: similarity.equal(v, bandwidth=0.7, **more),
        _RNG.integers(4, size=N),
        lambda a, b: 1.0 if a == b else math.exp(-1 / 0.7),
    ),
    "differences": Case(
        lambda v, **more: similarity.differences(v, bandwidth=1.5, **more),
        _booleans(),
        lambda a, b: math.exp(-(a != b).sum() / 1.5),
    ),
    "jaccard of booleans": Case(
        lambda v, **more: similarity.jaccard(v, power=4, **more),
        _booleans(),
        lambda a, b: _by_jaccard(_true(a), _true(b), 4),
    ),
    "jaccard of tags": Case(similarity.jaccard, TAGS, lambda a, b: _by_jaccard(a, b, 1)),
    "jaccard, idf": Case(
        lambda v, **more: similarity.jaccard(v, power=2, idf=True, **more),
        TAGS,
        lambda a, b: _by_jaccard(a, b, 2, lambda tag: math.log(N / COUNTS[tag])),
    ),
    "gaussian": Case(
        lambda v, **more: similarity.gaussian(v, bandwidth=0.8, **more),
        NUMBERS,
        lambda x, y: _gauss(x, y, 0.8 * SPREAD),
    ),
    "gaussian in the own unit": Case(
        lambda v, **more: similarity.gaussian(v, bandwidth=3, unit="value", **more),
        _RNG.integers(1886, 1943, size=N).astype(float),
        lambda x, y: _gauss(x, y, 3),
    ),
    "cyclic": Case(
        lambda v, **more: similarity.cyclic(v, period=24, bandwidth=2, **more),
        _RNG.uniform(-10, 60, size=N),
        lambda x, y: _round_the_clock(x, y, 24, 2),
    ),
    "great circle": Case(
        _places, [_place() for _ in range(N)], lambda a, b: _haversine(a, b, 4000)
    ),
    "common ancestor": Case(
        lambda v, **more: similarity.common_ancestor(v, power=1.5, **more),
        [_path() for _ in range(N)],
        lambda a, b: _kinship(a, b, 1.5),
    ),
    "common ancestor, several paths": Case(
        similarity.common_ancestor,
        [tuple(_path() for _ in range(_RNG.integers(1, 4))) for _ in range(N)],
        lambda a, b: _kinship(a, b, 1),
    ),
    "cosine": Case(
        lambda v, **more: similarity.cosine(v, bandwidth=0.5, **more),
        _RNG.normal(size=(N, 6)),
        lambda a, b: _cosine(a, b, 0.5),
    ),
}  # fmt: skip
