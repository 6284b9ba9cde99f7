"""Commands for the machines of a Ray cluster."""

import argparse
from pathlib import Path
from typing import Any

from clinfonce.cli.common import show_progress


def add_commands(commands: Any) -> None:
    """Add the subcommands of `clinfonce cluster`."""
    purpose = "start or stop the machines of a Ray cluster"
    actions = commands.add_parser("cluster", help=purpose, description=purpose).add_subparsers(
        required=True, metavar="up|down|stop"
    )
    for name, run, what in (
        ("up", _cluster_up, "start its machines, or bring them up to date"),
        ("down", _cluster_down, "stop Ray on its machines, end those that are rented"),
        ("stop", _cluster_stop, "end a sweep that runs there; its finished rows stay"),
    ):
        action = actions.add_parser(name, help=what, description=what)
        action.set_defaults(run=run)
        action.add_argument("file", metavar="FILE", type=Path, help="such as cluster.yaml")
    action.add_argument("sweep", metavar="SWEEP", help="the sweep's name")


def _cluster_up(arguments: argparse.Namespace) -> int:
    from clinfonce.scaling.cluster import launcher

    launcher.start(arguments.file, show_progress)
    return 0


def _cluster_down(arguments: argparse.Namespace) -> int:
    from clinfonce.scaling.cluster import launcher

    launcher.stop(arguments.file)
    return 0


def _cluster_stop(arguments: argparse.Namespace) -> int:
    from clinfonce.scaling.cluster import launcher

    launcher.stop_sweep(arguments.file, arguments.sweep)
    return 0
