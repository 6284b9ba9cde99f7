"""Where the time of a step at 224 px goes, from packed JPEG files on.

    python benchmarks/phases.py --out benchmarks/results/phases.csv

Photographs (smooth noise, as benchmarks/packing.py makes it) are packed as JPEG files of 256 px and
trained on at 224 px, so a random resized crop is of more pixels than it shows. "read" is opening
and decoding a batch, "views" both crops with colour and blur, each measured alone on the threads
that it has in training; "step" is a whole step of the loop, "waited" that part of it in which the
network waited for images, which threads read two batches ahead. Where reading and making views take
less than the rest, nothing waits: "waited_share" says so. Medians over steps, after the first ones;
on the device that there is.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
import without_duckdb  # noqa: F401
from common import machine, write_rows
from packing import make_files

from clinfonce.config import TrialSpec
from clinfonce.data import load, prepare_folder
from clinfonce.training.images import ImageSource
from clinfonce.training.inputs import ImageInputs
from clinfonce.training.loop import Pretraining

STORED, SEEN = 256, 224
ENCODERS = {
    "resnet18, all": {"name": "resnet18"},
    "vit_s16, all": {"name": "vit_s16"},
    "vit_s16, last 2": {"name": "vit_s16", "train": {"last": 2}},
}
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
FIRST = 2  # steps that are not counted


def specification(encoder, batch, precision):
    return TrialSpec.model_validate({
        "clustering": {"source": "labels"}, "encoder": {**encoder, "image_size": SEEN},
        "sampler": {"batch_size": batch}, "precision": precision,
    })  # fmt: skip


def timed(work):
    """Seconds until the device is through."""
    start = time.perf_counter()
    work()
    if DEVICE.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def measure(name, table, batch, precision):
    rows = np.arange(len(table))
    spec = specification(ENCODERS[name], batch, precision)
    source = ImageSource(table.images, rows, DEVICE)
    inputs = ImageInputs.of(spec, source)
    batches = np.array_split(np.random.default_rng(0).permutation(rows), len(rows) // batch)

    def everything(size):
        return slice(0, size)

    reading = [timed(lambda b=b: source.take(b)) for b in batches]
    held = source.take(batches[0])
    views = [
        timed(lambda s=s: inputs.views(held, batch, everything, s)) for s in range(len(batches))
    ]
    training = Pretraining(spec, inputs, table.labels, device=DEVICE)
    spent, waited, stream = [], [], inputs.stream(batches, everything, 0)
    for each in batches:
        begin = time.perf_counter()
        images = next(stream)
        waited.append(time.perf_counter() - begin)
        spent.append(waited[-1] + timed(lambda b=each, h=images: training._train_step(b, h)))
    step, wait = statistics.median(spent[FIRST:]), statistics.median(waited[FIRST:])
    return {
        "encoder": name, "device": device(), "batch": batch, "stored": STORED, "seen": SEEN,
        "steps": len(batches) - FIRST, "precision": precision,
        "read_ms": round(1000 * statistics.median(reading[FIRST:]), 1),
        "views_ms": round(1000 * statistics.median(views[FIRST:]), 1),
        "step_ms": round(1000 * step, 1), "waited_ms": round(1000 * wait, 2),
        "waited_share": round(wait / step, 4), "images_per_s": round(batch / step, 1),
    }  # fmt: skip


def device():
    return torch.cuda.get_device_name() if DEVICE.type == "cuda" else "cpu"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, default=256 if DEVICE.type == "cuda" else 16)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/phases.csv"))
    options = parser.parse_args()
    precision = "bfloat16" if DEVICE.type == "cuda" else "float32"
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "images"
        make_files(root, options.batch * options.steps)
        prepare_folder(
            root, Path(folder) / "table.csv", Path(folder) / "packed", image_size=STORED,
            storage="encoded",
        )  # fmt: skip
        table = load(Path(folder) / "packed")
        for name in ENCODERS:
            rows.append(measure(name, table, options.batch, precision) | machine("torch", "pillow"))
            print(rows[-1], flush=True)
    write_rows(options.out, rows)


if __name__ == "__main__":
    main()
