"""Time and memory of `clinfonce.losses.cl_infonce` beside the usual dense implementations.

    python benchmarks/loss.py --out benchmarks/results/loss.csv

One step is value and gradient of float32 embeddings of 128 dimensions, with this package's checks
of its input. On one thread times are CPU seconds, which others on the machine hardly disturb; on
more they are wall seconds, and want an idle machine: the load before each size is in the table.
The contestants take turns within one process; times are medians, ratios those of medians.
"supcontrast" is Eq. 2 of Khosla et al. 2020 written densely, the way the authors' code does it;
"lightly" has no clusters and so competes on instances. Memory is what a step adds to the process's
peak, each in a process of its own (Linux only). A dense contestant that would take more than half
of the free memory does not start.
"""

import argparse
import csv
import os
import random
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import torch
from common import machine
from torch import Tensor

from clinfonce.losses import cl_infonce
from clinfonce.torchvision_import import import_torchvision

SIZES = [256, 512, 1024, 2048, 4096, 8192, 16384, 32768]
DIM, TEMPERATURE = 128, 0.1
# Peak of the dense contestants in n×n float32 matrices, with some room to spare.
MATRICES = {"supcontrast": 7, "pytorch-metric-learning": 13, "lightly": 5}


def draw(n: int, task: str) -> tuple[Tensor, Tensor]:
    """Two views of n/2 images; about 8 embeddings a cluster, or those of one image."""
    generator = torch.Generator().manual_seed(0)
    z = torch.nn.functional.normalize(torch.randn(n, DIM, generator=generator), dim=1)
    if task == "instances":
        return z, torch.arange(n // 2).repeat(2)
    return z, torch.randint(0, max(1, n // 8), (n // 2,), generator=generator).repeat(2)


def ours(form: str):
    return lambda z, clusters: cl_infonce(z, clusters, temperature=TEMPERATURE, form=form)


def supcontrast(z: Tensor, clusters: Tensor) -> Tensor:
    n = len(z)
    others = torch.ones(n, n).scatter_(1, torch.arange(n)[:, None], 0)
    positives = torch.eq(clusters[:, None], clusters).float() * others
    s = torch.div(z @ z.T, TEMPERATURE)
    s = s - s.max(dim=1, keepdim=True).values.detach()
    log_probability = s - torch.log((torch.exp(s) * others).sum(1, keepdim=True))
    return -((positives * log_probability).sum(1) / positives.sum(1)).mean()


def by_pytorch_metric_learning():
    from pytorch_metric_learning.losses import SupConLoss

    return SupConLoss(temperature=TEMPERATURE)


def by_lightly():
    import_torchvision()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from lightly.loss import NTXentLoss

    loss = NTXentLoss(temperature=TEMPERATURE)
    return lambda z, _: loss(*z.chunk(2))


CONTESTANTS = {
    "clusters": {
        "clinfonce out": lambda: ours("out"),
        "clinfonce in": lambda: ours("in"),
        "clinfonce sincere": lambda: ours("sincere"),
        "supcontrast": lambda: supcontrast,
        "pytorch-metric-learning": by_pytorch_metric_learning,
    },
    "instances": {"clinfonce out": lambda: ours("out"), "lightly": by_lightly},
}


def step(function, z: Tensor, clusters: Tensor) -> float:
    leaf = z.clone().requires_grad_()
    loss = function(leaf, clusters)
    loss.backward()
    return float(loss.detach())


def fits(name: str, n: int) -> bool:
    lines = Path("/proc/meminfo").read_text().splitlines()
    free = 1024 * int(next(line.split()[1] for line in lines if line.startswith("MemAvailable")))
    return MATRICES.get(name, 0) * 4 * n**2 < free / 2


def race(n: int, task: str, repetitions: int, clock: Callable[[], float]) -> dict[str, float]:
    """Median seconds of a step by contestant."""
    z, clusters = draw(n, task)
    functions = {name: make() for name, make in CONTESTANTS[task].items() if fits(name, n)}
    values = {name: step(function, z, clusters) for name, function in functions.items()}
    same = [v for name, v in values.items() if name not in {"clinfonce in", "clinfonce sincere"}]
    assert max(same) - min(same) < 1e-4 * max(same), values
    seconds: dict[str, list[float]] = {name: [] for name in functions}
    for _ in range(repetitions):
        # In a fixed order each would always find the same one's leftovers in the cache.
        for name in random.sample(sorted(functions), len(functions)):
            start = clock()
            step(functions[name], z, clusters)
            seconds[name].append(clock() - start)
    return {name: statistics.median(each) for name, each in seconds.items()}


def peak_growth(n: int, task: str, name: str) -> float:
    """MiB by which a step raises the peak of a fresh process."""
    command = [sys.executable, __file__, "--measure", task, name, "--sizes", str(n)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def measure(n: int, task: str, name: str) -> None:
    function = CONTESTANTS[task][name]()
    step(function, *draw(64, task))  # libraries allocate their own buffers once
    z, clusters = draw(n, task)
    # ru_maxrss would begin with the peak of the process that started this one; so Linux only.
    Path("/proc/self/clear_refs").write_text("5")
    before = peak()
    step(function, z, clusters)
    print((peak() - before) / 1024)


def peak() -> int:
    """Most resident memory so far, KiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("VmHWM")))


def compare(n: int, task: str, threads: int) -> list[dict[str, object]]:
    about = machine("torch", "pytorch-metric-learning", "lightly")
    repetitions = max(3, min(51, 25_000 // n | 1))
    torch.set_num_threads(threads)
    clock = time.process_time if threads == 1 else time.perf_counter
    seconds = race(n, task, repetitions, clock)
    first = seconds["clinfonce out"]
    rows = []
    for name in CONTESTANTS[task]:
        taken = seconds.get(name)
        row = {
            "task": task,
            "embeddings": n,
            "contestant": name,
            "milliseconds": None if taken is None else round(1000 * taken, 2),
            "times_clinfonce_out": None if taken is None else round(taken / first, 2),
            "extra_mib": None if taken is None else round(peak_growth(n, task, name)),
            "threads": threads,
            "clock": "CPU" if threads == 1 else "wall",
            "repetitions": repetitions,
        }
        print(row if taken is not None else f"{name} would take too much memory at {n}", flush=True)
        rows.append({**row, **about})
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--threads", type=int, nargs="+", default=sorted({1, os.cpu_count()}))
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/loss.csv"))
    parser.add_argument("--append", action="store_true", help="keep the rows that are there")
    parser.add_argument("--measure", nargs=2, metavar=("TASK", "CONTESTANT"), help="memory only")
    options = parser.parse_args()
    if options.measure:
        torch.set_num_threads(1)
        measure(options.sizes[0], *options.measure)
        return
    for threads in options.threads:
        for n in options.sizes:
            for task in CONTESTANTS:
                write(options.out, compare(n, task, threads), append=options.append)
                options.append = True


def write(path: Path, rows: list[dict[str, object]], *, append: bool) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a" if append else "w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        if not append:
            writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
