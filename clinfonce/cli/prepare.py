"""The command prepare: a data set of images, or embeddings, and a table."""

import argparse
import json
import sys
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from clinfonce.cli.common import add_command, add_reading, print_rows, say
from clinfonce.errors import InputError


def add_commands(commands: Any) -> None:
    """Add prepare."""
    prepare = add_command(
        commands, "prepare", _prepare, "make a data set of a folder of images and a table", False
    )
    prepare.add_argument(
        "data", metavar="folder|embeddings|DATASET",
        help="your own images, embeddings in place of them, or a known name",
    )  # fmt: skip
    prepare.add_argument("--out", metavar="DIR", required=True, help="path, s3://… or gs://…")
    prepare.add_argument("--root", metavar="DIR", help="folder or archive (.tar, .zip) of images")
    add_preparing(prepare)
    prepare.add_argument(
        "--certainty", type=int, metavar="N",
        help="of cub: attributes less sure are missing (2 guessing, 3 probably, 4 definitely)",
    )  # fmt: skip


def add_preparing(command: argparse.ArgumentParser) -> None:
    """Options of how a data set is made."""
    command.add_argument("--table", metavar="FILE", help="one row an image: .csv, .tsv, .parquet")
    command.add_argument(
        "--embeddings", metavar="COLUMN|FILE",
        help="list column of a Parquet table, or .npy or .safetensors in the table's order",
    )  # fmt: skip
    _add_columns(command)
    _add_images(command)
    command.add_argument("--skip-bad", action="store_true", help="leave out and count bad rows")
    add_reading(command)


def preparing(arguments: argparse.Namespace) -> dict[str, Any]:
    """The same as arguments of `clinfonce.data.prepare`."""
    return {
        "table": arguments.table,
        "embeddings": arguments.embeddings,
        "image_size": arguments.size,
        "encoding": arguments.encoding,
        "delimiter": arguments.delimiter,
        "columns": _pairs(filter(None, arguments.columns.split(",")), "--columns", "NEW=OLD"),
        "types": _pairs(arguments.type, "--type", "COLUMN=KIND"),
        "missing": arguments.missing,
        "targets": arguments.target,
        "splits": _pairs(arguments.split, "--split", "WORD=SPLIT"),
        "group": arguments.group,
        "background": arguments.background,
        "depth": arguments.depth,
        "channels": arguments.channels,
        "storage": arguments.storage,
        "skip_bad": arguments.skip_bad,
    }


def shown_while_preparing(display: Any, *, quiet: bool) -> dict[str, Any]:
    """Who is told what while a data set is made."""
    return {
        "progress": display.progress,
        "announce": None if quiet else _print_columns,
        "say": None if quiet else _print_note,
    }


def _add_columns(prepare: argparse.ArgumentParser) -> None:
    """What the table's columns are."""
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


def _add_images(prepare: argparse.ArgumentParser) -> None:
    """How images are read and kept."""
    prepare.add_argument("--size", type=int, metavar="PX", help="pixels a side")
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


def _prepare(arguments: argparse.Namespace) -> int:
    from clinfonce import data
    from clinfonce.cli.display import PackingDisplay
    from clinfonce.information.cautions import caution_lines, cautions

    with PackingDisplay(sys.stderr) as display:
        made = data.prepare(
            arguments.data,
            arguments.out,
            root=arguments.root,
            certainty=arguments.certainty,
            **preparing(arguments),
            **shown_while_preparing(display, quiet=arguments.json),
        )
    if arguments.json:
        found = [asdict(caution) for caution in cautions(made.table)]
        print(json.dumps(made.to_json() | {"cautions": found}, indent=1))
        return 0
    for line in made.summary:
        say(line)
    for line in caution_lines(cautions(made.table)):
        say(f"- {line}")
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
