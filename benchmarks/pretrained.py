"""Pretrained encoders: making cached features, trials on them, and a million of them on disk.

    python benchmarks/pretrained.py --out benchmarks/results/pretrained.csv

"cache" makes the features of images by EfficientNet-Lite0 at 96 px, beside the bare forward pass of
the same batches, turn by turn. "trials" runs a sweep of 36 adapters on 5,000 embeddings of 1,280
dimensions (made up: 20 classes, 12 attributes), starting Ray included. "large" trains an epoch on
10^6 embeddings of 768 in float16 and takes the memory that the process then has beside mapped
files. Times of one thread a worker; --clock cpu counts processor seconds, which a busy machine
leaves as they are.
"""

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from common import machine, write_rows

sys.path.insert(0, str(Path(__file__).parent.parent))

from clinfonce.augment import normalize
from clinfonce.config import AdapterSpec, SweepSpec, TrialSpec
from clinfonce.data import ImageTable
from clinfonce.features import FeatureRecipe, make_part
from clinfonce.models import read_weights
from clinfonce.training.inputs import FeatureInputs
from clinfonce.training.loop import Pretraining

CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}
LITE0 = {"name": "python:tests.models.lite0:build", "channels": 3, "image_size": 96}


def cache(n, repetitions, clock):
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (n, 3, 96, 96), dtype=np.uint8)
    split = np.zeros(n, dtype=np.int8)
    table = ImageTable("made up", images, None, (), split)
    weights = read_weights("random", LITE0)
    network, recipe = weights.build().eval(), FeatureRecipe.of(table, weights)
    ours, bare = [], []
    for _ in range(repetitions):
        start = clock()
        for part in range(recipe.n_parts):
            make_part(recipe, part, table, network, torch.device("cpu"))
        ours.append(clock() - start)
        start = clock()
        with torch.no_grad():
            for first in range(0, n, 64):
                network(normalize(torch.from_numpy(images[first : first + 64])))
        bare.append(clock() - start)
    ratios = [b / o for b, o in zip(bare, ours, strict=True)]
    return {
        "what": "cache", "images": n, "repetitions": repetitions,
        "images_per_s": round(n / statistics.median(ours), 1),
        "of_the_bare_forward_pass": round(statistics.median(ratios), 3),
    }  # fmt: skip


def embeddings(n, d, seed=0):
    """Made-up embeddings with 12 attributes that say something of 20 classes."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 20, n)
    facts = rng.random((20, 12)) < 0.5
    attributes = facts[labels] ^ (rng.random((n, 12)) < 0.1)
    signs = np.concatenate((attributes * 2.0 - 1, np.eye(20)[labels] * 2), 1)
    mixed = signs @ rng.normal(size=(32, d)) + 3 * rng.normal(size=(n, d))
    return mixed.astype(np.float32), labels, attributes


def write_embeddings(folder, n, d):
    import pyarrow as pa
    import pyarrow.parquet as pq

    values, labels, attributes = embeddings(n, d)
    np.save(folder / "embeddings.npy", values)
    columns = {f"a{i}": attributes[:, i] for i in range(12)} | {"label": labels.astype(str)}
    pq.write_table(pa.table(columns), folder / "table.parquet")


def trials(count, n, d):
    """Wall seconds of a sweep of so many adapter trials on embeddings."""
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home)
        write_embeddings(folder, n, d)
        command = [sys.executable, "-m", "clinfonce"]
        prepare = ["prepare", "embeddings", "--table", folder / "table.parquet", "--embeddings",
                   folder / "embeddings.npy", "--out", folder / "prepared"]  # fmt: skip
        subprocess.run([*command, *map(str, prepare)], check=True, capture_output=True)
        sweep = SweepSpec.model_validate({
            "name": "trials", "data": {"name": str(folder / "prepared")},
            "trial": {
                "encoder": {"name": "embeddings"}, "objective": {"temperature": 0.1},
                "optimizer": {"learning_rate": 0.003}, "epochs": 5, "evaluation": {"draws": 5},
            },
            "metric": "val_linear_top1_5", "frozen": False,
            "search": {
                "trials": count, "confirm": 0, "sampler": "random",
                "trial": {"clustering": {"source": "attributes"},
                          "sampler": {"images_per_cluster": 4}},
                "space": {"clustering.attributes": {"subset": "all"}},
            },
        })  # fmt: skip
        (folder / "sweep.yaml").write_text(sweep.model_dump_json(exclude_unset=True))
        run = ["sweep", folder / "sweep.yaml", "--results", folder / "results"]
        start = time.perf_counter()
        subprocess.run([*command, *map(str, run)], check=True, capture_output=True)
        seconds = time.perf_counter() - start
    return {
        "what": "trials", "images": n, "dimensions": d, "trials": count,
        "seconds": round(seconds, 1), "seconds_per_trial": round(seconds / count, 2),
    }  # fmt: skip


def anonymous_kib():
    """Memory of this process that is no part of a mapped file (Linux)."""
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"RssAnon:\s+(\d+)", status)[1])


def large(n, d, steps):
    """Peak memory of a process that trains on features that lie on a disk."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as home:
        path = Path(home) / "features.npy"
        values = np.lib.format.open_memmap(path, "w+", np.float16, (1, n, d))
        for start in range(0, n, 50_000):
            rows = slice(start, start + 50_000)
            values[0, rows] = np.random.default_rng(start).normal(size=values[0, rows].shape)
        values.flush()
        del values
        before = peak = anonymous_kib()
        features = np.load(path, mmap_mode="r")
        spec = TrialSpec.model_validate({"encoder": {"name": "embeddings"}, "epochs": 1})
        device = torch.device("cpu")
        inputs = FeatureInputs(features, np.arange(n), AdapterSpec(), 0, device)
        training = Pretraining(spec, inputs, np.arange(n), device=device)
        batches = training._sampler.batches(0)[:steps]
        stream = inputs.stream(batches, lambda size: slice(0, size), 0)
        start = time.perf_counter()
        for batch, held in zip(batches, stream, strict=True):
            training._train_step(batch, held)
            peak = max(peak, anonymous_kib())
        seconds = time.perf_counter() - start
    return {
        "what": "large", "images": n, "dimensions": d, "file_mib": round(n * d * 2 / 2**20),
        "images_per_s": round(sum(map(len, batches)) / seconds),
        "peak_mib_above_start": round((peak - before) / 1024),
    }  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=("cache", "trials", "large"), action="append")
    parser.add_argument("--images", type=int, default=1024)
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--clock", choices=CLOCKS, default="cpu")
    parser.add_argument("--large", type=int, default=1_000_000)
    parser.add_argument("--trials", type=int, default=36)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/pretrained.csv"))
    options = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    measures = {
        "cache": lambda: cache(options.images, options.repetitions, CLOCKS[options.clock]),
        "trials": lambda: trials(options.trials, 5000, 1280),
        "large": lambda: large(options.large, 768, 200),
    }
    rows = []
    for name in options.only or measures:
        rows.append(measures[name]() | machine("torch"))
        print(rows[-1], flush=True)
    write_rows(options.out, rows)


if __name__ == "__main__":
    main()
