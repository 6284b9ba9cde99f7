"""Time and inertia of `clinfonce.clusterings.from_kmeans` beside scikit-learn's KMeans.

    python benchmarks/kmeans.py --out benchmarks/results/kmeans.csv

Both start from k-means++ centres once, take the same number of Lloyd iterations at most, and run in
one process, in turn, on the same number of threads. The points are drawn around as many centres as
are asked for, with spread so that neighbouring clusters overlap. With --threads 1 --clock cpu the
times are of the processor, which a busy machine leaves as they are.
"""

import argparse
import statistics
import time
from pathlib import Path

import numpy as np
import torch
from common import machine, write_rows
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits

from clinfonce.clusterings import from_kmeans

SIZES = [(10_000, 128, 100), (50_000, 128, 1000)]  # points, dimensions, clusters
ITERATIONS = 20
CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}


def points(n, d, k):
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((k, d)).astype(np.float32)
    noise = rng.standard_normal((n, d)).astype(np.float32)
    return centres[rng.integers(0, k, n)] + 1.5 * noise


def inertia(x, ids):
    """Sum of squared distances to the means of the clusters, in float64."""
    total = (x.astype(np.float64) ** 2).sum()
    order = np.argsort(ids, kind="stable")
    _, starts, counts = np.unique(ids[order], return_index=True, return_counts=True)
    sums = np.add.reduceat(x[order].astype(np.float64), starts, axis=0)
    return total - ((sums**2).sum(axis=1) / counts).sum()


def ours(x, k, seed):
    return from_kmeans(x, k, seed=seed, n_init=1, max_iter=ITERATIONS).ids


def theirs(x, k, seed):
    found = KMeans(k, n_init=1, max_iter=ITERATIONS, random_state=seed, algorithm="lloyd")
    return found.fit_predict(x)


def measure(clock, function, *arguments):
    start = clock()
    ids = function(*arguments)
    return clock() - start, ids


def compare(size, repetitions, threads, clock):
    n, d, k = size
    x = points(n, d, k)
    seconds, spread = {"ours": [], "theirs": []}, {"ours": [], "theirs": []}
    for seed in range(repetitions):
        for name, function in (("ours", ours), ("theirs", theirs)):
            taken, ids = measure(CLOCKS[clock], function, x, k, seed)
            seconds[name].append(taken)
            spread[name].append(inertia(x, ids))
    ratios = [b / a for a, b in zip(seconds["ours"], seconds["theirs"], strict=True)]
    levels = [a / b for a, b in zip(spread["ours"], spread["theirs"], strict=True)]
    return {
        "points": n, "dimensions": d, "clusters": k, "threads": threads,
        "repetitions": repetitions, "clock": clock,
        "clinfonce_s": round(statistics.median(seconds["ours"]), 2),
        "scikit_learn_s": round(statistics.median(seconds["theirs"]), 2),
        "median_ratio": round(statistics.median(ratios), 2),
        "inertia_ratio": round(float(statistics.median(levels)), 4),
    }  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--clock", choices=CLOCKS, default="wall")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/kmeans.csv"))
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    rows = []
    with threadpool_limits(options.threads):
        for size in SIZES:
            found = compare(size, options.repetitions, options.threads, options.clock)
            rows.append(found | machine("torch", "scikit-learn"))
            print(rows[-1], flush=True)
    write_rows(options.out, rows)


if __name__ == "__main__":
    main()
