"""A newcomer's walk: from photographs and a spreadsheet's table, in an empty folder, to a report.

    python benchmarks/walk.py --out benchmarks/results/walk.csv
    python benchmarks/walk.py --archive images.tar --index index.csv

The photographs are JPEG files of --pixels with the grain of a sensor, either drawn (a thing of one
of four shapes before a background of one of three colours) or those of an archive, enlarged; the
table is as a German spreadsheet exports it: semicolons, decimal commas, a byte order mark, names in
capitals, error words, notes with line breaks and blank rows. Then the commands of
docs/your-own-data.md run as they stand there, in a home without caches: neither packages nor
pretrained weights are at hand. --archive takes the columns of its --index; one is called label.
"""

import argparse
import csv
import io
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from common import machine, write_rows
from PIL import Image, ImageDraw

CHECKOUT = Path(__file__).resolve().parents[1]
PAGE = CHECKOUT / "docs/your-own-data.md"
STEPS = ("install", "prepare", "sweep", "look")
SHAPES = {"plate": (24, 24), "brick": (30, 14), "post": (8, 34), "coin": (12, 12)}
PLACES = {"meadow": (70, 120, 60), "beach": (200, 180, 130), "night": (30, 30, 60)}
Row = dict[str, Any]


def commands(page: str) -> list[str]:
    """The four commands of the page, as a shell takes them."""
    section = page.split("## In an empty folder")[1]
    block = re.findall(r"^```\n(.*?)^```", section, re.MULTILINE | re.DOTALL)[0]
    found: list[str] = block.splitlines()
    assert len(found) == len(STEPS), found
    return found


def drawn(number: int) -> tuple[Image.Image, Row]:
    """A small picture, and what is known of it."""
    rng = np.random.default_rng(number)
    label = list(SHAPES)[number % len(SHAPES)]
    place = str(rng.choice(list(PLACES)))
    picture = Image.new("RGB", (64, 48), PLACES[place])
    brush = ImageDraw.Draw(picture)
    for _ in range(12):  # what else is in the photograph
        x, y, colour = rng.integers(0, 64), rng.integers(0, 48), rng.integers(0, 200, 3)
        brush.ellipse([x, y, x + 6, y + 4], tuple(map(int, colour)))
    width, height = SHAPES[label]
    x, y = rng.integers(0, 64 - width), rng.integers(0, 48 - height)
    paint = tuple(map(int, rng.integers(90, 256, 3)))
    (brush.ellipse if label in ("plate", "coin") else brush.rectangle)(
        [x, y, x + width, y + height], paint
    )
    wide = "yes" if width > 20 else "no"
    row = {"label": label, "Place": place, "Wide": wide, "Weight": width * height / 8}
    return picture, row | {"Who": f"P{rng.integers(7)}"}


def archived(archive: Path, index: Path, n: int) -> Iterator[tuple[Image.Image, Row]]:
    """Pictures of an archive with what its index says of them, n of them drawn at random."""
    rows = list(csv.DictReader(index.open(encoding="utf-8")))
    chosen = np.random.default_rng(0).permutation(len(rows))[:n]
    with tarfile.open(archive) as members:
        for row in (rows[i] for i in sorted(chosen)):
            file = members.extractfile(row["path"])
            assert file is not None
            known = {key: value for key, value in row.items() if key != "path"}
            yield Image.open(io.BytesIO(file.read())).convert("RGB"), known


def photograph(small: Image.Image, grain: Any, pixels: tuple[int, int], place: Path) -> None:
    """Write a picture as a camera would: large, and with grain."""
    large = np.asarray(small.resize(pixels, Image.Resampling.BICUBIC), dtype=np.int16)
    noisy = np.clip(large + grain, 0, 255).astype(np.uint8)
    Image.fromarray(noisy).save(place, quality=85)


def cell(value: Any, rng: np.random.Generator) -> str:
    """A value as a German spreadsheet writes it."""
    if value == "" or rng.random() < 0.01:
        return "#NV" if rng.random() < 0.5 else ""
    text = str(value)
    return text.replace(".", ",") if re.fullmatch(r"-?\d+\.\d+", text) else text


def write_table(file: Path, rows: list[Row]) -> None:
    """Write the table as a German spreadsheet exports it."""
    rng = np.random.default_rng(1)
    names = [name for name in rows[0] if name not in ("filename", "label")]
    text = io.StringIO()
    writer = csv.writer(text, delimiter=";", lineterminator="\r\n")
    writer.writerow(["filename", "label", *names, "Note"])
    for number, row in enumerate(rows):
        note = 'seen twice;\n"really"' if number % 50 == 0 else ""
        known = [cell(row[name], rng) for name in names]
        writer.writerow([row["filename"], row["label"], *known, note])
    blank = ";" * (len(names) + 2) + "\r\n"
    file.write_bytes((text.getvalue() + 3 * blank).encode("utf-8-sig"))


def make_photos(home: Path, arguments: argparse.Namespace) -> float:
    """Write photos and photos.csv into a folder; how many MB the photographs have."""
    (home / "photos").mkdir()
    width, _, height = arguments.pixels.partition("x")
    pixels = int(width), int(height)
    rng = np.random.default_rng(0)
    grain = rng.normal(0, 6, (pixels[1], pixels[0], 3)).astype(np.int16)
    pictures = (
        archived(arguments.archive, arguments.index, arguments.photos)
        if arguments.archive
        else map(drawn, range(arguments.photos))
    )
    rows = []
    with ThreadPoolExecutor(2) as pool:
        for number, (picture, row) in enumerate(pictures):
            name = f"IMG_{number:04}.JPG"
            pool.submit(photograph, picture, grain, pixels, home / "photos" / name)
            rows.append({"filename": name, **row})
    write_table(home / "photos.csv", rows)
    return sum(file.stat().st_size for file in (home / "photos").iterdir()) / 1e6


def run(command: str, home: Path) -> float:
    """Run a command of the page in the folder; its seconds."""
    print(f"$ {command}", file=sys.stderr, flush=True)
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment = kept | {"HOME": str(home / "home"), "XDG_CACHE_HOME": str(home / "home/cache")}
    start = time.perf_counter()
    subprocess.run(["bash", "-c", command], cwd=home, env=environment, check=True)
    return time.perf_counter() - start


def walk(home: Path, arguments: argparse.Namespace) -> Iterator[Row]:
    """Go the whole way; a row for each command."""
    megabytes = make_photos(home, arguments)
    (home / "home").mkdir()
    made = {
        "photos": arguments.photos, "pixels": arguments.pixels, "megabytes": round(megabytes),
        "of": arguments.archive.parent.name if arguments.archive else "drawn",
        **machine("torch", "ray"),
    }  # fmt: skip
    for step, command in zip(STEPS, commands(PAGE.read_text(encoding="utf-8")), strict=True):
        there = command.replace("<this repository>", str(CHECKOUT))
        yield {"step": step, "seconds": round(run(there, home), 1), **made}
    assert (home / "results/report.html").exists()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=int, default=2000)
    parser.add_argument("--pixels", default="2048x1536")
    parser.add_argument("--archive", type=Path, help="a .tar of images, in place of drawn ones")
    parser.add_argument("--index", type=Path, help="its table, with columns path and label")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/walk.csv"))
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="walk-") as home:
        rows = list(walk(Path(home), arguments))
    total = sum(row["seconds"] for row in rows)
    rows.append({**rows[-1], "step": "all", "seconds": round(total, 1)})
    write_rows(arguments.out, rows)
    print(f"{total:.0f} s in all", file=sys.stderr)


if __name__ == "__main__":
    main()
