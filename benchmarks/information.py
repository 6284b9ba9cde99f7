"""Time and memory of `clinfonce.information.measure` beside scikit-learn.

    python benchmarks/information.py --out benchmarks/results/information.csv

scikit-learn computes I(Z;T), H(Z) and H(T) only; `measure` adds the chance level and the AMI,
which scikit-learn needs minutes to hours for at these sizes. Both run in one process, in turn, on
one thread; a ratio is the median over the repetitions. With --clock cpu the times are of the
processor, which a busy machine leaves as they are, but for the cache and memory that others use.
"""

import argparse
import statistics
import time
import tracemalloc
from pathlib import Path

import numpy as np
from common import machine, write_rows
from sklearn.metrics import mutual_info_score

from clinfonce.information import measure

PACKAGES = ("numpy", "scipy", "scikit-learn")
SIZES = [  # images, clusters, labels
    (10**6, 10**4, 1000),
    (10**7, 10**4, 10),
    (10**7, 10**4, 1000),
    (10**7, 10**4, 10**4),
    (10**7, 10**6, 1000),
]
LARGE = (10**8, 10**4, 1000)
CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}


def draw(n, n_clusters, n_labels):
    rng = np.random.default_rng(0)
    return rng.integers(0, n_clusters, n), rng.integers(0, n_labels, n)


def seconds(clock, function, z, t):
    start = clock()
    function(z, t)
    return clock() - start


def compare(size, repetitions, clock):
    z, t = draw(*size)
    ours, theirs = [], []
    for _ in range(repetitions):
        ours.append(seconds(clock, measure, z, t))
        theirs.append(seconds(clock, by_scikit_learn, z, t))
    ratio = statistics.median(b / a for a, b in zip(ours, theirs, strict=True))
    return statistics.median(ours), statistics.median(theirs), ratio


def by_scikit_learn(z, t):
    """I(Z;T), and the entropies at the least cost there is."""
    information = mutual_info_score(t, z)
    shares = [np.bincount(ids) / len(ids) for ids in (z, t)]
    return information, *(-(p[p > 0] * np.log(p[p > 0])).sum() for p in shares)


def memory(size, clock):
    """MiB that `measure` needs at most beyond its input, and the seconds it takes."""
    z, t = draw(*size)
    tracemalloc.start()  # numpy reports its arrays to it
    measure(z, t)
    peak = tracemalloc.get_traced_memory()[1] / 2**20
    tracemalloc.stop()
    return peak, seconds(clock, measure, z, t)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/information.csv"))
    parser.add_argument("--clock", choices=CLOCKS, default="wall")
    options = parser.parse_args()
    clock = CLOCKS[options.clock]
    rows = []
    for size in SIZES:
        ours, theirs, ratio = compare(size, options.repetitions, clock)
        found = describe(size, ours, memory(size, clock)[0], theirs, ratio)
        rows.append(found | {"clock": options.clock} | machine(*PACKAGES))
        print(rows[-1], flush=True)
    extra, taken = memory(LARGE, clock)
    rows.append(describe(LARGE, taken, extra) | {"clock": options.clock} | machine(*PACKAGES))
    print(rows[-1], flush=True)
    write_rows(options.out, rows)


def describe(size, ours, extra, theirs=None, ratio=None):
    n, n_clusters, n_labels = size
    return {
        "images": n,
        "clusters": n_clusters,
        "labels": n_labels,
        "clinfonce_s": round(ours, 3),
        "scikit_learn_s": None if theirs is None else round(theirs, 3),
        "median_ratio": None if ratio is None else round(ratio, 1),
        "clinfonce_extra_mib": round(extra),
    }


if __name__ == "__main__":
    main()
