"""Rank the clusterings that a data set offers by the accuracy that their bits promise."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import astuple, replace
from typing import Any

import numpy as np

from clinfonce.advice.bits import Bits, IntArray, Labelled
from clinfonce.advice.candidates import Offer, ids_of, offer_of, parts_named, whole_columns
from clinfonce.advice.measured import Trials
from clinfonce.advice.probe import Bench, probe
from clinfonce.advice.result import Advice, Candidate, Expected
from clinfonce.advice.sample import Points, Sample, take_sample
from clinfonce.advice.search import Found, Scorer, search_crossings
from clinfonce.advice.weights import Telling, Weights, probe_weights, telling
from clinfonce.clusterings.base import number_by_appearance
from clinfonce.data import ImageTable
from clinfonce.errors import InputError
from clinfonce.information.cautions import Caution, caution_lines, column_cautions
from clinfonce.results.analysis.gain import (
    REGIMES,
    Point,
    end_points,
    fit_gain,
    gain_points,
    read_points,
)
from clinfonce.results.sql.query import Results
from clinfonce.trial.columns import usable_columns
from clinfonce.trial.parts import clustering_of

FIRST_ROUND = 16  # clusterings that are probed
_DRAWS = 2_000  # of a candidate's gain
_INTERVAL = (2.5, 97.5)  # percentiles
_SEARCHED = 20  # crossings of several parts that are listed


def advise(
    table: ImageTable,
    *,
    regime: str | None = None,
    label_fraction: float | None = None,
    include: Collection[str] = (),
    largest: int = 6,
    features: Points | None = None,
    results: Results | None = None,
    points: Sequence[Point] | None = None,
    probing: bool | None = None,
    say: Callable[[str], None] = lambda _: None,
    seed: int = 0,
) -> Advice:
    """Rank parts and crossings of what is known of the images by the gain they promise.

    Labels of a random part of the training images are looked at, no others. Of a large data set
    some ten thousand images are.

    Args:
        table: the data set.
        regime: of the training that is planned: adapter, scratch or fine-tuning; None is adapter
            where the data set holds embeddings or features are given, and else scratch.
        label_fraction: which part of the training labels, above 0 and at most 1; None is a tenth
            where all training images have one, and else all there are.
        include: columns that are looked at although they are no information.
        largest: parts of a crossing at most.
        features: (n, d) of all images by a frozen encoder, for k-means; None: embeddings of the
            data set, or pixels.
        results: a store whose sweeps refit the relation, together with the shipped points, and
            whose trials of listed clusterings are shown.
        points: what to fit the relation on instead of the shipped points.
        probing: whether the most promising are probed by adapters on the features; None does where
            there are features and the regime is adapter.
        say: is told how far a probe is.
        seed: of the labelled part and of the draws.

    Raises:
        InputError: no labels, a fraction out of range or too small, an unknown column or regime,
            nothing to cluster by, or a probe without features.
    """
    if features is None and not table.has_images:
        features = np.asarray(table.images)
    if regime is None:
        regime = "scratch" if features is None else "adapter"
    if probing is None:
        probing = features is not None and regime == "adapter"
    if probing and features is None:
        raise InputError(
            "a probe needs features: a data set of embeddings, or a store (--results) of trials on "
            "a frozen encoder's features of these images"
        )
    if regime not in REGIMES:
        raise InputError(f"regime {regime!r} is unknown; allowed: {', '.join(REGIMES)}")
    sample = take_sample(table, label_fraction, seed)
    seen = None if features is None else np.asarray(features[sample.rows], dtype=np.float32)
    warned = column_cautions(table.columns, sample.known_labels(table), table.split)
    offer = offer_of(table, sample, include, seen, warned)
    own = gain_points(results) if results is not None else ()
    fit = fit_gain([*(read_points() if points is None else points), *own])
    judge = _Judge(
        sample,
        Scorer(Labelled(sample.known, sample.labels, seed=seed), fit, regime, sample.n_images),
        None if results is None else end_points(results, table.name),
        None if results is None else Trials(results, table, regime),
    )
    found = [*judge.crossings(offer, largest), *judge.wholes(offer, table)]
    different: dict[bytes, Candidate] = {}
    for key, candidate in found:
        different.setdefault(key, candidate)
    if not different:
        raise InputError(f"data set {table.name} has no column that clusters could be made of")
    ranked = sorted(different.items(), key=_rank)
    columns, weights, cost = judge.telling(offer), tuple[Weights, ...](), None
    if probing:
        bench = Bench(table, features, sample, seed=seed)
        ranked = _probed(ranked, bench, say)
        weights = probe_weights([each.column for each in columns], bench, say)
        cost = bench.cost
    notes = _notes(table, sample, own, [w for w in warned if w.column not in include])
    return Advice(
        table.name, regime, len(sample.known), sample.n_images, judge.labelled.h_t, fit.n_points,
        fit.data, tuple(candidate for _, candidate in ranked), columns, weights, notes, cost,
    )  # fmt: skip


def _rank(pair: tuple[bytes, Candidate]) -> tuple[float, ...]:
    candidate = pair[1]
    return (*(-value for value in candidate.rank_by), candidate.nuisance)


def _probed(
    ranked: list[tuple[bytes, Candidate]], bench: Bench, say: Callable[[str], None]
) -> list[tuple[bytes, Candidate]]:
    """The candidates, the most promising probed, in their new order."""
    chosen = _first_round(ranked)
    ids = [np.frombuffer(key, dtype=np.int64)[bench.places] for key, _ in chosen]
    found = probe(ids, bench, say)
    probed = {key: one for (key, _), one in zip(chosen, found, strict=True)}
    new = [(key, replace(candidate, probed=probed.get(key))) for key, candidate in ranked]
    return sorted(new, key=_rank)


def _first_round(ranked: list[tuple[bytes, Candidate]]) -> list[tuple[bytes, Candidate]]:
    """The most promising, half of them of single parts where there are as many."""
    single = [pair for pair in ranked if pair[1].n_parts == 1]
    others = [pair for pair in ranked if pair[1].n_parts != 1]
    n_single = max(FIRST_ROUND // 2, FIRST_ROUND - len(others))
    return single[:n_single] + others[: FIRST_ROUND - min(n_single, len(single))]


class _Judge:
    """Turns clusterings into candidates."""

    def __init__(
        self,
        sample: Sample,
        scorer: Scorer,
        ends: tuple[float, float] | None,
        trials: Trials | None,
    ) -> None:
        self._sample, self._scorer = sample, scorer
        self._ends, self._trials = ends, trials
        self.labelled = scorer.labelled

    def crossings(self, offer: Offer, largest: int) -> list[tuple[bytes, Candidate]]:
        """Single parts, and the best of the searched crossings."""
        groups = {name: part.group for name, part in offer.parts.items()}
        found = search_crossings(offer.ids, groups, self._scorer, largest)
        several = [each for each in found if len(each.steps) > 1][:_SEARCHED]
        single = [each for each in found if len(each.steps) == 1]
        return [self._crossing(each, offer) for each in single + several if _trains(each.ids)]

    def telling(self, offer: Offer) -> tuple[Telling, ...]:
        """The columns that weights can be of, those that say most of the label first."""
        usable = usable_columns(self._sample.table, np.arange(len(self._sample.rows)))
        of_parts = [
            (str(part.spec.column), self.labelled.bits(offer.ids[name], with_error=True))
            for name, part in offer.parts.items()
            if part.spec.column in usable and part.spec.column not in offer.labels
        ]
        return telling(of_parts)

    def wholes(self, offer: Offer, table: ImageTable) -> list[tuple[bytes, Candidate]]:
        """Top-k attributes, and tags taken together."""
        made = [(spec, ids_of(spec, self._sample)) for spec in whole_columns(offer, table)]
        return [self._candidate(_name(spec), spec, ids) for spec, ids in made if _trains(ids)]

    def _crossing(self, found: Found, offer: Offer) -> tuple[bytes, Candidate]:
        names = [name for name, _ in found.steps]
        reason = _say_steps(found) if len(names) > 1 else None
        spec = clustering_of(parts_named(offer, names))
        return self._candidate(" × ".join(names), spec, found.ids, reason, len(names))

    def _candidate(
        self,
        name: str,
        spec: dict[str, Any],
        ids: IntArray,
        reason: str | None = None,
        n_parts: int | None = None,
    ) -> tuple[bytes, Candidate]:
        ids = number_by_appearance(ids, name)
        bits = self.labelled.bits(ids, with_error=True)
        drawn = self._draws(bits)
        low, high = np.percentile(drawn, _INTERVAL)
        gain = Expected(float(drawn.mean()), float(low), float(high))
        return ids.tobytes(), Candidate(
            name=name,
            clustering=spec,
            n_clusters=int(ids.max()) + 1,
            useful=bits.useful,
            useful_error=bits.useful_error,
            nuisance=bits.nuisance,
            gain=gain,
            helps=float((drawn > 0).mean()),
            accuracy=self._accuracy(gain),
            measured=None if self._trials is None else self._trials.of(spec),
            reason=reason or _say(bits),
            n_parts=n_parts,
        )

    def _draws(self, bits: Bits) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Gains, by the error of the bits, of the fit, and by the spread around it."""
        rng = np.random.default_rng(0)  # the same for all, so that the draws do not part equals
        share = np.clip(rng.normal(bits.share, bits.share_error, _DRAWS), 0, 1)
        useful = share * min(bits.h_z, bits.h_t)
        nuisance = (bits.h_z - useful) / np.log2(self._sample.n_images)
        return self._scorer.fit.draw(
            useful / max(bits.h_t, 1e-9), nuisance, self._scorer.regime, rng
        )

    def _accuracy(self, gain: Expected) -> Expected | None:
        if self._ends is None:
            return None
        low, high = self._ends
        values = (min(max(low + g * (high - low), 0.0), 1.0) for g in astuple(gain))
        return Expected(*values)


def _trains(ids: IntArray) -> bool:
    """Whether something can be learnt from clusters: they are neither one nor all single."""
    return 0 < int(ids.max()) < len(ids) - 1


def _name(spec: dict[str, Any]) -> str:
    if spec["source"] == "tags":
        return f"{spec['column']} by {spec['by']}"
    return f"{len(spec['attributes'])} attributes of highest entropy"


def _say(bits: Bits) -> str:
    return (
        f"says {bits.useful:.1f} of the label's {bits.h_t:.1f} bits, "
        f"and {bits.nuisance:.1f} nuisance bits"
    )


def _say_steps(found: Found) -> str:
    """What each part adds to those before it."""
    parts, useful, nuisance = [], 0.0, 0.0
    for name, bits in found.steps:
        more, besides = bits.useful - useful, bits.nuisance - nuisance
        parts.append(f"{name} adds {_change(more)} useful and {_change(besides)} nuisance bits")
        useful, nuisance = bits.useful, bits.nuisance
    return "; ".join(parts)


def _change(bits: float) -> str:
    return f"{max(bits, 0.0):.1f}"  # a fall below 0 is noise of the estimate


def _notes(
    table: ImageTable,
    sample: Sample,
    own: Sequence[Point],
    warned: Sequence[Caution],
) -> tuple[str, ...]:
    notes = caution_lines(warned)
    classes, seen = len(table.label_names), len(np.unique(sample.labels))
    if len(sample.known) < 5 * classes:
        notes.append(
            f"{len(sample.known)} labels of {classes} classes are few: read a small difference "
            "as none."
        )
    if seen < classes:
        notes.append(f"{classes - seen} of {classes} classes have no label among them.")
    if len(sample.rows) < sample.n_images:
        notes.append(f"{len(sample.rows):,} of {sample.n_images:,} training images looked at.")
    if not own:
        notes.append(
            "The relation is the shipped one; give --results a store with a sweep that trained on "
            "instances and labels to refit it."
        )
    return tuple(notes)
