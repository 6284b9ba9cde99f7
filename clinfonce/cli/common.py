"""What the commands share."""

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from clinfonce.text import printable, wrap

if TYPE_CHECKING:
    from clinfonce.results import Results

DEFAULT_RESULTS = "results"
METRIC = "test_linear_top1_5"

_MOST_NAMED = 5  # files in a line


def add_command(
    commands: Any,
    name: str,
    run: Callable[[argparse.Namespace], int],
    purpose: str,
    uses_store: bool = True,
) -> argparse.ArgumentParser:
    """Add a subcommand with the options that all have; `uses_store`: --results too."""
    command: argparse.ArgumentParser = commands.add_parser(name, help=purpose, description=purpose)
    command.set_defaults(run=run)
    if uses_store:
        command.add_argument(
            "--results", metavar="DIR", default=DEFAULT_RESULTS,
            help="result store (default results/)",
        )  # fmt: skip
    command.add_argument("--json", action="store_true", help="print JSON instead of tables")
    return command


def add_specification(command: argparse.ArgumentParser, help: str, **options: Any) -> None:
    """Which specification a command takes, and what of it is set on the command line."""
    command.add_argument("spec", metavar="SPEC", help=help, **options)
    command.add_argument(
        "--set", action="append", default=[], metavar="FIELD=VALUE", dest="settings",
        help="in place of what SPEC says, such as trial.epochs=20; may be given again",
    )  # fmt: skip


def add_tracker(command: argparse.ArgumentParser, option: str, **options: Any) -> None:
    """A tracker, and where it is."""
    command.add_argument(
        option, type=_tracker, metavar="TRACKER[=PLACE]", **options,
        help="mlflow (an address or a folder; default sqlite:///mlflow.db), tensorboard (a folder; "
        "runs) or wandb (offline, into a folder)",
    )  # fmt: skip


def _tracker(text: str) -> tuple[str, str | None]:
    kind, _, place = text.partition("=")
    return kind, place or None


def open_store(place: str) -> "Results":
    """Open a result store; say on stderr what among its rows does not count."""
    from clinfonce import results

    opened = results.open(place)
    if strangers := opened.store.strangers():
        shown = ", ".join(strangers[:_MOST_NAMED])
        more = len(strangers) - _MOST_NAMED
        print(
            f"clinfonce: left out, as it is no row of this store: {printable(shown)}"
            + (f" and {more} more" if more > 0 else ""),
            file=sys.stderr,
        )
    return opened


def say(text: str) -> None:
    """Print what is to be read on stdout; on a terminal no word goes over the end of a line."""
    from clinfonce.cli.display import terminal_width

    for line in text.split("\n"):
        width = terminal_width(sys.stdout)
        print("\n".join(wrap(line, width)) if width else line)


def print_rows(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print a table on stdout."""
    from clinfonce.cli.display import write_rows

    write_rows(sys.stdout, names, rows)


def show_progress(text: str) -> None:
    """Print on stderr, at once and as it is."""
    print(text, end="", file=sys.stderr, flush=True)


def add_reading(command: argparse.ArgumentParser) -> None:
    """Options of how a table is read."""
    command.add_argument("--encoding", default="utf-8", help="of a CSV (default utf-8)")
    command.add_argument("--delimiter", metavar="C", help="of a CSV: , ; | or tab (default: found)")
    command.add_argument(
        "--missing", action="append", default=[], metavar="WORD",
        help="stands for no value, in place of NA, None, - …; COLUMN=WORD in one column alone; "
        "may be given again",
    )  # fmt: skip
