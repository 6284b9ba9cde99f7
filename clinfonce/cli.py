"""The `clinfonce` command: each subcommand calls one function of the package."""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clinfonce import __version__
from clinfonce.errors import InputError, RunError

if TYPE_CHECKING:
    from clinfonce.config import SweepSpec

DEFAULT_RESULTS = "results"
METRIC = "test_linear_top1_5"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 0 fine, 2 a mistake in what the user gave, 1 anything else."""
    parsed = _parser().parse_args(arguments)
    run: Callable[[argparse.Namespace], int] = parsed.run
    try:
        return run(parsed)
    except InputError as error:
        print(f"clinfonce: {error}", file=sys.stderr)
        return 2
    except RunError as error:
        print(f"clinfonce: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("clinfonce: interrupted", file=sys.stderr)
        return 1
    except BrokenPipeError:  # the reader of a pipe has seen enough
        sys.stderr.close()
        return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="clinfonce",
        description="Find out which auxiliary information trains the best image encoder, and why.",
    )
    parser.add_argument("--version", action="version", version=f"clinfonce {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_training(commands)
    _add_data(commands)
    _add_encoders(commands)
    _add_results(commands)
    return parser


def _add_training(commands: Any) -> None:
    sweep = _command(commands, "sweep", _sweep, "run a sweep, or go on with one")
    sweep.add_argument("spec", metavar="SPEC", help="YAML file, such as sweeps/digits.yaml")
    sweep.add_argument("--fresh", action="store_true", help="forget this sweep's earlier rows")

    pretrain = _command(commands, "pretrain", _pretrain, "run one trial, without a search")
    pretrain.add_argument("spec", metavar="SPEC", help="YAML file with name, data and trial")


def _add_data(commands: Any) -> None:
    prepare = _command(
        commands, "prepare", _prepare, "make a data set of a folder of images and a table", False
    )
    prepare.add_argument("data", metavar="folder|DATASET", help="your own images, or a known name")
    prepare.add_argument("--out", metavar="DIR", required=True, help="path, s3://… or gs://…")
    prepare.add_argument("--root", metavar="DIR", help="folder that holds the images")
    prepare.add_argument("--table", metavar="FILE", help="one row an image: .csv, .tsv, .parquet")
    prepare.add_argument("--size", type=int, metavar="PX", help="pixels a side")
    prepare.add_argument(
        "--type", action="append", default=[], metavar="COLUMN=KIND",
        help="boolean, categorical, numeric, tags or hierarchy; may be given again",
    )  # fmt: skip
    prepare.add_argument(
        "--storage", choices=("auto", "raw", "encoded"), default="auto",
        help="keep pixels, or the image files (auto: pixels up to 128 a side)",
    )  # fmt: skip
    prepare.add_argument("--skip-bad", action="store_true", help="leave out and count bad rows")
    prepare.add_argument("--encoding", default="utf-8", help="of a CSV (default utf-8)")

    information = _command(
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
    information.add_argument("--encoding", default="utf-8", help="of a CSV (default utf-8)")


def _add_encoders(commands: Any) -> None:
    views = _command(commands, "views", _views, "write a picture of what augmentation does", False)
    views.add_argument("spec", metavar="SPEC", nargs="?", help="YAML file of a sweep or a trial")
    views.add_argument("--policy", metavar="NAME", help="augmentation; default: the SPEC's")
    views.add_argument("--data", metavar="NAME", help="data set; default: the SPEC's")
    views.add_argument("--out", metavar="FILE", default="views.png", help="default views.png")

    export = _command(commands, "export", _export, "write a trial's encoder for use elsewhere")
    export.add_argument("trial", metavar="TRIAL_ID", help="trial_id, or how it begins")
    export.add_argument("--out", metavar="FILE", required=True, help=".safetensors or .onnx")


def _add_results(commands: Any) -> None:
    query = _command(commands, "query", _query, "ask the result tables in SQL")
    query.add_argument("sql", metavar="SQL", help="a SELECT over trials, epochs, clusterings")
    query.add_argument(
        "--format", choices=("table", "csv", "json", "parquet"), default="table", help="of the rows"
    )
    query.add_argument("--out", metavar="FILE", help="write there instead of to the terminal")

    relate = _command(commands, "relate", _relate, "relate accuracy to the clusterings' bits")
    report = _command(commands, "report", _report, "write the result page, one HTML file")
    report.add_argument("--out", metavar="FILE", help="default: report.html in the result store")
    report.add_argument("--figures", metavar="DIR", help="also write the figures as SVG")
    for command in (relate, report):
        command.add_argument("--sweep", help="only this sweep")
        command.add_argument(
            "--metric", default=METRIC, help=f"accuracy, a column of trials (default {METRIC})"
        )


def _command(
    commands: Any,
    name: str,
    run: Callable[[argparse.Namespace], int],
    purpose: str,
    uses_store: bool = True,
) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = commands.add_parser(name, help=purpose, description=purpose)
    command.set_defaults(run=run)
    if uses_store:
        command.add_argument(
            "--results", metavar="DIR", default=DEFAULT_RESULTS,
            help="result store (default results/)",
        )  # fmt: skip
    command.add_argument("--json", action="store_true", help="print JSON instead of tables")
    return command


def _sweep(arguments: argparse.Namespace) -> int:
    from clinfonce.config import read_sweep

    sweep = read_sweep(arguments.spec)
    print(f"clinfonce: sweep {sweep.name} into {arguments.results}", file=sys.stderr, flush=True)
    return _run_sweep(arguments, sweep)


def _run_sweep(arguments: argparse.Namespace, sweep: "SweepSpec") -> int:
    from clinfonce.display import SweepDisplay
    from clinfonce.scaling.session import terminal_apart
    from clinfonce.scaling.sweep import prepare_sweep, run_sweep

    home = Path(arguments.results)
    table, store = prepare_sweep(sweep, home, fresh=getattr(arguments, "fresh", False))
    log = home / "logs" / f"{sweep.name}.log"
    metric = sweep.search.metric if sweep.search else "val_knn"
    with terminal_apart(log) as terminal, SweepDisplay(terminal, metric) as display:
        rows = run_sweep(sweep, table, store, home, display)
    failed = [row for row in rows if row["status"] == "failed"]
    if failed:
        print(f"clinfonce: {len(failed)} trials failed; {log} says more", file=sys.stderr)
    return _summarize(arguments, sweep.name)


def _pretrain(arguments: argparse.Namespace) -> int:
    from clinfonce.config import SweepSpec, read_experiment

    experiment = read_experiment(arguments.spec)
    print(
        f"clinfonce: trial {experiment.name} into {arguments.results}", file=sys.stderr, flush=True
    )
    if experiment.trial.workers > 1:
        return _run_sweep(arguments, SweepSpec.of_one_trial(experiment))
    from clinfonce.single import pretrain

    def show(epoch: Any) -> None:
        if epoch.val_knn is not None:
            print(
                f"epoch {epoch.epoch}/{experiment.trial.epochs}  loss {epoch.loss:.4f}  "
                f"validation kNN {epoch.val_knn:.1%}",
                file=sys.stderr,
            )

    pretrain(experiment, Path(arguments.results), show)
    return _summarize(arguments, experiment.name)


def _summarize(arguments: argparse.Namespace, sweep: str) -> int:
    """Print what came out of a sweep, and what to type next."""
    from clinfonce import results

    summary = results.open(arguments.results).sql(_summary_query(sweep))
    results.write_table(summary, "json" if arguments.json else "table", sys.stdout)
    if not arguments.json:
        option = "" if arguments.results == DEFAULT_RESULTS else f" --results {arguments.results}"
        print(f"\nWhat follows from which bits:   clinfonce relate{option}")
        print(f"The page to look at and share:  clinfonce report{option}")
    return 0


def _summary_query(sweep: str) -> str:
    """Test accuracy of the linear probe in percent, mean ± deviation over seeds, by labels."""
    accuracies = [
        f"""format('{{:.1f}}', 100 * avg(test_linear_top1_{labels}))
            || coalesce(format(' ± {{:.1f}}', 100 * stddev_samp(test_linear_top1_{labels})), '')
            AS "{title}\""""
        for labels, title in (
            ("1", "1 label"),
            ("5", "5 labels"),
            ("10", "10 labels"),
            ("all", "all labels"),
        )
    ]
    return f"""
SELECT CASE role WHEN 'confirm' THEN 'best found: ' || trials.name ELSE trials.name END AS trial,
       count(*) AS seeds, any_value(n_clusters) AS K,
       round(any_value(i_zt), 2) AS "I(Z;T)", round(any_value(h_z_given_t), 2) AS "H(Z|T)",
       {", ".join(accuracies)}
FROM trials JOIN clusterings USING (clustering_id)
WHERE sweep = '{sweep}' AND status = 'complete' AND role <> 'search'
GROUP BY trials.name, role ORDER BY avg(test_linear_top1_5) DESC"""


def _query(arguments: argparse.Namespace) -> int:
    from clinfonce import results

    rows = results.open(arguments.results).sql(arguments.sql)
    kind = "json" if arguments.json else arguments.format
    stdout = sys.stdout.buffer if kind == "parquet" else sys.stdout
    results.write_table(rows, kind, arguments.out or stdout)
    return 0


def _prepare(arguments: argparse.Namespace) -> int:
    from clinfonce import data
    from clinfonce.display import PackingDisplay

    with PackingDisplay(sys.stderr) as display:
        made = data.prepare(
            arguments.data,
            arguments.out,
            root=arguments.root,
            table=arguments.table,
            image_size=arguments.size,
            encoding=arguments.encoding,
            types=_pairs(arguments.type, "--type"),
            storage=arguments.storage,
            skip_bad=arguments.skip_bad,
            progress=display.progress,
            announce=None if arguments.json else _print_columns,
        )
    if arguments.json:
        print(json.dumps(made.to_json(), indent=1))
        return 0
    for line in made.summary:
        print(line)
    print(f"\nTrain on it, in a specification:  data: {{name: {made.folder}}}")
    is_local = "://" not in made.folder
    if is_local and made.table.labels is not None and made.table.columns:
        table = f"{made.folder}/table.parquet --clusters all --label label"
        print(f"What its columns are worth:       clinfonce information {table}")
    return 0


def _pairs(texts: Sequence[str], option: str) -> dict[str, str]:
    """Options of the form name=value."""
    for text in texts:
        if "=" not in text:
            raise InputError(f"{option} is {text!r}, not COLUMN=KIND")
    return dict(text.rsplit("=", 1) for text in texts)


def _print_columns(columns: Any) -> None:
    if columns:
        print("Types of the columns (change one with --type COLUMN=KIND):", flush=True)
        _print_rows(
            ["column", "type", "values", "missing", "for example"],
            [
                [c.name, c.kind, c.n_values, int((~c.present).sum()), c.example]
                for c in columns.values()
            ],
        )


def _information(arguments: argparse.Namespace) -> int:
    from clinfonce.column_information import measure_columns

    found = measure_columns(
        arguments.table,
        arguments.clusters.split(","),
        arguments.label,
        fractions=arguments.fraction,
        encoding=arguments.encoding,
    )
    if arguments.json:
        print(json.dumps([column.to_json() for column in found], indent=1))
        return 0
    labels = found[0].estimate
    print(
        f"{arguments.label}: H(T) = {labels.information.h_t:.4f} bits, "
        f"{labels.n_labelled} labelled rows. All in bits but AMI; ± is the standard error."
    )
    _print_rows(
        ["clusters", "rows", "K", "single", "H(Z)", "I(Z;T)", "chance", "excess", "H(Z|T)", "AMI"],
        [_information_row(column) for column in found],
    )
    for note in dict.fromkeys(column.note for column in found):
        if note:
            print(f"- {note}")
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
        f"{bits.h_z_given_t:.4f}",
        f"{bits.ami:.3f} ± {found.ami_error:.3f}",
    ]


def _views(arguments: argparse.Namespace) -> int:
    from clinfonce.views import views

    path = views(arguments.spec, arguments.policy, arguments.data, arguments.out)
    print(json.dumps(str(path)) if arguments.json else path)
    return 0


def _export(arguments: argparse.Namespace) -> int:
    from clinfonce.export import export_encoder

    path = export_encoder(arguments.results, arguments.trial, arguments.out)
    print(json.dumps(str(path)) if arguments.json else path)
    return 0


def _relate(arguments: argparse.Namespace) -> int:
    from clinfonce import results

    store = results.open(arguments.results)
    relation = results.relate(store, metric=arguments.metric, sweep=arguments.sweep)
    if arguments.json:
        print(json.dumps(relation.to_json(), indent=1))
        return 0
    print(relation.answer)
    _print_rows(
        ["clustering", "objective", "K", "I(Z;T)", "chance", "H(Z|T)", "trials", relation.metric],
        [_relation_row(row) for row in relation.rows if row.accuracy is not None],
    )
    if relation.correlations:
        print(f"\nRank correlation with accuracy over {relation.correlations[0].n} clusterings:")
        _print_rows(
            ["quantity", "rho", "95 % interval", "without the end points"],
            [
                [results.QUANTITIES[c.quantity], c.rho.estimate, _interval(c.rho), c.rho_inside]
                for c in relation.correlations
            ],
        )
    for note in relation.notes:
        print(f"- {note}")
    return 0


def _relation_row(row: Any) -> list[Any]:
    known = [row.name, row.objective, row.n_clusters, row.i_zt, row.i_zt_chance, row.h_z_given_t]
    return [*known, row.n_trials, _percent(row.accuracy, row.spread)]


def _report(arguments: argparse.Namespace) -> int:
    from clinfonce import results

    store = results.open(arguments.results)
    out = Path(arguments.out or Path(arguments.results) / "report.html")
    choice = {"metric": arguments.metric, "sweep": arguments.sweep}
    written = [results.report(store, out, **choice)]
    if arguments.figures:
        written += results.figure_files(store, arguments.figures, **choice)
    for path in written:
        print(path)
    return 0


def _print_rows(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    from clinfonce.display import write_rows

    write_rows(sys.stdout, names, rows)


def _percent(mean: float, spread: float | None) -> str:
    return f"{mean:.1%}" if spread is None else f"{100 * mean:.1f} ± {100 * spread:.1f} %"


def _interval(interval: Any) -> str:
    if interval.low is None or interval.high is None:
        return ""
    return f"{interval.low:.2f} to {interval.high:.2f}"
