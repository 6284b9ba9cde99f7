"""Commands on data before any training: prepare, clusterings, information, advise."""

import argparse
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from clinfonce.cli.common import DEFAULT_RESULTS, add_command, print_rows, say
from clinfonce.errors import InputError


def add_commands(commands: Any) -> None:
    """Add prepare, clusterings, information and advise."""
    prepare = add_command(
        commands, "prepare", _prepare, "make a data set of a folder of images and a table", False
    )
    prepare.add_argument(
        "data", metavar="folder|embeddings|DATASET",
        help="your own images, embeddings in place of them, or a known name",
    )  # fmt: skip
    prepare.add_argument("--out", metavar="DIR", required=True, help="path, s3://… or gs://…")
    prepare.add_argument("--root", metavar="DIR", help="folder or archive (.tar, .zip) of images")
    prepare.add_argument("--table", metavar="FILE", help="one row an image: .csv, .tsv, .parquet")
    prepare.add_argument(
        "--embeddings", metavar="COLUMN|FILE",
        help="list column of a Parquet table, or .npy or .safetensors in the table's order",
    )  # fmt: skip
    prepare.add_argument("--size", type=int, metavar="PX", help="pixels a side")
    prepare.add_argument(
        "--type", action="append", default=[], metavar="COLUMN=KIND",
        help="boolean, categorical, numeric, tags, hierarchy or ignore; may be given again",
    )  # fmt: skip
    prepare.add_argument(
        "--columns", metavar="NEW=OLD,…", default="",
        help="which column is the path, the label or the split: path=file_name,label=y",
    )  # fmt: skip
    prepare.add_argument(
        "--target", action="append", default=[], metavar="NAME[:KIND]",
        help="predict this column too (class, multilabel or number); NAME=A,B of booleans; may be "
        "given again",
    )  # fmt: skip
    prepare.add_argument(
        "--split", action="append", default=[], metavar="WORD=SPLIT",
        help="what a word or fold of the column split means, such as 4=test; may be given again",
    )  # fmt: skip
    prepare.add_argument(
        "--group", metavar="COLUMN", help="keep a patient, a contributor … in one split"
    )
    prepare.add_argument(
        "--background", metavar="COLOUR", default="white",
        help="what transparent images are laid on: white, black, grey or #rrggbb",
    )  # fmt: skip
    prepare.add_argument(
        "--channels", type=int, default=3, metavar="N",
        help="3 (default) makes RGB, 1 grey; any other number takes such files as they are",
    )  # fmt: skip
    prepare.add_argument(
        "--depth", metavar="BITS|LOW:HIGH",
        help="what is white in files of more than 8 bits a sample (found if not given)",
    )  # fmt: skip
    prepare.add_argument(
        "--storage", choices=("auto", "raw", "encoded"), default="auto",
        help="keep pixels, or the image files (auto: pixels up to 128 a side)",
    )  # fmt: skip
    prepare.add_argument("--skip-bad", action="store_true", help="leave out and count bad rows")
    _add_reading(prepare)
    prepare.add_argument(
        "--certainty", type=int, metavar="N",
        help="of cub: attributes less sure are missing (2 guessing, 3 probably, 4 definitely)",
    )  # fmt: skip

    clusterings = add_command(
        commands, "clusterings", _clusterings,
        "what the clusterings of a specification offer, before anything is trained", False,
    )  # fmt: skip
    clusterings.add_argument("spec", metavar="SPEC", help="YAML file of a sweep or a trial")

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
    _add_reading(information)

    advise = add_command(commands, "advise", _advise, "rank clusterings before anything is trained")
    advise.add_argument("data", metavar="DATA", help="data set, or a folder that prepare made")
    advise.add_argument("--root", metavar="DIR", help="folder that holds the data set")
    advise.add_argument(
        "--label-fraction", type=float, metavar="F",
        help="part of the training labels to look at (default 0.1, or all if only some have one)",
    )  # fmt: skip
    advise.add_argument("--top", type=int, default=12, metavar="N", help="show the best N")


def _add_reading(command: argparse.ArgumentParser) -> None:
    """Options of how a table is read."""
    command.add_argument("--encoding", default="utf-8", help="of a CSV (default utf-8)")
    command.add_argument("--delimiter", metavar="C", help="of a CSV: , ; | or tab (default: found)")
    command.add_argument(
        "--missing", action="append", default=[], metavar="WORD",
        help="stands for no value, in place of NA, None, - …; COLUMN=WORD in one column alone; "
        "may be given again",
    )  # fmt: skip


def _prepare(arguments: argparse.Namespace) -> int:
    from clinfonce import data
    from clinfonce.cli.display import PackingDisplay

    with PackingDisplay(sys.stderr) as display:
        made = data.prepare(
            arguments.data,
            arguments.out,
            root=arguments.root,
            table=arguments.table,
            embeddings=arguments.embeddings,
            image_size=arguments.size,
            encoding=arguments.encoding,
            delimiter=arguments.delimiter,
            columns=_pairs(filter(None, arguments.columns.split(",")), "--columns", "NEW=OLD"),
            types=_pairs(arguments.type, "--type", "COLUMN=KIND"),
            missing=arguments.missing,
            targets=arguments.target,
            splits=_pairs(arguments.split, "--split", "WORD=SPLIT"),
            group=arguments.group,
            background=arguments.background,
            depth=arguments.depth,
            channels=arguments.channels,
            storage=arguments.storage,
            skip_bad=arguments.skip_bad,
            certainty=arguments.certainty,
            progress=display.progress,
            announce=None if arguments.json else _print_columns,
            say=None if arguments.json else _print_note,
        )
    if arguments.json:
        print(json.dumps(made.to_json(), indent=1))
        return 0
    for line in made.summary:
        say(line)
    print(f"\nTrain on it, in a specification:  data: {{name: {made.folder}}}")
    is_local = "://" not in made.folder
    if is_local and made.table.labels is not None and made.table.columns:
        table = f"{made.folder}/table.parquet --clusters all --label label"
        print(f"What its columns are worth:       clinfonce information {table}")
    return 0


def _pairs(texts: Iterable[str], option: str, form: str) -> dict[str, str]:
    """Options of the form name=value."""
    pairs = {}
    for text in texts:
        name, separator, value = text.rpartition("=")
        if not separator:
            raise InputError(f"{option} is {text!r}, not {form}")
        pairs[name] = value
    return pairs


def _print_note(note: str) -> None:
    say(f"- {note}")


def _print_columns(columns: Any) -> None:
    if columns:
        print("Types of the columns (change one with --type COLUMN=KIND):", flush=True)
        print_rows(
            ["column", "type", "values", "missing", "for example"],
            [
                [c.name, c.kind, c.n_values, int((~c.present).sum()), c.example]
                for c in columns.values()
            ],
        )


def _clusterings(arguments: argparse.Namespace) -> int:
    from clinfonce.trial.preview import preview

    found = preview(arguments.spec)
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
    )
    if arguments.json:
        print(json.dumps([column.to_json() for column in found], indent=1))
        return 0
    labels = found[0].estimate
    say(
        f"{arguments.label}: H(T) = {labels.information.h_t:.4f} bits, "
        f"{labels.n_labelled} labelled rows. All in bits but AMI; ± is the standard error, and "
        "95 % the interval of the excess."
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

    given = arguments.results != DEFAULT_RESULTS or Path(arguments.results, "store.json").is_file()
    found = advise(
        data.load(arguments.data, arguments.root),
        label_fraction=arguments.label_fraction,
        results=results.open(arguments.results) if given else None,
    )
    if arguments.json:
        print(json.dumps(found.to_json(), indent=1))
        return 0
    say(
        f"{found.data}: {found.n_labelled} labels of {found.n_images} training images looked at; "
        f"relation fitted on {found.fitted_on} clusterings of {', '.join(found.fitted_data)}.\n"
        "Gain is the share of the way from instances (InfoNCE, 0 %) to labels (SupCon, 100 %)."
    )
    shown = found.candidates[: arguments.top]
    print_rows(
        ["", "clustering", "K", "useful bits", "nuisance", "gain", "95 % interval", "accuracy"],
        [_candidate_row(rank, candidate) for rank, candidate in enumerate(shown, 1)],
    )
    print("\nWhy:")
    for rank, candidate in enumerate(shown[:3], 1):
        say(f"{rank}. {candidate.reason}")
    print(f"\nThe first in a specification:  clustering: {json.dumps(shown[0].clustering)}")
    for note in found.notes:
        say(f"- {note}")
    return 0


def _candidate_row(rank: int, found: Any) -> list[Any]:
    return [
        f"{rank}.",
        found.name,
        found.n_clusters,
        f"{found.useful:.2f} ± {found.useful_error:.2f}",
        f"{found.nuisance:.2f}",
        f"{found.gain.mean:.0%}",
        f"{found.gain.low:.0%} to {found.gain.high:.0%}",
        "" if found.accuracy is None else f"{found.accuracy.mean:.1%}",
    ]
