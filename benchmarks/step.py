"""What a training step costs beside its encoder alone, and what a second worker brings.

    python benchmarks/step.py --out benchmarks/results/step.csv

"step" is all that the loop does with a batch of images at 32 px: two views, ResNet-18 and
projection head, Cl-InfoNCE, backward, optimiser. "bare" is the same encoder's forward and backward
on as many ready views. They take turns on one thread; the ratio is of medians of CPU seconds, which
other work on the machine disturbs least. "workers" compares one process on one core with two gloo
processes, one core each, on the same batches. "ratio" is of wall time, which only an idle machine
gives fairly (the load before is in the table); "cpu_ratio" is of CPU seconds a worker, without the
time that it waits for the other, and so what an idle machine could give at most.
"""

import argparse
import csv
import os
import platform
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from clinfonce.config import TrialSpec
from clinfonce.training.images import ImageSource
from clinfonce.training.loop import Pretraining

SIDE, SEED = 32, 0
CPU = torch.device("cpu")


def pretraining(batch: int, stem: str) -> Pretraining:
    spec = TrialSpec.model_validate(
        {
            "clustering": {"source": "labels"},
            "encoder": {"name": "resnet18", "stem": stem},
            "head": {"hidden_dim": 512, "out_dim": 128},
            "optimizer": {"name": "sgd", "learning_rate": 0.01},
            "sampler": {"batch_size": batch},
            "seed": SEED,
        }
    )
    rng = np.random.default_rng(SEED)
    images = rng.integers(0, 256, (batch, 3, SIDE, SIDE), dtype=np.uint8)
    source = ImageSource(images, np.arange(batch), CPU)
    clusters = np.arange(batch) % 10
    return Pretraining(spec, source, clusters, image_shape=(3, SIDE, SIDE), device=CPU)


def cpu_seconds(work) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def step_beside_bare(batch: int, stem: str, repetitions: int) -> dict[str, object]:
    torch.set_num_threads(1)
    training = pretraining(batch, stem)
    rows = np.arange(batch)
    views = training._views(batch, training._source.take(rows))

    def bare() -> None:
        training._optimizer.zero_grad(set_to_none=True)
        training.encoder(views).sum().backward()

    def step() -> None:
        training._train_step(rows)

    contestants = {"bare": bare, "step": step}
    taken: dict[str, list[float]] = {name: [] for name in contestants}
    for number in range(repetitions + 1):
        for name, work in contestants.items():
            seconds = cpu_seconds(work)
            if number > 0:  # buffers are allocated once
                taken[name].append(seconds)
    bare_s, step_s = (statistics.median(taken[name]) for name in ("bare", "step"))
    return {
        "what": "step",
        "stem": stem,
        "batch": batch,
        "bare_s": round(bare_s, 3),
        "step_s": round(step_s, 3),
        "ratio": round(step_s / bare_s, 3),
    }


def worker(
    rank: int, size: int, store: str, batch: int, stem: str, repetitions: int, answer: str
) -> None:
    os.sched_setaffinity(0, {sorted(os.sched_getaffinity(0))[rank]})
    torch.set_num_threads(1)
    if size > 1:
        dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=size)
    training = pretraining(batch, stem)
    rows = np.arange(batch)
    training._train_step(rows)
    times, busy = [], []
    for _ in range(repetitions):
        start = time.perf_counter()
        busy.append(cpu_seconds(lambda: training._train_step(rows)))
        times.append(time.perf_counter() - start)
    if rank == 0:
        Path(answer).write_text(f"{statistics.median(times)} {statistics.median(busy)}")
    if size > 1:
        dist.destroy_process_group()


def seconds_of_a_step(size: int, batch: int, stem: str, repetitions: int) -> tuple[float, float]:
    """Wall time and CPU time of the first worker."""
    with tempfile.TemporaryDirectory() as folder:
        answer = str(Path(folder) / "answer")
        arguments = (size, str(Path(folder) / "store"), batch, stem, repetitions, answer)
        mp.spawn(worker, arguments, nprocs=size)
        wall, busy = Path(answer).read_text().split()
        return float(wall), float(busy)


def two_workers_beside_one(batch: int, stem: str, repetitions: int) -> dict[str, object]:
    (one, one_busy), (two, two_busy) = (
        seconds_of_a_step(size, batch, stem, repetitions) for size in (1, 2)
    )
    return {
        "what": "workers",
        "stem": stem,
        "batch": batch,
        "one_images_per_s": round(batch / one, 1),
        "two_images_per_s": round(batch / two, 1),
        "ratio": round(one / two, 3),
        "cpu_ratio": round(one_busy / two_busy, 3),
    }


def machine() -> dict[str, object]:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    model = next((x.split(":")[1].strip() for x in lines if x.startswith("model name")), "?")
    return {
        "cpu": f"{model}, {os.cpu_count()} cores",
        "python": platform.python_version(),
        "torch": torch.__version__,
        "seed": SEED,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/step.csv"))
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--stems", nargs="+", default=["large"], choices=["large", "small"])
    parser.add_argument("--repetitions", type=int, default=3)
    options = parser.parse_args()
    rows = []
    for stem in options.stems:
        load = round(os.getloadavg()[0], 2)
        row = step_beside_bare(options.batch, stem, options.repetitions)
        rows.append({**row, "load_before": load})
        print(rows[-1], flush=True)
    for stem in options.stems:
        load = round(os.getloadavg()[0], 2)
        row = two_workers_beside_one(options.batch, stem, options.repetitions)
        rows.append({**row, "load_before": load})
        print(rows[-1], flush=True)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    columns = list(dict.fromkeys(key for row in rows for key in row))
    with options.out.open("w", newline="") as file:
        writer = csv.DictWriter(file, [*columns, *machine()])
        writer.writeheader()
        writer.writerows({**row, **machine()} for row in rows)


if __name__ == "__main__":
    main()
