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
    ours = values("loss", column, task="clusters", embeddings=n, contestant=OURS)
    theirs = values("loss", column, task="clusters", embeddings=n, contestant=other)
    return [a / b for a, b in zip(ours, theirs, strict=False)]


def memory_share(n: int) -> list[float]:
    """Of SupContrast's memory; where its run would not fit, by its n² from the largest that did."""
    ours = values("loss", "extra_mib", task="clusters", embeddings=str(n), contestant=OURS)
    dense = [
        (int(row["embeddings"]), float(row["extra_mib"]))
        for row in rows("loss", task="clusters", contestant="supcontrast")
        if row["extra_mib"] and int(row["embeddings"]) <= n
    ]
    if not ours or not dense:
        return []
    size, theirs = max(dense)
    return [max(ours) / (theirs * (n / size) ** 2)]


def gpu_rate(what: str, compiled: str, name: str) -> list[float]:
    found = {"what": what, "compiled": compiled, "name": name, "batch": "256"}
    return values("gpu", "images_per_s", **found)


def gpu_memory() -> list[float]:
    return values("gpu", "peak_mib", what="loss", name="clinfonce", embeddings="262144")


def linear() -> list[float]:
    """Time of a pass over 10^8 rows beside that over 10^7."""
    sizes = ("100000000", "10000000")
    large, small = (
        values("information", "clinfonce_s", images=n, clusters="10000", labels="1000")
        for n in sizes
    )
    return [a / b for a, b in zip(large, small, strict=False)]


def growth(column: str) -> list[float]:
    """The last tenth of many trials over the second, of which the first starts the processes."""
    found = values("many-trials", column)
    return [found[-1] / found[0]] if found else []


def soak_differences() -> list[float]:
    """How many tables differ after the kills from those of an undisturbed sweep."""
    compared = [row["what"] for row in rows("soak") if " the undisturbed " in row["what"]]
    return [float(sum("DIFFERENT" in what for what in compared))] if compared else []


def lowest(found: list[float]) -> float:
    return min(found)


def questions(state: str, column: str) -> list[float]:
    return values("query", column, what="question", state=state)


def beside_tune() -> list[float]:
    readers = ("ResultGrid", "ExperimentAnalysis")
    return [r for name in readers for r in values("query", "ratio", question=name)]


OURS = "clinfonce out"
PML = "pytorch-metric-learning"
# what, target, which values, which of them counts, whether more is better
Goal = tuple[str, float, Callable[[], list[float]], Callable[[list[float]], float], bool]
GOALS: list[Goal] = [
    ("loss, 8,192 embeddings: memory, share of SupContrast's", 0.1,
     lambda: memory_share(8192), max, False),
    ("the same at 16,384", 0.1, lambda: memory_share(16384), max, False),
    ("the same at 32,768, SupContrast's by its n²", 0.02, lambda: memory_share(32768), max, False),
    ("loss, 8,192 embeddings: time, share of SupContrast's", 0.6,
     lambda: loss_share("milliseconds", "8192", "supcontrast"), max, False),
    ("the same, of pytorch-metric-learning's", 0.7,
     lambda: loss_share("milliseconds", "8192", PML), max, False),
    ("loss, 256 embeddings: time, share of SupContrast's", 1.0,
     lambda: loss_share("milliseconds", "256", "supcontrast"), max, False),
    ("the same, of pytorch-metric-learning's", 1.0,
     lambda: loss_share("milliseconds", "256", PML), max, False),
    ("two views at 32 px, times torchvision on PIL, a core", 30,
     lambda: values("augment", "torchvision_ratio", pixels="32"), lowest, True),
    ("the same, times kornia", 6,
     lambda: values("augment", "kornia_ratio", pixels="32"), lowest, True),
    ("whole step over bare forward + backward, CPU seconds", 1.08,
     lambda: values("step", "ratio", what="step"), max, False),
    ("two workers over one, ResNet-18 with 3 × 3 stem, wall time", 1.8,
     lambda: values("step", "ratio", what="workers", stem="small"), lowest, True),
    ("the same, CPU time a worker", 1.8,
     lambda: values("step", "cpu_ratio", what="workers", stem="small"), lowest, True),
    ("two workers over one, ResNet-18 with 7 × 7 stem, wall time", 1.8,
     lambda: values("step", "ratio", what="workers", stem="large"), lowest, True),
    ("the same, CPU time a worker", 1.8,
     lambda: values("step", "cpu_ratio", what="workers", stem="large"), lowest, True),
    ("linear probe over scikit-learn, 50,000 × 512, 100 classes", 10,
     lambda: values("probe", "ratio", images="50000"), lowest, True),
    ("the same, 5,000 × 512, 20 classes", 10,
     lambda: values("probe", "ratio", images="5000"), lowest, True),
    ("ready questions, 10,000 trials as written, slowest, s", 1.0,
     lambda: questions("written", "median_s"), max, False),
    ("the same, compacted, slowest, CPU seconds", 0.1,
     lambda: questions("compacted", "cpu_s"), max, False),
    ("reading trials, times Ray Tune's ResultGrid and ExperimentAnalysis", 10,
     beside_tune, lowest, True),
    ("information, 10⁷ rows, 10⁴ clusters, times scikit-learn", 20,
     lambda: values("information", "median_ratio", images="10000000", clusters="10000"), lowest,
     True),
    ("the same, time for 10⁸ rows over that for 10⁷", 11, linear, max, False),
    ("k-means, 50,000 × 128, K = 1,000, times scikit-learn", 1,
     lambda: values("kmeans", "median_ratio", points="50000"), lowest, True),
    ("packing, share of the speed of decoding alone", 0.8,
     lambda: values("packing", "pack_to_decode_ratio"), lowest, True),
    ("reading packed images of 32 px, images/s", 50_000,
     lambda: values("packing", "read_images_per_s", pixels="32"), lowest, True),
    ("what a trial costs beside its training: Ray's recipe over ours, one worker", 10,
     lambda: values("trials", "recipe_over_ours", who="clinfonce", workers="1"), lowest, True),
    ("the same, two workers", 10,
     lambda: values("trials", "recipe_over_ours", who="clinfonce", workers="2"), lowest, True),
    ("trials that train one second, two at a time: s a trial", 1,
     lambda: values("trials", "median_s_per_trial", who="clinfonce", workers="1"), max, False),
    ("2,000 trials that do nothing: ms of the last over the first", 1.2,
     lambda: growth("milliseconds_per_trial"), max, False),
    ("the same, memory of all processes", 1.1, lambda: growth("all_processes_mib"), max, False),
    ("50 random kills: tables that differ from an undisturbed sweep's", 0,
     soak_differences, max, False),
    ("GPU: ViT-S/16, 224 px, batch 256, two views, compiled: images/s", 2000,
     lambda: gpu_rate("step", "True", "vit_s16"), lowest, True),
    ("the same, not compiled, in the loop", 2000,
     lambda: gpu_rate("loop", "False", "vit_s16"), lowest, True),
    ("GPU: ResNet-18, 3 × 3 stem, 32 px, batch 256, compiled: images/s", 17_000,
     lambda: gpu_rate("step", "True", "resnet18"), lowest, True),
    ("the same, not compiled, in the loop", 17_000,
     lambda: gpu_rate("loop", "False", "resnet18"), lowest, True),
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
        number = f"{reached:,.0f}" if reached >= 1000 else f"{reached:.3g}"
        yield f"| {what} | {aim} | {number} | {'reached' if met else 'missed'} |"


def main() -> None:
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    table = "\n".join([BEGIN, *lines(), END])
    PAGE.write_text(before + table + after, encoding="utf-8")
    print(table)


if __name__ == "__main__":
    main()
