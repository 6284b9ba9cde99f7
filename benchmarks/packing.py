"""Packing beside decoding alone, and how fast packed images are read.

    python benchmarks/packing.py --out benchmarks/results/packing.csv

Images are JPEG files of smooth noise. "decode" opens and resizes every file with the same threads
and keeps nothing; "pack" is `clinfonce.data.prepare_folder`. Reading takes random batches of 256,
as pretraining does, of 256 MiB of raw images in the page cache, or of the packed JPEG files. With
--clock cpu the times are of the processor, of all threads together, which a busy machine leaves as
they are.
"""

import argparse
import os
import statistics
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from common import machine, write_rows
from PIL import Image

from clinfonce.data import load, prepare_folder
from clinfonce.data.image_files.decode import decode
from clinfonce.data.storage import shards
from clinfonce.data.storage.images import PackedImages, Shard
from clinfonce.data.storage.places import Place

CASES = [(32, "raw"), (64, "raw"), (224, "encoded")]  # pixels a side, how they are kept
SIDE = 256  # of the files
CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}


def make_files(root, n):
    rng = np.random.default_rng(0)
    root.mkdir()
    lines = ["path,label"]
    for i in range(n):
        small = rng.integers(0, 256, (16, 16, 3), np.uint8)
        picture = Image.fromarray(small).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
        picture.save(root / f"{i}.jpg", quality=90)
        lines.append(f"{i}.jpg,{i % 5}")
    (root.parent / "table.csv").write_text("\n".join(lines))


def decode_seconds(files, size, threads, clock):
    start = clock()
    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(lambda file: decode(str(file), size).shape, files):
            pass
    return clock() - start


def pack_seconds(root, out, size, storage, threads, clock):
    start = clock()
    prepare_folder(
        root, root.parent / "table.csv", out, image_size=size, storage=storage, threads=threads
    )
    return clock() - start


def read_rate(images, clock, seconds=1.0):
    """Images a second in random batches of 256."""
    rng = np.random.default_rng(0)
    images[:256]
    start, n = clock(), 0
    while clock() - start < seconds:
        n += len(images[rng.integers(0, len(images), 256)])
    return n / (clock() - start)


def beyond_the_cache(folder, size):
    """Raw images in four shards of 64 MiB, more than the processor's cache holds."""
    place, made = Place.of(folder), []
    n = shards.SHARD_BYTES // (3 * size * size)
    pixels = np.random.default_rng(0).integers(0, 256, (n, 3, size, size), np.uint8)
    for number in range(4):
        note = shards.Note("", n, [], [], "")
        written = shards.write_shard(place, number, list(pixels), note, "raw")
        made.append(Shard(shards.shard_name(number), n, written, ""))
    return PackedImages(Path(folder), made, (3, size, size), "raw").open()


def measure(case, root, files, threads, repetitions, clock):
    size, storage = case
    decoding, packing, reading = [], [], []
    large = beyond_the_cache(root.parent / f"large-{size}", size) if storage == "raw" else None
    for turn in range(repetitions):
        out = root.parent / f"{size}-{turn}"
        decoding.append(decode_seconds(files, size, threads, CLOCKS[clock]))
        packing.append(pack_seconds(root, out, size, storage, threads, CLOCKS[clock]))
        images = load(out).images if large is None else large
        reading.append(read_rate(images, CLOCKS[clock]))
    n = len(files)
    ratio = statistics.median(d / p for d, p in zip(decoding, packing, strict=True))
    return {
        "pixels": size, "storage": storage, "images": n, "threads": threads,
        "repetitions": repetitions, "clock": clock,
        "decode_images_per_s": round(n / statistics.median(decoding)),
        "pack_images_per_s": round(n / statistics.median(packing)),
        "pack_to_decode_ratio": round(ratio, 3),
        "read_threads": 1 if large is not None else os.cpu_count(),
        "read_images_per_s": round(statistics.median(reading)),
    }  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=4000)
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--clock", choices=CLOCKS, default="wall")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/packing.csv"))
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "images"
        make_files(root, options.images)
        files = sorted(root.iterdir())
        for case in CASES:
            found = measure(case, root, files, options.threads, options.repetitions, options.clock)
            rows.append(found | machine("pillow", "pyarrow"))
            print(rows[-1], flush=True)
    write_rows(options.out, rows)


if __name__ == "__main__":
    main()
