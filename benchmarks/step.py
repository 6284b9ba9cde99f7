"""What a training step costs beside its encoder alone, and what a second worker brings.

    python benchmarks/step.py --out benchmarks/results/step.csv

"step" is all that the loop does with a batch of images at 32 px: two views, ResNet-18 and
projection head, Cl-InfoNCE, backward, optimiser. "bare" is the same encoder's forward and backward
on as many ready views. They take turns on one thread; the ratio is of medians of CPU seconds, which
other work on the machine disturbs least. "workers" compares one process on one core with two gloo
processes, one core each, on the same batches. "ratio" is of wall time, which only an idle machine
gives fairly (the load before is in the table); "cpu_ratio" is of CPU seconds a worker, without the
time that it waits for the other. "ceiling" and "cpu_ceiling" are the same of two processes that do
not communicate and train on half of the batch each: what the machine gives two cores at most. These
ratios are medians over rounds in which the three take turns, for the machine changes by minutes.
"""

import argparse
import os
import statistics
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from common import machine, write_rows

from clinfonce.config import TrialSpec
from clinfonce.training.images import ImageSource
from clinfonce.training.inputs import ImageInputs
from clinfonce.training.loop import Pretraining

SIDE, SEED = 32, 0
REPETITIONS = {"large": 5, "small": 2}  # a step with the small stem takes one core 20 seconds
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
    return Pretraining(spec, ImageInputs.of(spec, source), clusters, device=CPU)


def cpu_seconds(work) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def step_beside_bare(batch: int, stem: str, repetitions: int) -> dict[str, object]:
    torch.set_num_threads(1)
    training = pretraining(batch, stem)
    rows = np.arange(batch)
    held = next(training._inputs.stream([rows], training._share, 0))
    views = training._inputs.views(held, batch, training._share, 0)

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
    rank: int, size: int, folder: str, batch: int, stem: str, repetitions: int, alone: bool
) -> None:
    """Time steps of one of several processes, which share each batch or have one each."""
    os.sched_setaffinity(0, {sorted(os.sched_getaffinity(0))[rank]})
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo", init_method=f"file://{folder}/store", rank=rank, world_size=size
    )
    if alone:
        dist.destroy_process_group()
    training = pretraining(batch, stem)
    rows = np.arange(batch)
    training._train_step(rows)
    times, busy = [], []
    for _ in range(repetitions):
        start = time.perf_counter()
        busy.append(cpu_seconds(lambda: training._train_step(rows)))
        times.append(time.perf_counter() - start)
    (Path(folder) / f"answer-{rank}").write_text(
        f"{statistics.median(times)} {statistics.median(busy)}"
    )
    if not alone:
        dist.destroy_process_group()


def seconds_of_a_step(
    size: int, batch: int, stem: str, repetitions: int, *, alone: bool = False
) -> tuple[float, float]:
    """Wall time and CPU time of the slowest process."""
    with tempfile.TemporaryDirectory() as folder:
        mp.spawn(worker, (size, folder, batch, stem, repetitions, alone), nprocs=size)
        answers = [path.read_text().split() for path in Path(folder).glob("answer-*")]
        wall, busy = zip(*answers, strict=True)
        return max(map(float, wall)), max(map(float, busy))


def two_workers_beside_one(
    batch: int, stem: str, repetitions: int, n_rounds: int
) -> dict[str, object]:
    rounds = []
    for _ in range(n_rounds):
        one, one_busy = seconds_of_a_step(1, batch, stem, repetitions)
        two, two_busy = seconds_of_a_step(2, batch, stem, repetitions)
        apart, apart_busy = seconds_of_a_step(2, batch // 2, stem, repetitions, alone=True)
        rounds.append({
            "one_images_per_s": batch / one, "two_images_per_s": batch / two,
            "ratio": one / two, "cpu_ratio": one_busy / two_busy,
            "ceiling": one / apart, "cpu_ceiling": one_busy / apart_busy,
        })  # fmt: skip
    return {
        "what": "workers", "stem": stem, "batch": batch, "rounds": n_rounds,
        **{name: round(statistics.median(r[name] for r in rounds), 3) for name in rounds[0]},
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/step.csv"))
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--stems", nargs="+", default=list(REPETITIONS), choices=REPETITIONS)
    parser.add_argument("--repetitions", type=int, help=f"default: {REPETITIONS}")
    parser.add_argument("--rounds", type=int, default=3, help="of one worker, two, two apart")
    options = parser.parse_args()
    rows = []
    for compare in (step_beside_bare, partial(two_workers_beside_one, n_rounds=options.rounds)):
        for stem in options.stems:
            before = machine("torch")
            row = compare(options.batch, stem, options.repetitions or REPETITIONS[stem])
            rows.append({**row, **before, "seed": SEED})
            print(rows[-1], flush=True)
    write_rows(options.out, rows)


if __name__ == "__main__":
    main()
