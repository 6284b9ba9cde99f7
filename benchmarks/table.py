"""Write the table of docs/benchmarks.md from benchmarks/results: what was aimed at and reached.

python benchmarks/table.py
"""

import csv
from collections.abc import Callable, Iterator
from pathlib import Path

RESULTS, PAGE = Path("benchmarks/results"), Path("docs/benchmarks.md")
BEGIN, END = "<!-- written by benchmarks/table.py -->", "<!-- end of the table -->"
Row = dict[str, str]


def rows(table: str, /, **wanted: str) -> list[Row]:
    """Rows of a table with the wanted values; none where it was not measured."""
    path = RESULTS / f"{table}.csv"
    found = csv.DictReader(path.read_text().splitlines()) if path.exists() else []
    return [row for row in found if all(row.get(key) == value for key, value in wanted.items())]


def values(table: str, column: str, /, **wanted: str) -> list[float]:
    return [float(row[column]) for row in rows(table, **wanted) if row.get(column)]


def loss_share(column: str, n: str, other: str) -> list[float]:
    """Ours over another's, at a number of embeddings."""
    ours = values("loss", column, task="clusters", embeddings=n, contestant="clinfonce out")
    theirs = values("loss", column, task="clusters", embeddings=n, contestant=other)
    return [a / b for a, b in zip(ours, theirs, strict=False)]


def gpu_rate(name: str, pixels: str) -> list[float]:
    return values("gpu", "images_per_s", name=name, pixels=pixels)


def gpu_memory() -> list[float]:
    return values("gpu", "peak_mib", what="loss", name="clinfonce", embeddings="262144")


def lowest(found: list[float]) -> float:
    return min(found)


PML = "pytorch-metric-learning"
# what, target, which values, which of them counts, whether more is better
Goal = tuple[str, float, Callable[[], list[float]], Callable[[list[float]], float], bool]
GOALS: list[Goal] = [
    ("loss, 8,192 embeddings: memory, share of SupContrast's", 0.1,
     lambda: loss_share("extra_mib", "8192", "supcontrast"), max, False),
    ("the same at 32,768", 0.02,
     lambda: loss_share("extra_mib", "32768", "supcontrast"), max, False),
    ("loss, 8,192 embeddings: time, share of SupContrast's", 0.6,
     lambda: loss_share("milliseconds", "8192", "supcontrast"), max, False),
    ("the same, of pytorch-metric-learning's", 0.7,
     lambda: loss_share("milliseconds", "8192", PML), max, False),
    ("loss, 256 embeddings: time, share of SupContrast's", 1.0,
     lambda: loss_share("milliseconds", "256", "supcontrast"), max, False),
    ("two views at 32 px, times torchvision on PIL, a core", 30,
     lambda: values("augment", "torchvision_ratio", pixels="32"), lowest, True),
    ("the same, times kornia", 6,
     lambda: values("augment", "kornia_ratio", pixels="32"), lowest, True),
    ("whole step over bare forward + backward, CPU seconds", 1.08,
     lambda: values("step", "ratio", what="step"), max, False),
    ("two workers over one, wall time", 1.8,
     lambda: values("step", "ratio", what="workers"), lowest, True),
    ("the same, CPU time a worker", 1.8,
     lambda: values("step", "cpu_ratio", what="workers"), lowest, True),
    ("linear probe over scikit-learn, 50,000 × 512, 100 classes", 10,
     lambda: values("probe", "ratio", images="50000"), lowest, True),
    ("the same, 5,000 × 512, 20 classes", 10,
     lambda: values("probe", "ratio", images="5000"), lowest, True),
    ("GPU: ViT-S/16, 224 px, images/s", 2000, lambda: gpu_rate("vit_s16", "224"), max, True),
    ("GPU: ResNet-18, 32 px, images/s", 17_000, lambda: gpu_rate("resnet18", "32"), max, True),
    ("GPU: loss at 262,144 embeddings, MiB", 2048, gpu_memory, max, False),
]  # fmt: skip


def lines() -> Iterator[str]:
    yield "| what | target | reached | |"
    yield "|---|---|---|---|"
    for what, target, measure, choose, more in GOALS:
        aim = f"{'≥' if more else '≤'} {target:,g}"
        if not (found := measure()):
            yield f"| {what} | {aim} | not measured | |"
            continue
        reached = choose(found)
        met = reached >= target if more else reached <= target
        yield f"| {what} | {aim} | {reached:,.3g} | {'reached' if met else 'missed'} |"


def main() -> None:
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    table = "\n".join([BEGIN, *lines(), END])
    PAGE.write_text(before + table + after, encoding="utf-8")
    print(table)


if __name__ == "__main__":
    main()
