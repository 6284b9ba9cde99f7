"""The `clinfonce` command: each subcommand calls one function of the package."""

import argparse
import os
import sys
from collections.abc import Callable, Sequence

from clinfonce import __version__
from clinfonce.cli import begin, cluster, data, encoders, prepare, results, training
from clinfonce.cli.overview import Overview
from clinfonce.cli.streams import printable_output
from clinfonce.errors import InputError, RunError
from clinfonce.text import printable

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 0 fine, 2 a mistake in what the user gave, 1 anything else."""
    try:
        with printable_output():
            return _run(sys.argv[1:] if arguments is None else arguments)
    except InputError as error:
        return _end(2, str(error))
    except RunError as error:
        return _end(1, str(error))
    except KeyboardInterrupt:
        return _end(1, "interrupted")
    except BrokenPipeError:  # the reader of a pipe has seen enough
        return 0
    except OSError as error:  # of a disk or a network, when writing what was asked for
        where = f"{error.filename}: " if error.filename else ""
        return _end(1, where + (error.strerror or str(error)))


def _run(arguments: Sequence[str]) -> int:
    _check(arguments)
    parsed = _parser().parse_args(arguments)
    run: Callable[[argparse.Namespace], int] = parsed.run
    return run(parsed)


def _check(arguments: Sequence[str]) -> None:
    """Refuse what no command could work with."""
    for argument in arguments:
        try:
            argument.encode()
        except UnicodeEncodeError:
            raise InputError(f"the argument {argument!a} is not UTF-8") from None
    try:
        os.getcwd()  # noqa: PTH109
    except FileNotFoundError:
        raise InputError("the working folder has been deleted: go to another one") from None


def _end(status: int, why: str) -> int:
    print(f"clinfonce: {printable(why)}", file=sys.stderr)
    return status


def _parser() -> argparse.ArgumentParser:
    parser = Overview(prog="clinfonce")
    parser.add_argument("--version", action="version", version=f"clinfonce {__version__}")
    commands = parser.add_subparsers(
        required=True, metavar="COMMAND", parser_class=argparse.ArgumentParser
    )
    begin.add_commands(commands)
    training.add_commands(commands)
    prepare.add_commands(commands)
    data.add_commands(commands)
    encoders.add_commands(commands)
    results.add_commands(commands)
    cluster.add_commands(commands)
    parser.purposes = {c.dest: c.help or "" for c in commands._choices_actions}
    return parser
