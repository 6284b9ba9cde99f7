"""Commands on data before any training: clusterings, information, advise."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from clinfonce.cli.common import (
    DEFAULT_RESULTS,
    add_command,
    add_reading,
    add_specification,
    print_rows,
    say,
)


def add_commands(commands: Any) -> None:
    """Add clusterings, information and advise."""
    clusterings = add_command(
        commands, "clusterings", _clusterings,
        "what the clusterings of a specification offer", False,
    )  # fmt: skip
    add_specification(clusterings, "YAML file of a sweep or a trial")

    information = add_command(
        commands, "information", _information, "what a table's columns say of its labels", False
    )
    information.add_argument("table", metavar="TABLE", help=".csv, .tsv or .parquet")
    information.add_argument(
        "--clusters", metavar="A,B", required=True, help="columns of cluster ids; all takes every"
    )
    information.add_argument("--label", metavar="L", required=True, help="column of the labels")
    information.add_argument(
        "--fraction", type=float, action="append", default=[], metavar="F",
        help="look at this part of the labels only, such as 0.1; may be given again",
    )  # fmt: skip
    information.add_argument(
        "--bins", type=int, metavar="B",
        help="cut numbers into so many parts, as clustering.bins does (default 2, and whole "
        "numbers of a table that was not prepared are cluster ids)",
    )  # fmt: skip
    add_reading(information)

    advise = add_command(
        commands, "advise", _advise, "rank clusterings by what a few labels say of them"
    )
    advise.add_argument("data", metavar="DATA", help="data set, or a folder that prepare made")
    advise.add_argument("--root", metavar="DIR", help="folder that holds the data set")
    advise.add_argument(
        "--label-fraction", type=float, metavar="F",
        help="part of the training labels to look at (default 0.1, or all if only some have one)",
    )  # fmt: skip
    advise.add_argument("--top", type=int, default=12, metavar="N", help="show the best N")
    advise.add_argument(
        "--regime", metavar="R",
        help="of the training that is planned: adapter, scratch or fine-tuning (default adapter "
        "for embeddings, else scratch)",
    )  # fmt: skip
    advise.add_argument(
        "--probe", action=argparse.BooleanOptionalAction, default=None,
        help="train adapters on features for some seconds, on the most promising, and rank by "
        "validation accuracy (default where features are at hand)",
    )  # fmt: skip
    advise.add_argument(
        "--include", action="append", default=[], metavar="COLUMN",
        help="look at this column although it is no information; may be given again",
    )  # fmt: skip


def _clusterings(arguments: argparse.Namespace) -> int:
    from clinfonce.trial.preview import preview

    found = preview(arguments.spec, arguments.settings)
    if arguments.json:
        print(json.dumps([one.to_json() for one in found], indent=1))
        return 0
    print_rows(
        [
            *("clustering", "K", "images a cluster", "single", "H(Z)", "I(Z;T)", "chance"),
            *("H(Z|T)", "batch", "a group", "positives", "ceiling"),
        ],
        [_clusterings_row(one) for one in found],
    )
    n = found[0].report.n_images
    say(
        f"{n:,} training images. In bits: H, I, chance, and the ceiling, log2 of the other views "
        "in a batch: no batch teaches more. Images a cluster: smallest, quartiles, largest. A "
        "group: images of a cluster that are drawn together. Positives: images of its own cluster "
        "that an image is expected to meet in a batch, besides its own other view."
    )
    return 0


def _clusterings_row(one: Any) -> list[Any]:
    report, bits = one.report, one.report.information
    known = ("", "", "") if bits is None else (bits.i_zt, bits.i_zt_chance, bits.h_z_given_t)
    return [
        one.name,
        report.n_clusters,
        " ".join(f"{size:g}" for size in report.size_quantiles),
        report.n_singletons,
        report.h_z,
        *known,
        one.sampler.batch_size,
        one.sampler.images_per_cluster or "any",
        report.positives,
        report.bits_ceiling,
    ]


def _information(arguments: argparse.Namespace) -> int:
    from clinfonce.information.columns import measure_columns

    found = measure_columns(
        arguments.table,
        arguments.clusters,
        arguments.label,
        fractions=arguments.fraction,
        encoding=arguments.encoding,
        delimiter=arguments.delimiter,
        missing=arguments.missing,
        bins=arguments.bins,
    )
    if arguments.json:
        print(json.dumps([column.to_json() for column in found], indent=1))
        return 0
    labels = found[0].estimate
    say(
        f"{arguments.label}: H(T) = {labels.information.h_t:.4f} bits, "
        f"{labels.n_labelled} labelled rows to train on. All in bits but AMI; ± is the standard "
        "error, and 95 % the interval of the excess."
    )
    print_rows(
        [
            *("clusters", "rows", "K", "single", "H(Z)", "I(Z;T)", "chance", "excess", "95 %"),
            *("H(Z|T)", "AMI"),
        ],
        [_information_row(column) for column in found],
    )
    for note in dict.fromkeys(note for column in found for note in column.notes):
        say(f"- {note}")
    return 0


def _information_row(column: Any) -> list[Any]:
    found, bits = column.estimate, column.estimate.information
    return [
        column.clusters,
        found.n_labelled,
        bits.n_clusters,
        bits.n_singletons,
        f"{bits.h_z:.4f}",
        f"{bits.i_zt:.4f} ± {found.i_zt_error:.4f}",
        f"{bits.i_zt_chance:.4f}",
        f"{bits.i_zt_excess:.4f} ± {found.i_zt_excess_error:.4f}",
        "{:.3f} to {:.3f}".format(*found.i_zt_excess_interval),
        f"{bits.h_z_given_t:.4f}",
        f"{bits.ami:.3f}",
    ]


def _advise(arguments: argparse.Namespace) -> int:
    from clinfonce import data, results
    from clinfonce.advice import advise
    from clinfonce.features import FeatureCache

    given = arguments.results != DEFAULT_RESULTS or Path(arguments.results, "store.json").is_file()
    table = data.load(arguments.data, arguments.root)
    store = results.open(arguments.results) if given else None
    found = advise(
        table,
        features=None
        if store is None
        else FeatureCache(store.store.folder).of_data(table.fingerprint),
        probing=arguments.probe,
        say=lambda text: print(text, file=sys.stderr, flush=True),
        regime=arguments.regime,
        label_fraction=arguments.label_fraction,
        include=arguments.include,
        results=store,
    )
    if arguments.json:
        print(json.dumps(found.to_json(), indent=1))
        return 0
    say(
        f"{found.data}: {found.n_labelled} labels of {found.n_images} training images looked at; "
        f"relation fitted on {found.fitted_on} clusterings of {', '.join(found.fitted_data)}.\n"
        "Gain is the share of the way from instances (InfoNCE, 0 %) to labels (SupCon, 100 %) of a "
        f"training in the regime {found.regime}; helps is the probability that it is above 0."
    )
    if (cost := found.cost) is not None:
        say(
            f"The probe took {cost.seconds:.0f} s: {cost.epochs} epochs of adapters on "
            f"{cost.n_images:,} images. Its points are validation accuracy above instances."
        )
    shown = found.candidates[: arguments.top]
    print_rows(
        [
            "",
            "clustering",
            "K",
            "useful bits",
            "nuisance",
            "gain",
            "helps",
            "",
            "probe",
            "measured",
        ],
        [_candidate_row(rank, candidate) for rank, candidate in enumerate(shown, 1)],
    )
    print("\nWhy:")
    for rank, candidate in enumerate(shown[:3], 1):
        say(f"{rank}. {candidate.reason}")
    print(f"\nThe first in a specification:  clustering: {json.dumps(shown[0].clustering)}")
    if found.weights:
        _say_weights(found)
    for note in found.notes:
        say(f"- {note}")
    return 0


def _say_weights(found: Any) -> None:
    """Weights in place of clusters, and how the best of both compare."""
    print("\nWeights in place of clusters, probed likewise (docs/similarity.md):")
    shown = found.weights[:5]
    rows = [[f"{i}.", each.name, _probed(each.probed)] for i, each in enumerate(shown, 1)]
    print_rows(["", "what attracts", "probe"], rows)
    best, rival = shown[0], found.candidates[0]
    print(f"\nThe first in a specification:  similarity: {json.dumps(best.similarity)}")
    if rival.probed is not None and rival.probed.epochs == best.probed.epochs:
        say(
            f"After {best.probed.epochs} epochs: {100 * best.probed.accuracy:.1f} % by these "
            f"weights, {100 * rival.probed.accuracy:.1f} % by the clustering {rival.name}."
        )


def _candidate_row(rank: int, found: Any) -> list[Any]:
    return [
        f"{rank}.",
        found.name,
        found.n_clusters,
        f"{found.useful:.2f} ± {found.useful_error:.2f}",
        f"{found.nuisance:.2f}",
        f"{found.gain.mean:.0%}"
        + ("" if found.accuracy is None else f" ({found.accuracy.mean:.1%})"),
        f"{found.helps:.2f}",
        found.verdict,
        "" if found.probed is None else _probed(found.probed),
        "" if found.measured is None else _measured(found.measured),
    ]


def _probed(found: Any) -> str:
    return f"{100 * found.above_instances:+.1f} points ({found.epochs} epochs)"


def _measured(found: Any) -> str:
    gain = "" if found.gain is None else f", gain {found.gain:.0%}"
    return f"{found.accuracy:.1%}{gain} ({found.trials} trials)"
