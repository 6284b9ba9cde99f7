"""The tables and plots of docs/claims.md: what the paper claims, on real images.

    python benchmarks/claims.py                  # of the rows in benchmarks/results/claims
    python benchmarks/claims.py --results DIR    # take the rows out of a result store first

Seeds are replicates: ± is the half of a 95 % t interval over them, of a mean or of a difference
that is paired by seed. A share of a gap is a ratio, whose interval spans the middle 95 % of all
resamples of the seeds; correlations resample clusterings.
"""

import argparse
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import claims_photographs
import claims_steps
import numpy as np
from claims_numbers import numbers
from claims_rows import (
    DATA,
    FROZEN,
    INFORMATION,
    METRICS,
    REGIMES,
    Methods,
    Trials,
    marked,
    read_methods,
    regime_of,
    seeds_of,
    take_rows,
)
from claims_statistics import (
    CLASSIFIED,
    INFONCE,
    KMEANS,
    PCL,
    PCL_AVERAGED,
    PREDICTED,
    SUPCON,
    auxiliary,
    chosen,
    closed,
    difference,
    holm,
    line,
    p_value,
    pcl,
    say,
    say_p,
    say_share,
    t_interval,
    values,
)
from claims_summary import forest, summary, verdicts

from clinfonce import plot
from clinfonce.results.analysis import statistics as _statistics
from clinfonce.results.analysis.averages import ClusteringRow
from clinfonce.results.analysis.statistics import Interval
from clinfonce.results.plot.canvas import picture

PAGE, README, IMAGES = Path("docs/claims.md"), Path("README.md"), Path("docs/images")
FEWEST = 6  # clusterings that a correlation is asked of
QUANTITIES = {
    "i_zt": "I(Z;T)", "i_zt_excess": "I(Z;T) above chance", "h_z_given_t": "H(Z\\|T)",
    "log2_k": "log₂ K",
}  # fmt: skip


# The four tables.


def claim_1(all_methods: dict[str, Methods]) -> Iterator[str]:
    yield (
        "| data | clusters | K | I(Z;T) | H(Z\\|T) | "
        + " | ".join(f"{words} | closed" for words in METRICS.values())
        + " |"
    )
    yield "|---|---|---:|---:|---:|" + "---:|---:|" * len(METRICS)
    for data, methods in all_methods.items():
        best = chosen(methods)
        for name in (INFONCE, *auxiliary(methods), SUPCON):
            trials = methods[name]
            bits = [f"{trials[0][key]:.2f}" for key in ("i_zt", "h_z_given_t")]
            cells = [DATA[data], f"**{name}**" if name == best else name]
            cells += [f"{trials[0]['n_clusters']:,.0f}", *bits]
            for metric in METRICS:
                share = closed(methods, name, metric) if name not in (INFONCE, SUPCON) else "–"
                cells += [say(t_interval(values(trials, f"test_{metric}"))), say_share(share)]
            yield line(cells)


def claim_2(all_methods: dict[str, Methods]) -> Iterator[str]:
    yield "| data | labels | InfoNCE | k-means Cl-InfoNCE (K) | rival | (K) | k-means − rival |"
    yield "|---|---|---:|---:|---|---:|---:|"
    for (data, methods), metric in itertools.product(all_methods.items(), METRICS):
        for rival in sorted({PCL, PCL_AVERAGED} & set(methods)):
            cells = [DATA[data], METRICS[metric]]
            for name in (INFONCE, KMEANS, rival):
                k = "" if name == INFONCE else f" ({methods[name][0]['k']:.0f})"
                cells.append(say(t_interval(values(methods[name], f"test_{metric}"))) + k)
            apart = say(difference(methods[KMEANS], methods[rival], metric), signed=True)
            yield line([*cells[:-1], rival, cells[-1], apart])


def claim_3(all_methods: dict[str, Methods]) -> Iterator[str]:
    yield (
        "| data | clusters | rival | labels | Cl-InfoNCE | rival's | Cl-InfoNCE − rival |\n"
        "|---|---|---|---|---:|---:|---:|"
    )
    for data, methods in all_methods.items():
        for (name, words, rival), metric in itertools.product(rivals(methods), METRICS):
            both = methods[name], methods[rival]
            cells = [say(t_interval(values(trials, f"test_{metric}"))) for trials in both]
            apart = say(difference(*both, metric), signed=True)
            yield line([DATA[data], clusters_of(name), words, METRICS[metric], *cells, apart])


def clusters_of(name: str) -> str:
    return "labels" if name == SUPCON else name


def rivals(methods: Methods) -> list[tuple[str, str, str]]:
    """Cl-InfoNCE trials beside which the same clusters were classified or their columns predicted.

    With a word for the rival, and its name.
    """
    prefixes = {CLASSIFIED: "cross-entropy", PREDICTED: "prediction of the columns"}
    return [
        (name, words, prefix + name)
        for prefix, words in prefixes.items()
        for name in methods
        if prefix + name in methods
    ]


def claim_4(all_methods: dict[str, Methods]) -> Iterator[str]:
    yield (
        "| data | labels | clusterings | "
        + " | ".join(f"ρ with {words}" for words in QUANTITIES.values())
        + " | points for 1 σ of I(Z;T) | for 1 σ of H(Z\\|T) |"
    )
    yield "|---|---|---:|" + "---:|" * (len(QUANTITIES) + 2)
    for (data, methods), metric in itertools.product(all_methods.items(), METRICS):
        points = clusterings(methods, metric)
        if len(points) < FEWEST:
            continue
        accuracy = np.array([point.accuracy for point in points], dtype=float)
        cells = [DATA[data], METRICS[metric], str(len(points))]
        for quantity in QUANTITIES:
            rho = _statistics.bootstrap(_statistics.spearman, of(points, quantity), accuracy)[0]
            cells.append(say(rho, unit=1, edges=True))
        both = np.column_stack([of(points, "i_zt"), of(points, "h_z_given_t")])
        effects = _statistics.bootstrap(_statistics.standardised_coefficients, both, accuracy)
        yield line([*cells, *(say(effect, signed=True, edges=True) for effect in effects)])


def claim_5(all_methods: dict[str, Methods]) -> Iterator[str]:
    yield (
        "| data | trained on | objective | "
        + " | ".join(f"{words} | − frozen | p" for words in METRICS.values())
        + " |"
    )
    yield "|---|---|---|" + "---:|---:|---:|" * len(METRICS)
    compared = [
        (data, name)
        for data, methods in all_methods.items()
        if FROZEN in methods
        for name in methods
        if name != FROZEN
    ]
    apart = {
        (data, name, metric): values(all_methods[data][name], f"test_{metric}")
        - values(all_methods[data][FROZEN], f"test_{metric}")
        for data, name in compared
        for metric in METRICS
    }
    p = dict(zip(apart, holm([p_value(sample) for sample in apart.values()]), strict=True))
    for data, name in compared:
        trials = all_methods[data][name]
        shown = name.removeprefix(CLASSIFIED).removeprefix(PREDICTED)
        cells = [DATA[data], shown, trials[0]["objective"]]
        for metric in METRICS:
            key = data, name, metric
            cells.append(say(t_interval(values(trials, f"test_{metric}"))))
            cells += [say(t_interval(apart[key]), signed=True), say_p(p[key])]
        yield line(cells)


def clusterings(methods: Methods, metric: str) -> list[ClusteringRow]:
    """A point a clustering under Cl-InfoNCE; what seeds made different is averaged."""
    return [
        point(name, trials, metric)
        for name, trials in methods.items()
        if trials[0]["objective"] == "cl_infonce"
    ]


def point(name: str, trials: Trials, metric: str) -> ClusteringRow:
    accuracy = values(trials, f"test_{metric}")
    bits = {key: float(values(trials, key).mean()) for key in INFORMATION}
    empty = dict.fromkeys(field for field in ClusteringRow.__dataclass_fields__)
    return ClusteringRow(
        **empty | bits | {"name": name, "clustering_id": name, "source": trials[0]["source"]}
        | {"n_clusters": round(bits["n_clusters"]), "accuracy": float(accuracy.mean())}
        | {"spread": float(accuracy.std(ddof=1)), "n_trials": len(trials), "n_seeds": len(trials)}
        | {"validation": float(values(trials, f"val_{metric}").mean())}
    )  # fmt: skip


def of(points: list[ClusteringRow], quantity: str) -> Any:
    return np.array([getattr(point, quantity) for point in points], dtype=float)


# Plots and page.


def plots(all_methods: dict[str, Methods]) -> Iterator[tuple[str, Any]]:
    metric, few = "linear_top1_5", "with 5 labels a class"
    shares, apart_2, apart_3, apart_5 = [], [], [], []
    for data, methods in all_methods.items():
        for name in auxiliary(methods):
            found = closed(methods, name, metric) or Interval(None, None, None)
            shares.append((f"{marked(data)}: {name}", found))
        if {KMEANS, pcl(methods)} <= set(methods):
            for other, words in METRICS.items():
                apart = difference(methods[KMEANS], methods[pcl(methods)], other)
                apart_2.append((f"{marked(data)}, {words}", apart))
        for name, _, rival in rivals(methods):
            apart = difference(methods[name], methods[rival], metric)
            clusters = "columns predicted" if rival.startswith(PREDICTED) else clusters_of(name)
            apart_3.append((f"{marked(data)}: {clusters}", apart))
        if regime_of(data) == REGIMES[""]:
            yield f"claims-4-{data}", plot.information_plane(clusterings(methods, metric))
        if FROZEN in methods:
            for name in methods.keys() - {FROZEN}:
                apart_5.append(
                    (f"{marked(data)}: {name}", difference(methods[name], methods[FROZEN], metric))
                )
    yield "photographs", claims_photographs.figure(all_methods)
    yield "claims-steps", claims_steps.figure()
    words = f"points of accuracy {few}"
    yield "claims-all", plot.estimates(forest(all_methods), words)
    words = "% of the way from InfoNCE to SupCon"
    yield "claims-1", plot.estimates(shares, words)
    words = "points, k-means Cl-InfoNCE less PCL"
    yield "claims-2", plot.estimates(apart_2, words)
    words = "points, Cl-InfoNCE less the rival"
    yield "claims-3", plot.estimates(apart_3, words)
    if apart_5:
        words = "points above the frozen encoder"
        apart_5.sort(key=lambda each: each[1].estimate)
        yield "claims-5", plot.estimates(apart_5, words)


def setting(all_methods: dict[str, Methods]) -> Iterator[str]:
    yield "| data | methods | seeds | clinfonce | PyTorch |"
    yield "|---|---:|---:|---|---|"
    for data, methods in all_methods.items():
        trials = list(itertools.chain(*methods.values()))
        versions = [", ".join(sorted({t[key] for t in trials})) for key in
                    ("clinfonce_version", "torch_version")]  # fmt: skip
        yield line([DATA[data], str(len(methods)), str(seeds_of(methods)), *versions])


# The tables of each page, by name.
BLOCKS = {
    PAGE: {"setting": setting, "verdicts": verdicts, "summary": summary, "claim 1": claim_1,
           "claim 2": claim_2, "claim 3": claim_3, "claim 4": claim_4, "claim 5": claim_5,
           "steps": claims_steps.table, "numbers": numbers},
    README: {"photographs": claims_photographs.table},
}  # fmt: skip


def filled(page: str, path: Path, all_methods: dict[str, Methods]) -> str:
    """A page with its tables made anew."""
    for name, table in BLOCKS[path].items():
        begin, end = f"<!-- {name}, by benchmarks/claims.py -->", f"<!-- end of {name} -->"
        before, found, rest = page.partition(begin)
        _, closing, after = rest.partition(end)
        if not (found and closing):
            raise SystemExit(f"{path} lacks the place of {name}")
        page = "\n".join([before + begin, *table(all_methods), end + after])
    return page


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, help="result store to take the rows out of first")
    arguments = parser.parse_args()
    if arguments.results:
        take_rows(arguments.results)
    all_methods = {data: found for data in DATA if (found := read_methods(data))}
    for path in BLOCKS:
        text = filled(path.read_text(encoding="utf-8"), path, all_methods)
        path.write_text(text, encoding="utf-8")
    for name, ax in plots(all_methods):
        (IMAGES / f"{name}.svg").write_bytes(picture(ax, "svg"))
        print(IMAGES / f"{name}.svg")


if __name__ == "__main__":
    main()
