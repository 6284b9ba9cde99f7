"""A first sweep as a file for people: what it says, and why."""

import textwrap
from collections.abc import Iterable, Iterator
from typing import Any

from clinfonce.data import TRAIN
from clinfonce.setup.first import First
from clinfonce.text import flow

_WHY = 36  # column that comments start at
_WIDTH = 100


def specification(first: First, command: str) -> str:
    """The file of a sweep.

    Args:
        first: the sweep.
        command: that runs it.
    """
    parts = [
        _heading(first, command),
        [_with(f"name: {flow(first.name)}", ""), _with(f"data: {flow(_data(first))}",
                                                         _size(first))],
        _trial(first),
        _seeds(first),
        _fixed(first),
        _search(first),
    ]  # fmt: skip
    return "\n\n".join("\n".join(part) for part in parts if part) + "\n"


def _heading(first: First, command: str) -> list[str]:
    minutes = max(1, round(first.budget.seconds / 60))
    lines = [
        f"# Which auxiliary information of {first.name} trains the best encoder of its "
        f"{'images' if first.table.has_images else 'embeddings'}?",
        "#",
        f"#   {command}",
        "#   clinfonce report",
        "#",
    ]
    lines += _comment(
        f"Made for about {first.minutes:g} minutes on this machine (a short trial was timed: an "
        f"epoch takes {first.pace.epoch:.2g} s, {first.pace.at_once} trials at a time); it should "
        f"take about {minutes}. For a better answer: clinfonce init --minutes 60. Every field may "
        "be changed here, or on the command line: --set trial.epochs=50."
    )
    return lines


def _trial(first: First) -> list[str]:
    trial = first.trial
    lines = [_with("trial:", "what all trials have in common")]
    if "augmentation" in trial:
        lines += [
            _with(f"  augmentation: {flow(trial['augmentation'])}", "what may happen to an image")
        ]
        lines += _comment(
            "Signs and glyphs: {policy: simclr, flip: 0}. Aerial and microscopic images: {policy: "
            "simclr, vertical_flip: 0.5, rotate: 180}. Where colour matters: {policy: simclr, "
            "colour: 0.3}. `clinfonce views` shows it.", "  ",
        )  # fmt: skip
    lines.append(_with(f"  encoder: {flow(trial['encoder'])}", first.encoder_reason))
    if first.others:
        lines += _comment(f"Also at hand: {', '.join(first.others[:6])}.", "  ")
    lines.append(
        _with(f"  objective: {flow(trial['objective'])}", "of everything that is not searched")
    )
    lines.append(_with(f"  sampler: {flow(trial['sampler'])}", "images, each in two views"))
    lines.append(_with(f"  optimizer: {flow(trial['optimizer'])}", ""))
    lines.append(_with(f"  epochs: {trial['epochs']}", _epochs_reason(first)))
    lines.append(_with(f"  evaluation: {flow(trial['evaluation'])}", ""))
    return lines


def _epochs_reason(first: First) -> str:
    if first.regime == "adapter":
        return "few: an adapter that learns long forgets what the encoder knew"
    return "as many as there is time for"


def _seeds(first: First) -> list[str]:
    few = "5 labels a class" if first.metric.endswith("_5") else "all labels: some class has few"
    seeds = list(range(1, first.budget.seeds + 1))
    return [
        _with(f"seeds: {seeds}", "of the trials that are compared"),
        _with(f"metric: {first.metric}", f"selects: {few}, on the validation split"),
    ]


def _fixed(first: First) -> list[str]:
    images = "{images_per_cluster: 4}"
    lines = [_with("fixed:", "always run, to compare with")]
    if first.regime != "scratch":
        lines += _comment("The encoder as it is comes first, unasked (frozen).", "  ")
    lines += [
        _with("  - {name: InfoNCE, trial: {clustering: {source: instances}}}",
              "no auxiliary information"),
        _with(f"  - {{name: SupCon, trial: {{clustering: {{source: labels}}, sampler: {images}}}}}",
              "the labels: the upper bound"),
    ]  # fmt: skip
    return lines


def _search(first: First) -> list[str]:
    columns, budget = first.columns, first.budget
    lines = list(_each(columns.notes))
    if not columns.columns:
        return [*lines, "# Nothing is left to search."]
    offered = ", ".join(f"{name} ({n})" if n > 1 else name for name, n in columns.columns)
    lines += [
        "search:",
        _with(f"  trials: {budget.trials}", "clusterings that are tried, the simple ones first"),
        "  space:",
        *_comment(
            f"Instances, and crossings of up to four of these parts: {offered}. Fewer: {{choices: "
            "all, columns: [NAME, NAME]}.", "    ",
        ),
        "    clustering: {choices: all}",
        "    objective.temperature: {low: 0.05, high: 0.5, log: true}",
        _with("    sampler.images_per_cluster: {choices: [2, 4, 8]}", "that share a batch"),
        _with(f"  window: {max(4, first.pace.at_once)}", "trials at a time, at least"),
        _with("  confirm: 1", "the best runs again with all seeds"),
    ]  # fmt: skip
    grace = max(1, budget.epochs // 2)
    halving = f"scheduler: {{name: asha, grace_epochs: {grace}, reduction_factor: 2}}"
    return [*lines, "", _with(halving, "the poorer half stops there")]


def _data(first: First) -> dict[str, Any]:
    return first.data.model_dump(exclude_none=True)


def _size(first: First) -> str:
    table = first.table
    n, labelled = len(table.rows(TRAIN)), len(table) - table.n_unlabelled
    words = f"{len(table):,} images, {n:,} train; {len(table.label_names)} classes"
    return words if labelled == len(table) else f"{words}, {labelled:,} labelled"


def _with(line: str, why: str) -> str:
    """A line with a comment behind it, or above where there is no room."""
    if not why:
        return line
    behind = f"{line.ljust(_WHY - 1)} # {why}"
    if len(behind) <= _WIDTH:
        return behind
    indent = line[: len(line) - len(line.lstrip())]
    return "\n".join([*_comment(f"{why[0].upper()}{why[1:]}.", indent), line])


def _comment(words: str, indent: str = "") -> list[str]:
    return textwrap.wrap(
        words, _WIDTH, initial_indent=f"{indent}# ", subsequent_indent=f"{indent}# ",
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip


def _each(lines: Iterable[str]) -> Iterator[str]:
    for line in lines:
        yield from textwrap.wrap(line, _WIDTH, initial_indent="# ", subsequent_indent="#     ")
