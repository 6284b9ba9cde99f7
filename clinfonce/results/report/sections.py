"""The parts of the report's page as HTML; every word that comes from data is escaped."""

from collections.abc import Callable
from functools import partial
from html import escape
from typing import Any

from clinfonce.results.analysis.averages import ClusteringRow
from clinfonce.results.analysis.relation import QUANTITIES, Effect, Relation
from clinfonce.results.analysis.statistics import Interval
from clinfonce.results.report import figures
from clinfonce.results.report.material import Material
from clinfonce.results.report.targets import target_section
from clinfonce.results.store.measures import describe_metric


def sections(material: Material, command: str | None) -> dict[str, str]:
    """The parts by their place in the template."""
    relation = material.relation
    rows, chosen = relation.rows, relation.chosen
    return {
        "heading": escape(relation.sweep or relation.data or "Results"),
        "answer": _unbroken(relation.answer),
        "summary": _summary(material),
        "tiles": _tiles(relation),
        "metric": escape(describe_metric(relation.metric)),
        "plane": _both(lambda size: figures.information_plane(rows, size=size, chosen=chosen)),
        "plane_above_chance": _both(
            lambda size: figures.information_plane(
                rows, size=size, chosen=chosen, above_chance=True
            )
        ),
        "granularity": _both(partial(_sized, figures.granularity, rows)),
        "curves": _both(partial(_sized, figures.learning_curves, material.curves)),
        "targets": target_section(relation.targets),
        "correlations": _both(partial(_sized, figures.correlations, relation.correlations)),
        "importances": _importances(material),
        "shares": _shares(material),
        "roles": _roles(material),
        "factors": _factors(material),
        "temperature": _temperature(material),
        "costs": _costs(relation),
        "findings": _findings(relation),
        "predictions": _predictions(relation),
        "use": _use(material),
        "notes": "".join(f"<li>{escape(note)}</li>" for note in relation.notes),
        "setting": "".join(
            f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>"
            for name, value in material.setting
        ),
        "failures": _failures(material) + _cautions(material),
        "command": f"<pre><code>{escape(command)}</code></pre>" if command else "",
    }


def _unbroken(words: str) -> str:
    """Escaped words that do not break between a number and its sign or spread."""
    return escape(words).replace(" %", "&nbsp;%").replace(" ± ", "&nbsp;±&nbsp;")


def _both(draw: Callable[[tuple[int, int]], str]) -> str:
    """A figure for wide and for narrow windows; the style shows the one that fits."""
    wide, narrow = draw(figures.WIDE), draw(figures.NARROW)
    return f'<div class="wide">{wide}</div><div class="narrow">{narrow}</div>'


def _summary(material: Material) -> str:
    relation = material.relation
    counts = [f"{relation.n_complete} complete trials"]
    counts += [f"{relation.n_stopped} stopped early"] if relation.n_stopped else []
    counts += [f"{relation.n_failed} failed"] if relation.n_failed else []
    parts = [", ".join(counts), f"{len(relation.rows)} clusterings"]
    parts += [_duration(material.seconds)] if material.seconds else []
    parts += [f"finished {material.finished}"] if material.finished else []
    return escape(" · ".join(parts))


def _duration(seconds: float) -> str:
    for unit, length in (("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit} of training and probing"
    return f"{seconds:.0f} seconds of training and probing"


def _tiles(relation: Relation) -> str:
    """The numbers to remember: frozen, no auxiliary information, the best of it, the labels."""
    wanted: list[tuple[str, ClusteringRow | None]] = [
        ("Frozen", next((r for r in relation.rows if r.is_frozen), None)),
        ("Instances", next((r for r in relation.rows if r.source == "instances"), None)),
        (
            "Best auxiliary",
            next((r for r in relation.rows if r.clustering_id == relation.chosen), None),
        ),
        ("Labels", next((r for r in relation.rows if r.source == "labels"), None)),
    ]
    return "".join(
        f'<div class="tile"><span class="what">{what}</span><strong>{_accuracy(row)}</strong>'
        f'<span class="who">{escape(row.name)}</span></div>'
        for what, row in wanted
        if row is not None and row.accuracy is not None
    )


def _accuracy(row: ClusteringRow) -> str:
    assert row.accuracy is not None
    spread = "" if row.spread is None else f" <small>± {100 * row.spread:.1f}</small>"
    return f"{100 * row.accuracy:.1f} %{spread}"


def _section(key: str, title: str, draw: Callable[[tuple[int, int]], str], caption: str) -> str:
    """A section that is only there when it has something to show."""
    return (
        f'<section aria-labelledby="h-{key}"><h2 id="h-{key}">{title}</h2>'
        f"<figure>{_both(draw)}<figcaption>{caption}</figcaption></figure></section>"
    )


def _importances(material: Material) -> str:
    found = material.importances
    caption = (
        "What an attribute adds to accuracy when it is part of the clustering, with a 95 % "
        "interval: over pairs of clusterings that differ in nothing else where there are at least "
        "four, else all clusterings with it against all without it, which attributes that come "
        "together can mislead. No interval: too few clusterings."
    )
    draw = partial(_sized, figures.importances, found)
    return _section("attributes", "Attributes", draw, caption) if found else ""


def _shares(material: Material) -> str:
    found = material.shares
    if not found:
        return ""
    caption = (
        f"How much it matters to be among the best of the {found[0].n} searched trials whether an "
        "attribute is in the clustering or not (Optuna’s PED-ANOVA), with 95 % intervals from "
        "resampling trials. It does not say which of the two is better: the figure above does."
    )
    draw = partial(_sized, figures.search_shares, found)
    return _section("shares", "What the search found decisive", draw, caption)


def _roles(material: Material) -> str:
    found = material.roles
    if not found:
        return ""
    caption = (
        f"The role that each column should have by the {found[0].n} searched trials: what it adds "
        "to validation accuracy over the next best role, the other columns held, with a 95 % "
        "interval from resampling trials. Where the interval holds 0 either role may be as good."
    )
    if (objective := material.objective) is not None and objective.gain.estimate is not None:
        doubt = "" if objective.certain else ", which may be chance"
        caption += (
            f" The objective {objective.objective} adds {100 * objective.gain.estimate:.1f} points "
            f"over the next best, the roles held{doubt}."
        )
    draw = partial(_sized, figures.column_roles, found)
    return _section("roles", "Roles of the columns", draw, caption)


def _factors(material: Material) -> str:
    caption = (
        "How many bits of each target and column a linear probe reads from the features, images "
        "that it never saw, before training (open) and after it (filled), for the clustering "
        "chosen by validation; the thin mark is all there is to read. + attracts, − is "
        "suppressed. What a number holds is that of a Gaussian of the same R²."
    )
    draw = partial(_sized, figures.factors, material.factors)
    title = "What the encoder ends up knowing"
    return _section("factors", title, draw, caption) if material.factors else ""


def _temperature(material: Material) -> str:
    caption = (
        "Every complete trial, coloured by the source of its clustering as in the other figures; "
        "the dashed line joins medians of equally many trials."
    )
    draw = partial(_sized, figures.temperatures, material.dots)
    return _section("temperature", "Temperature", draw, caption) if material.dots else ""


def _costs(relation: Relation) -> str:
    known = [r.seconds for r in relation.rows if r.seconds and r.accuracy is not None]
    if len(known) < 2 or max(known) < 1.2 * min(known):
        return ""  # every trial costs the same: nothing to see
    caption = "Mean duration of a trial, on the machines that it ran on, and mean accuracy."
    return _section("cost", "Cost", partial(_sized, figures.cost, relation.rows), caption)


def _sized(draw: Callable[..., str], what: Any, size: tuple[int, int]) -> str:
    return draw(what, size=size)


def _findings(relation: Relation) -> str:
    """The regression in words."""
    items = [
        f"<li>{escape(_effect(effect, other))}</li>"
        for effect, other in zip(relation.effects, reversed(relation.effects), strict=True)
        if effect.coefficient.estimate is not None
    ]
    return f"<ul>{''.join(items)}</ul>" if items else ""


def _effect(effect: Effect, other: Effect) -> str:
    """One of the two terms of the regression, in words."""
    text = (
        f"With {QUANTITIES[other.quantity]} held, one standard deviation more of "
        f"{QUANTITIES[effect.quantity]} goes with {_points(effect.coefficient)} of accuracy"
    )
    if effect.partial_r2 is None:
        return f"{text}."
    return f"{text}; it explains {100 * effect.partial_r2:.0f} % of what the other leaves."


def _points(interval: Interval) -> str:
    assert interval.estimate is not None
    text = _signed(interval.estimate)
    if interval.low is not None and interval.high is not None:
        text += f" points (95 %: {_signed(interval.low)} to {_signed(interval.high)})"
        return text
    return text + " points"


def _signed(share: float) -> str:
    return f"{100 * share:+.1f}".replace("-", "−")


def _predictions(relation: Relation) -> str:
    known = [(p.known, p.error) for p in relation.predictions if p.error is not None]
    if not known:
        return ""
    longest = max(error for _, error in known)
    rows = "".join(
        f'<tr><th scope="row">{escape(name)}</th><td class="number">{100 * error:.1f}</td>'
        f'<td class="bars" aria-hidden="true"><span style="width:{100 * error / longest:.0f}%">'
        "</span></td></tr>"
        for name, error in sorted(known, key=lambda pair: pair[1])
    )
    return (
        '<table class="plain"><caption>How far off the accuracy of a clustering is predicted from '
        "the others (mean absolute error, leaving it out)</caption><thead><tr>"
        '<th scope="col">known of it</th><th scope="col" class="number">points</th><td></td>'
        f"</tr></thead><tbody>{rows}</tbody></table>"
    )


def _use(material: Material) -> str:
    """The best clustering as a specification, with a button that copies it."""
    if material.best is None:
        return ""
    text = escape(material.best.yaml)
    return (
        '<section aria-labelledby="h-use"><div class="headline"><h2 id="h-use">Use the best</h2>'
        '<button type="button" id="copy" hidden>Copy</button></div>'
        "<p>As a specification: <code>clinfonce best &gt; best.yaml</code> prints it too.</p>"
        f'<pre id="best" tabindex="0"><code>{text}</code></pre></section>'
    )


def _failures(material: Material) -> str:
    if not material.failures:
        return ""
    items = "".join(
        f"<li><b>{escape(f.name)}</b> <code>{escape(f.trial_id)}</code>: {escape(f.error)}</li>"
        for f in material.failures
    )
    rest = material.relation.n_failed - len(material.failures)
    more = f"<p>and {rest} more</p>" if rest > 0 else ""
    return f"<h3>Failed trials</h3><ul>{items}</ul>{more}"


def _cautions(material: Material) -> str:
    items = "".join(
        f"<li><b>{escape(name)}</b>: {escape(caution)}</li>" for name, caution in material.cautions
    )
    return f"<h3>Clusterings that are no information</h3><ul>{items}</ul>" if items else ""
