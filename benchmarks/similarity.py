"""Time and memory of `weighted_cl_infonce` for each kernel beside a partition's `cl_infonce`.

    python benchmarks/similarity.py --out benchmarks/results/similarity.csv

One step is value and gradient of float32 embeddings of 128 dimensions, two views of n / 2 images
that are all different, with this package's checks of its input, in CPU seconds of one thread. A
contestant and the partition of the same form take turns within one process; times are medians, and
so is the ratio of times that were taken one after the other, which says most on a busy machine: the
load before each is in the table. Memory is what a step adds to the process's peak, each in a
process of its own (Linux only); n × n weights alone would take 256 MiB at 8,192 embeddings.
"""

import argparse
import csv
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from clinfonce.losses import WEIGHTED_FORMS, cl_infonce, weighted_cl_infonce
from clinfonce.similarity import (
    Similarity,
    combine,
    common_ancestor,
    cosine,
    cyclic,
    differences,
    equal,
    gaussian,
    great_circle,
    jaccard,
)

DIM, TEMPERATURE = 128, 0.1
PARTITION = "partition"


def similarities(n: int) -> dict[str, Callable[[], Similarity]]:
    """Every kernel on n images that all differ in it, where it has so many values."""
    rng = np.random.default_rng(0)
    marks, numbers = rng.random((n, 17)) < 0.3, rng.normal(size=n)
    tags = [tuple(map(str, rng.integers(0, 300, size=6))) for _ in range(n)]
    path = [tuple(str(step) for step in rng.integers(0, 4, size=6)) for _ in range(n)]
    hours, east = rng.random(n) * 24, rng.random(n) * 360 - 180
    north, text = rng.random(n) * 180 - 90, rng.normal(size=(n, 384))
    return {
        "17 booleans, differences": lambda: combine({"x": differences(marks)}),
        "17 booleans, Jaccard^4": lambda: combine({"x": jaccard(marks, power=4)}),
        "300 tags, Jaccard, idf": lambda: combine({"x": jaccard(tags, idf=True)}),
        "number, Gaussian": lambda: combine({"x": gaussian(numbers)}),
        "hour, cyclic": lambda: combine({"x": cyclic(hours, period=24)}),
        "place, great circle": lambda: combine({"x": great_circle(north, east)}),
        "6 levels, common ancestor": lambda: combine({"x": common_ancestor(path)}),
        "384 dimensions, cosine": lambda: combine({"x": cosine(text)}),
        "booleans × number": lambda: combine({"a": differences(marks), "b": gaussian(numbers)}),
        "booleans + number": lambda: combine(
            {"a": differences(marks), "b": gaussian(numbers)}, by="sum"
        ),
    }


Loss = Callable[[Tensor], Tensor]


def contestants(n: int, form: str) -> dict[str, Callable[[], Loss]]:
    """What makes the loss of n embeddings; the partition has about 8 embeddings a cluster."""
    images = torch.arange(n // 2).repeat(2)
    rng = np.random.default_rng(1)
    clusters = torch.from_numpy(rng.integers(0, max(1, n // 8), size=n // 2))[images]
    condition = combine({"x": equal(rng.integers(0, 8, size=n // 2))})
    kernels = similarities(n // 2)

    def partition(conditions: Tensor | None) -> Loss:
        return lambda z: cl_infonce(
            z, clusters, temperature=TEMPERATURE, form=form, conditions=conditions
        )

    def weighted(likeness: Similarity, limits: Similarity | None = None) -> Loss:
        return lambda z: (
            weighted_cl_infonce(
                z, images, likeness, temperature=TEMPERATURE, form=form, condition=limits
            ).loss
        )

    first = next(iter(kernels))
    return {
        PARTITION: lambda: partition(None),
        "partition within 8 groups": lambda: partition(condition.profiles[images]),
        **{name: lambda make=make: weighted(make()) for name, make in kernels.items()},
        f"{first}, within 8 groups": lambda: weighted(kernels[first](), condition),
    }


def draw(n: int) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.nn.functional.normalize(torch.randn(n, DIM, generator=generator), dim=1)


def step(function: Loss, z: Tensor) -> float:
    """CPU seconds of value and gradient."""
    leaf = z.clone().requires_grad_()
    start = time.process_time()
    function(leaf).backward()
    return time.process_time() - start


def race(n: int, form: str, name: str, repetitions: int) -> tuple[float, float]:
    """Median seconds of a step, and its median ratio to the partition's just before it."""
    z, make = draw(n), contestants(n, form)
    pair = make[PARTITION](), make[name]()
    for function in pair:
        step(function, z)
    times = [tuple(step(function, z) for function in pair) for _ in range(repetitions)]
    return (
        statistics.median(own for _, own in times),
        statistics.median(own / base for base, own in times),
    )


def peak_growth(n: int, form: str, name: str) -> float:
    """MiB by which a step raises the peak of a fresh process."""
    command = [sys.executable, __file__, "--measure", form, name, "--sizes", str(n)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def measure(n: int, form: str, name: str) -> None:
    step(contestants(64, form)[name](), draw(64))  # libraries allocate their own buffers once
    function, z = contestants(n, form)[name](), draw(n)
    # ru_maxrss would begin with the peak of the process that started this one; so Linux only.
    Path("/proc/self/clear_refs").write_text("5")
    before = peak()
    step(function, z)
    print((peak() - before) / 1024)


def peak() -> int:
    """Most resident memory so far, KiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("VmHWM")))


def machine() -> dict[str, object]:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    model = next((x.split(":")[1].strip() for x in lines if x.startswith("model name")), "?")
    return {
        "cpu": f"{model}, {os.cpu_count()} cores",
        "python": platform.python_version(),
        "torch": version("torch"),
    }


def rows(n: int, form: str, names: list[str], repetitions: int):
    for name in names:
        load = os.getloadavg()[0]
        seconds, ratio = race(n, form, name, repetitions)
        row = {
            "form": form,
            "embeddings": n,
            "weights": name,
            "milliseconds": round(1000 * seconds, 1),
            "times_partition": round(ratio, 2),
            "extra_mib": round(peak_growth(n, form, name)),
            "repetitions": repetitions,
            "load_before": round(load, 2),
        }
        print(row, flush=True)
        yield {**row, **machine()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    names = list(contestants(64, "out"))
    parser.add_argument("--sizes", type=int, nargs="+", default=[512, 8192])
    parser.add_argument("--weights", nargs="+", default=names, choices=names)
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/similarity.csv"))
    parser.add_argument("--measure", nargs=2, metavar=("FORM", "WEIGHTS"), help="memory only")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.measure:
        measure(options.sizes[0], *options.measure)
        return
    found = [
        row
        for n in options.sizes
        for form in WEIGHTED_FORMS
        for row in rows(n, form, options.weights, options.repetitions)
    ]
    options.out.parent.mkdir(parents=True, exist_ok=True)
    with options.out.open("w", newline="") as file:
        writer = csv.DictWriter(file, found[0])
        writer.writeheader()
        writer.writerows(found)


if __name__ == "__main__":
    main()
