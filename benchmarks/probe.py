"""Time of the linear probe and of the whole protocol beside scikit-learn.

    python benchmarks/probe.py --out benchmarks/results/probe.csv

Both fit all strengths on the same standardised float32 features, on the same number of threads, and
keep the one of best validation accuracy; ours leaves out those after the peak. Times are CPU
seconds. scikit-learn's LogisticRegression runs with its own
defaults (L-BFGS, tolerance 1e-4) but up to 1,000 iterations, one strength after the other.
"""

import argparse
import os
import platform
import time
import warnings
from pathlib import Path

import sklearn
import torch
from common import write_rows
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from clinfonce.evaluation import evaluate, few_label_draws, linear_probe
from clinfonce.evaluation.linear import STRENGTHS

# training images, dimensions, classes; as many validation and test images as a fifth
SIZES = {"small": (900, 128, 10), "medium": (5000, 512, 20), "large": (50_000, 512, 100)}


def draw(n, d, classes):
    """Standardised features whose classes overlap, in directions of very different variance."""
    generator = torch.Generator().manual_seed(0)
    total = n + 2 * (n // 5)
    y = torch.arange(total) % classes
    centres = torch.randn(classes, d, generator=generator) * 2 / d**0.5
    mixing = torch.randn(d, d, generator=generator) * torch.logspace(0, -2, d)
    x = (torch.randn(total, d, generator=generator) * 0.7 + centres[y]) @ mixing
    x = ((x - x[:n].mean(0)) / x[:n].std(0)).relu()  # as after a network's last layer
    return list(zip(x.split((n, n // 5, n // 5)), y.split((n, n // 5, n // 5)), strict=True))


def by_scikit_learn(parts):
    (train_x, train_y), (val_x, val_y), (test_x, test_y) = parts
    mean, deviation = train_x.mean(0), train_x.std(0, correction=0)
    train_x, val_x, test_x = (((x - mean) / deviation).numpy() for x in (train_x, val_x, test_x))
    best, reached = None, -1.0
    for strength in sorted(STRENGTHS, reverse=True):
        model = LogisticRegression(C=1 / (len(train_x) * strength), max_iter=1000)
        model.fit(train_x, train_y.numpy())
        if (accuracy := model.score(val_x, val_y.numpy())) > reached:
            best, reached = model, accuracy
    return reached, best.score(test_x, test_y.numpy())


def by_clinfonce(parts):
    (train_x, train_y), val, test = parts
    probe = linear_probe(train_x, train_y, *val, *test, n_classes=int(train_y.max()) + 1)
    return float(probe.val[1]), float(probe.test[1])


def few_labels_by_scikit_learn(parts):
    """The linear part of the protocol with 1, 5 and 10 labels a class, 20 draws each."""
    (train_x, train_y), val, test = parts
    for number in (1, 5, 10):
        for rows in few_label_draws(train_y, number, 20, 0):
            by_scikit_learn([(train_x[rows], train_y[rows]), val, test])


def few_labels_by_clinfonce(parts):
    (train_x, train_y), val, test = parts
    classes = int(train_y.max()) + 1
    for number in (1, 5, 10):
        draws = few_label_draws(train_y, number, 20, 0)
        linear_probe(train_x, train_y, *val, *test, n_classes=classes, draws=draws)


def whole_protocol(parts):
    return evaluate(*parts[0], *parts[1], *parts[2])


def cpu():
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    model = next((x.split(":")[1].strip() for x in lines if x.startswith("model name")), "?")
    return f"{model}, {os.cpu_count()} cores"


def timed(function, parts):
    start, cpu = time.perf_counter(), time.process_time()
    result = function(parts)
    return result, time.perf_counter() - start, time.process_time() - cpu


def compare(name, threads):
    n, d, classes = SIZES[name]
    parts = draw(n, d, classes)
    by_clinfonce(draw(*SIZES["small"]))  # libraries start up
    (val, test), _, ours = timed(by_clinfonce, parts)
    (their_val, their_test), _, theirs = timed(by_scikit_learn, parts)
    _, _, few = timed(few_labels_by_clinfonce, parts) if n < 10_000 else (0, 0, None)
    _, _, protocol = timed(whole_protocol, parts) if n < 10_000 else (0, 0, None)
    _, _, their_few = timed(few_labels_by_scikit_learn, parts) if n < 1000 else (0, 0, None)
    return {
        "images": n,
        "dimensions": d,
        "classes": classes,
        "strengths": len(STRENGTHS),
        "clinfonce_s": round(ours, 3),
        "scikit_learn_s": round(theirs, 3),
        "ratio": round(theirs / ours, 1),
        "clinfonce_val": round(val, 4),
        "scikit_learn_val": round(their_val, 4),
        "clinfonce_test": round(test, 4),
        "scikit_learn_test": round(their_test, 4),
        "few_labels_s": few and round(few, 3),
        "scikit_learn_few_labels_s": their_few and round(their_few, 3),
        "few_labels_ratio": their_few and round(their_few / few, 1),
        "whole_protocol_s": protocol and round(protocol, 3),
        "cpu": cpu(),
        "threads": threads,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "scikit-learn": sklearn.__version__,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/probe.csv"))
    parser.add_argument("--sizes", nargs="*", choices=SIZES, default=list(SIZES))
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    warnings.simplefilter("ignore")  # scikit-learn's of strengths that do not converge
    rows = []
    with threadpool_limits(arguments.threads):  # numpy's own, which else wait for each other
        for name in arguments.sizes:
            rows.append(compare(name, arguments.threads))
            print(rows[-1], flush=True)
    write_rows(arguments.out, rows)


if __name__ == "__main__":
    main()
