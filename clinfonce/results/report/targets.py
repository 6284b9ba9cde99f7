"""The page's section on several targets: which clustering is best for which, and worst groups."""

from collections.abc import Sequence
from html import escape

from clinfonce.results.analysis.targets import Cell, LosingGroup, Targets
from clinfonce.results.store.measures import MEASURES, parse_metric

_MOST_ROWS = 30


def target_section(targets: Targets) -> str:
    """The section as HTML; empty where one target is all there is."""
    if not targets.are_several:
        return ""
    lines = [f"<li>{escape(line)}.</li>" for line in targets.lines]
    return (
        '<section aria-labelledby="h-targets"><h2 id="h-targets">Targets</h2>'
        f"{_table(targets)}<ul>{''.join(lines)}</ul>"
        f"{_groups(targets.losing)}</section>"
    )


def _table(targets: Targets) -> str:
    heads = "".join(
        f'<th scope="col" class="number">{escape(target)}<br><small>'
        f"{escape(MEASURES[parse_metric(metric).measure])}</small></th>"
        for target, metric in targets.metrics.items()
    )
    several = len({objective for _, objective in targets.names} - {"frozen"}) > 1
    best = {(b.target, b.name, b.objective) for b in targets.best}
    rows = []
    for (name, objective), cells in zip(targets.names, targets.cells, strict=True):
        shown = f"{name} ({objective})" if several else name
        tds = "".join(
            _cell(cell, is_best=(target, name, objective) in best)
            for target, cell in zip(targets.metrics, cells, strict=True)
        )
        rows.append(f'<tr><th scope="row">{escape(shown)}</th>{tds}</tr>')
    rest = len(rows) - _MOST_ROWS
    more = f" The best {_MOST_ROWS} of the first target; {rest} more are left out." * (rest > 0)
    return (
        '<div class="scroll" tabindex="0" role="region" aria-labelledby="h-targets">'
        '<table class="plain"><caption>Linear probe with all labels on test images, in %, mean and '
        f"deviation over trials; ● what validation chooses for a target.{more}</caption>"
        f'<thead><tr><th scope="col">clustering</th>{heads}</tr></thead>'
        f"<tbody>{''.join(rows[:_MOST_ROWS])}</tbody></table></div>"
    )


def _cell(cell: Cell | None, *, is_best: bool) -> str:
    if cell is None:
        return '<td class="number"></td>'
    spread = "" if cell.spread is None else f" <small>± {100 * cell.spread:.1f}</small>"
    mark = '<b title="chosen by validation">●</b> ' if is_best else ""
    return f'<td class="number">{mark}{100 * cell.value:.1f}{spread}</td>'


def _groups(losing: Sequence[LosingGroup]) -> str:
    if not losing:
        return ""
    rows = "".join(
        f'<tr><th scope="row">{escape(g.target)}</th><td>{escape(g.column)}</td>'
        f'<td>{escape(g.group)}</td><td class="number">{g.images}</td>'
        f'<td class="number">{_value(g.value, g)}</td><td class="number">{_value(g.whole, g)}</td>'
        f'<td class="number">{"" if g.instances is None else _value(g.instances, g)}</td></tr>'
        for g in losing
    )
    heads = "".join(
        f'<th scope="col"{kind}>{title}</th>'
        for title, kind in (
            ("target", ""),
            ("by", ""),
            ("group", ""),
            *((t, ' class="number"') for t in ("images", "value", "of all", "instances")),
        )
    )
    return (
        '<div class="scroll" tabindex="0" role="region" aria-label="Worst groups">'
        '<table class="plain"><caption>The worst groups of test images under the best clustering '
        "of each target: accuracy in %, of several labels the share that is right, of a number "
        f"its mean absolute error</caption><thead><tr>{heads}</tr></thead>"
        f"<tbody>{rows}</tbody></table></div>"
    )


def _value(value: float, group: LosingGroup) -> str:
    return f"{value:.3g}" if group.measure == "mae" else f"{100 * value:.1f}"
