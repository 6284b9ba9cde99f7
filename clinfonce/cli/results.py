"""Commands on the result tables: query, best, track, relate, report."""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from clinfonce.cli.common import (
    METRIC,
    add_command,
    add_tracker,
    open_store,
    print_rows,
    say,
)
from clinfonce.cli.streams import end_at_once, utf8_output
from clinfonce.errors import InputError


def add_commands(commands: Any) -> None:
    """Add query, best, track, relate and report."""
    query = add_command(commands, "query", _query, "ask the result tables in SQL")
    query.add_argument("sql", metavar="SQL", help="a SELECT over trials, epochs, clusterings")
    query.add_argument(
        "--format", choices=("table", "csv", "json", "parquet"), default="table", help="of the rows"
    )
    query.add_argument("--out", metavar="FILE", help="write there instead of to the terminal")

    best = add_command(
        commands, "best", _best, "print the best clustering as a specification to copy"
    )
    relate = add_command(commands, "relate", _relate, "relate accuracy to the clusterings' bits")
    report = add_command(commands, "report", _report, "write the result page, one HTML file")
    report.add_argument("--out", metavar="FILE", help="default: report.html in the result store")
    report.add_argument(
        "--images", action="store_true",
        help="also a map of test images and their nearest neighbours, by the best encoder",
    )  # fmt: skip
    report.add_argument("--figures", metavar="DIR", help="also write the figures as SVG and PDF")
    track = add_command(
        commands, "track", _track, "write trials to MLflow, TensorBoard or Weights & Biases"
    )
    add_tracker(track, "--to", required=True)
    track.add_argument("--sweep", help="only this sweep")
    for command in (best, relate, report):
        command.add_argument("--sweep", help="only this sweep")
        command.add_argument(
            "--metric", default=METRIC,
            help=f"measure, of another target TARGET:MEASURE (default {METRIC})",
        )  # fmt: skip


def _query(arguments: argparse.Namespace) -> int:
    from clinfonce import results
    from clinfonce.cli.display import terminal_width

    kind = "json" if arguments.json else arguments.format
    if kind == "parquet" and arguments.out is None and sys.stdout.isatty():
        raise InputError("Parquet is no text for a terminal: name a file with --out")
    store = open_store(arguments.results)
    try:
        rows = store.sql(arguments.sql)
    except KeyboardInterrupt:
        if store.is_busy:
            end_at_once("interrupted")
        raise
    if arguments.out is not None:
        results.write_table(rows, kind, arguments.out)
    elif kind == "parquet":
        results.write_table(rows, kind, sys.stdout.buffer)
    elif kind == "table" or sys.stdout.isatty():
        results.write_table(rows, kind, sys.stdout, width=terminal_width(sys.stdout))
    else:
        with utf8_output() as stream:
            results.write_table(rows, kind, stream)
    return 0


def _best(arguments: argparse.Namespace) -> int:
    from clinfonce.results.analysis.best import best_of

    found = best_of(open_store(arguments.results), sweep=arguments.sweep, metric=arguments.metric)
    print(json.dumps(found.to_json(), indent=1) + "\n" if arguments.json else found.yaml, end="")
    return 0


def _track(arguments: argparse.Namespace) -> int:
    from clinfonce.results.track import open_tracker, runs_of

    store = open_store(arguments.results)
    tracker = open_tracker(*arguments.to)
    try:
        written = [tracker.trial(run) for run in runs_of(store, sweep=arguments.sweep)]
    finally:
        tracker.close()
    n, there = sum(written), len(written) - sum(written)
    if arguments.json:
        print(json.dumps({"written": n, "there_already": there, "look": tracker.where}))
        return 0
    say(f"{n} trials written" + (f", {there} were there already" if there else ""))
    print(f"Look at them:  {tracker.where}")
    return 0


def _relate(arguments: argparse.Namespace) -> int:
    from clinfonce import results

    store = open_store(arguments.results)
    relation = results.relate(store, metric=arguments.metric, sweep=arguments.sweep)
    choice = {"metric": arguments.metric, "sweep": arguments.sweep}
    roles = results.column_roles(store, **choice)
    objective = results.searched_objective(store, **choice)
    factors = results.factors_of(store, **choice)
    if arguments.json:
        more = {
            "roles": list(map(asdict, roles)),
            "objective": None if objective is None else asdict(objective),
            "factors": list(map(asdict, factors)),
        }
        print(json.dumps({**relation.to_json(), **more}, indent=1))
        return 0
    say(relation.answer)
    print_rows(
        [
            "clustering",
            "objective",
            "K",
            "I(Z;T)",
            "chance",
            "H(Z|T)",
            "I of pairs",
            "trials",
            relation.metric,
        ],
        [_relation_row(row) for row in relation.rows if row.accuracy is not None],
    )
    if relation.against_frozen:
        say("\nAgainst the frozen encoder:")
        print_rows(
            ["accuracy", "frozen", "best", "points"],
            [
                [each.metric, _percent(each.frozen, None), _percent(each.adapted, None),
                 f"{each.gain:+.1f}"]
                for each in relation.against_frozen
            ],
        )  # fmt: skip
    _say_targets(relation.targets)
    _show_relation(relation, results.QUANTITIES)
    _show_roles(roles, objective)
    _show_factors(factors)
    for note in relation.notes:
        say(f"- {note}")
    return 0


def _show_relation(relation: Any, quantities: Mapping[str, str]) -> None:
    if relation.correlations:
        say(f"\nRank correlation with accuracy over {relation.correlations[0].n} clusterings:")
        print_rows(
            ["quantity", "rho", "95 % interval", "without the end points"],
            [
                [quantities[c.quantity], c.rho.estimate, _interval(c.rho), c.rho_inside]
                for c in relation.correlations
            ],
        )
    if relation.effects:
        say("\nRegression on both, points of accuracy for one standard deviation more:")
        print_rows(
            ["quantity", "points", "95 % interval", "explains of what the other leaves"],
            [_effect_row(quantities[e.quantity], e) for e in relation.effects],
        )
    if relation.predictions:
        say("\nError of the predicted accuracy of a clustering left out, in points:")
        print_rows(
            ["known of it", "mean error"],
            [[p.known, "" if p.error is None else 100 * p.error] for p in relation.predictions],
        )


def _show_roles(roles: Sequence[Any], objective: Any) -> None:
    if objective is not None:
        tried = ", ".join(f"{name} in {n}" for name, n in objective.trials.items())
        doubt = "" if objective.certain else ", which may be chance"
        say(
            f"\nBest objective, the roles of the columns held: {objective.objective}, "
            f"{_points(objective.gain.estimate)} points of validation accuracy over the next "
            f"({_points_interval(objective.gain)}{doubt}; tried {tried})"
        )
    if not roles:
        return
    say(f"\nRoles of the columns by {roles[0].n} searched trials, points of validation accuracy:")
    print_rows(
        ["column", "role", "over the next", "95 % interval", "importance", "in the best"],
        [
            [
                row.column, row.role if row.certain else f"{row.role}?", _points(row.gain.estimate),
                _points_interval(row.gain),
                "" if row.importance.estimate is None else f"{row.importance.estimate:.0%}",
                row.best,
            ]
            for row in roles
        ],
    )  # fmt: skip


def _show_factors(factors: Sequence[Any]) -> None:
    if not factors:
        return
    say("\nBits that a probe reads from the features, before and after training:")
    print_rows(
        ["factor", "role", "before", "after", "all there is"],
        [[f.name, f.role, f.before, f.after, f.most] for f in factors],
    )


def _points(share: float | None) -> str:
    return "" if share is None else f"{100 * share:+.1f}"


def _points_interval(interval: Any) -> str:
    if interval.low is None:
        return ""
    return f"{_points(interval.low)} to {_points(interval.high)}"


def _say_targets(targets: Any) -> None:
    """All targets side by side, where there is more than one or images are grouped."""
    if not targets.are_several:
        return
    say("\nTargets, by the linear probe with all labels on the test split:")
    print_rows(
        ["clustering", "objective", *targets.metrics],
        [
            [*name, *("" if c is None else _percent(c.value, c.spread) for c in cells)]
            for name, cells in zip(targets.names, targets.cells, strict=True)
        ],
    )
    for line in targets.lines:
        say(f"- {line}")
    if targets.losing:
        say("\nWorst groups under the best clustering of each target:")
        print_rows(
            ["target", "by", "group", "images", "measure", "value", "of all", "instances"],
            [
                [g.target, g.column, g.group, g.images, g.measure]
                + [_of_group(value, g.measure) for value in (g.value, g.whole, g.instances)]
                for g in targets.losing
            ],
        )


def _of_group(value: float | None, measure: str) -> Any:
    """A share in percent; an error as it is."""
    return value if value is None or measure == "mae" else _percent(value, None)


def _relation_row(row: Any) -> list[Any]:
    known = [row.name, row.objective, row.n_clusters, row.i_zt, row.i_zt_chance, row.h_z_given_t]
    return [*known, row.i_pairs, row.n_trials, _percent(row.accuracy, row.spread)]


def _effect_row(name: str, effect: Any) -> list[Any]:
    found = effect.coefficient
    if found.estimate is None:
        return [name, "undefined", "", ""]
    interval = "" if found.low is None else f"{100 * found.low:+.1f} to {100 * found.high:+.1f}"
    explains = "" if effect.partial_r2 is None else f"{effect.partial_r2:.0%}"
    return [name, f"{100 * found.estimate:+.1f}", interval, explains]


def _report(arguments: argparse.Namespace) -> int:
    from clinfonce import results

    store = open_store(arguments.results)
    out = (
        Path(arguments.out)
        if arguments.out
        else (store.store.folder.local or Path()) / "report.html"
    )
    choice = {"metric": arguments.metric, "sweep": arguments.sweep}
    gallery = None
    if arguments.images:
        from clinfonce.trial.gallery import gallery_of

        gallery = gallery_of(store, sweep=arguments.sweep)
    written = [results.report(store, out, gallery=gallery, **choice)]
    if arguments.figures:
        written += results.figure_files(store, arguments.figures, **choice)
    for path in written:
        print(path)
    return 0


def _percent(mean: float, spread: float | None) -> str:
    return f"{mean:.1%}" if spread is None else f"{100 * mean:.1f} ± {100 * spread:.1f} %"


def _interval(interval: Any) -> str:
    if interval.low is None or interval.high is None:
        return ""
    return f"{interval.low:.2f} to {interval.high:.2f}"
