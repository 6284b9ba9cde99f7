"""The command init: from a folder, or a data set, to the file of a first sweep."""

import argparse
import json
import shlex
import sys
from typing import Any

from clinfonce.cli.common import add_command, say
from clinfonce.cli.prepare import add_preparing, preparing, shown_while_preparing

_MINUTES = 5.0


def add_commands(commands: Any) -> None:
    """Add init."""
    init = add_command(
        commands, "init", _init, "write the file of a first sweep for your images", False
    )
    init.add_argument(
        "data", metavar="DATA",
        help="folder, archive or Parquet file of images, a folder that prepare made, or a known "
        "name",
    )  # fmt: skip
    init.add_argument(
        "--minutes", type=float, default=_MINUTES, metavar="N",
        help=f"that the sweep may take on this machine (default {_MINUTES:g})",
    )  # fmt: skip
    init.add_argument("--out", metavar="FILE", help="file to write (default: DATA's name .yaml)")
    init.add_argument(
        "--encoder", metavar="NAME",
        help="such as resnet18 or timm:MODEL (default: pretrained if any is on this machine)",
    )  # fmt: skip
    init.add_argument(
        "--weights", metavar="FILE", help="of the encoder: pretrained, random or a file"
    )
    init.add_argument("--root", metavar="DIR", help="folder of a known data set's files")
    init.add_argument(
        "--prepared", metavar="DIR", help="where images are kept (default: prepared/NAME)"
    )
    add_preparing(init)


def _init(arguments: argparse.Namespace) -> int:
    from clinfonce.cli.display import PackingDisplay
    from clinfonce.setup.begin import begin

    with PackingDisplay(sys.stderr) as display:

        def told(made: Any) -> None:
            display.close()
            for line in () if arguments.json else made.summary:
                say(line)

        begun = begin(
            arguments.data,
            minutes=arguments.minutes,
            out=arguments.out,
            root=arguments.root,
            encoder=arguments.encoder,
            weights=arguments.weights,
            preparing={
                **preparing(arguments),
                "out": arguments.prepared,
                **shown_while_preparing(display, quiet=arguments.json),
            },
            on_prepared=told,
        )
    if arguments.json:
        print(json.dumps(begun.to_json(), indent=1))
        return 0
    _tell(begun)
    return 0


def _tell(begun: Any) -> None:
    first, file = begun.first, shlex.quote(str(begun.specification))
    seeds = f"{first.budget.seeds} seed{'s' if first.budget.seeds > 1 else ''}"
    searched = f"{first.budget.trials} searched trials, " if first.budget.trials else ""
    say(
        f"{begun.specification}: {first.trial['encoder']['name']}, {first.encoder_reason}; "
        f"{searched}{seeds}, {first.budget.epochs} epochs: about "
        f"{max(1, round(first.budget.seconds / 60))} min on this machine"
    )
    for note in first.columns.notes:
        say(f"- {note}")
    if first.budget.seconds > 90 * first.minutes:
        say(
            f"- this is the smallest sweep that says something; {first.minutes:g} min are too few "
            "for it here"
        )
    print(f"\nRun it:                            clinfonce sweep {file}")
    print(f"What its clusterings offer first:  clinfonce clusterings {file}")
