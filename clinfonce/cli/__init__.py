"""The `clinfonce` command: each subcommand calls one function of the package."""

import argparse
import sys
from collections.abc import Callable, Sequence

from clinfonce import __version__
from clinfonce.cli import cluster, data, encoders, results, training
from clinfonce.errors import InputError, RunError, printable

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 0 fine, 2 a mistake in what the user gave, 1 anything else."""
    parsed = _parser().parse_args(arguments)
    run: Callable[[argparse.Namespace], int] = parsed.run
    try:
        return run(parsed)
    except InputError as error:
        print(f"clinfonce: {printable(str(error))}", file=sys.stderr)
        return 2
    except RunError as error:
        print(f"clinfonce: {printable(str(error))}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("clinfonce: interrupted", file=sys.stderr)
        return 1
    except BrokenPipeError:  # the reader of a pipe has seen enough
        sys.stderr.close()
        return 0
    except OSError as error:  # of a disk or a network, when writing what was asked for
        print(f"clinfonce: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="clinfonce",
        description="Find out which auxiliary information trains the best image encoder, and why.",
    )
    parser.add_argument("--version", action="version", version=f"clinfonce {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    training.add_commands(commands)
    data.add_commands(commands)
    encoders.add_commands(commands)
    results.add_commands(commands)
    cluster.add_commands(commands)
    return parser
