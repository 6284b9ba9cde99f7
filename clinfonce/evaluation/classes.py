"""Probes of a target of classes: a linear classifier, kNN and retrieval."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from clinfonce.errors import InputError
from clinfonce.evaluation.accuracy import check_labels, ranks
from clinfonce.evaluation.bootstrap import interval, mean_interval
from clinfonce.evaluation.few_labels import few_label_draws
from clinfonce.evaluation.groups import Groupings, balanced_by_group, group_scores
from clinfonce.evaluation.knn import few_label_votes, votes_of
from clinfonce.evaluation.linear import Answers, first_classes, probe_standard
from clinfonce.evaluation.measures import Counts
from clinfonce.evaluation.retrieval import retrieved
from clinfonce.evaluation.scores import Score
from clinfonce.evaluation.space import Space

TOPS = (1, 5)
_FAIR: Mapping[str, Callable[[Counts], Tensor]] = {
    "balanced": lambda counts: counts.balanced_accuracy,
    "macro_f1": lambda counts: counts.macro_f1,
}


@dataclass(frozen=True)
class Protocol:
    """How classes are probed.

    Attributes:
        labels_per_class: numbers of labels of the few-label protocol.
        draws: fixed draws of labelled images that each of them is averaged over.
        seed: of the draws.
        temperature: of kNN's votes.
        balanced: whether each class weighs the same in the probes with all labels.
        few_by_knn: whether kNN too is probed with few labels.
    """

    labels_per_class: tuple[int, ...] = (1, 5, 10)
    draws: int = 20
    seed: int = 0
    temperature: float = 0.07
    balanced: bool = False
    few_by_knn: bool = True


class ClassProbes:
    """Everything that is measured of one target of classes.

    Args:
        space: features of images whose class is known.
        labels: int64 (n,) of the splits train, val and, where features have it, test.
        n_classes: how many classes there are, each with a training image.
        protocol: of the probes.

    Raises:
        InputError: labels that do not fit, or a class without a training image.
    """

    def __init__(
        self, space: Space, labels: Mapping[str, Tensor], n_classes: int, protocol: Protocol
    ) -> None:
        self.space, self.n_classes, self.protocol = space, n_classes, protocol
        self.train_y = check_labels(space.train, labels["train"], n_classes, "train_y")
        self.splits = {
            name: check_labels(x, labels[name], n_classes, f"{name}_y")
            for name, x in space.splits.items()
        }
        self.labels = {"train": self.train_y, **self.splits}
        self.sizes = torch.bincount(self.train_y, minlength=n_classes)
        if int(self.sizes.min()) == 0:
            raise InputError(f"train_y has no image of class {int(self.sizes.argmin())}")

    def accuracies(self) -> Iterator[Score]:
        """Top-1 and top-5 accuracy with all labels and with few; none with too few images."""
        for split, probe, answers in self._answers:
            yield from self._tops(split, probe, "all", answers)
        for number in self.protocol.labels_per_class:
            if number <= int(self.sizes.min()):
                for split, probe, answers in self._few(number):
                    yield from self._tops(split, probe, str(number), answers)

    def fair(self, names: Sequence[str], target: str, groupings: Groupings) -> Iterator[Score]:
        """What a mean over images hides: by class, by group, and retrieval.

        Args:
            names: of the classes.
            target: its name, by which single classes are grouped.
            groupings: of the images.
        """
        for split, probe, answers in self._answers:
            predicted, y = answers.predicted[0], self.splits[split]
            counts = Counts.of(predicted, y, self.n_classes)
            intervals = self._intervals(predicted, y) if split == "test" else {}
            for measure, value in _FAIR.items():
                low, high = intervals.get(measure, (None, None))
                yield Score(
                    split, probe, "all", measure, float(value(counts)), low=low, high=high,
                    images=len(y),
                )  # fmt: skip
            if split == "test":
                yield from _by_class(probe, counts, names, target)
            right = (answers.ranks[0] == 0).double()
            whole = Score(split, probe, "all", "top1", float(right.mean()))
            yield from group_scores(whole, right, groupings)
            balanced = replace(whole, measure="balanced")
            yield from balanced_by_group(balanced, right, y, groupings)
        for split in self.splits:
            yield from self._retrieval(split)

    @cached_property
    def _answers(self) -> list[tuple[str, str, Answers]]:
        """(split, probe, answers) with all labels."""
        linear = probe_standard(
            self.space.standard,
            self.labels,
            n_classes=self.n_classes,
            balanced=self.protocol.balanced,
        ).answers
        return [
            (split, probe, answers)
            for split in self.splits
            for probe, answers in (("linear", linear[split]), ("knn", self._knn(split)))
        ]

    def _knn(self, split: str) -> Answers:
        near, y = self.space.neighbours(split), self.splits[split]
        voted = votes_of(
            near.nearest, self.train_y[near.index], self.protocol.temperature, self.n_classes
        )
        if self.protocol.balanced:
            voted = voted / self.sizes
        ranked = ranks(voted.T, y)[None]
        return Answers(ranked, first_classes(voted.T, ranked, y))

    def _few(self, number: int) -> Iterator[tuple[str, str, Answers]]:
        p = self.protocol
        draws = few_label_draws(self.train_y, number, p.draws, p.seed)
        probe = probe_standard(
            self.space.standard, self.labels, n_classes=self.n_classes, draws=draws
        )
        for split, y in self.splits.items():
            yield split, "linear", probe.answers[split]
            if not p.few_by_knn:
                continue
            each = few_label_votes(
                self.space.targets,
                self.train_y,
                self.space.queries[split],
                draws,
                k=self.space.k,
                temperature=p.temperature,
                n_classes=self.n_classes,
            )
            ranked = torch.stack([ranks(scores.T, y) for scores in each])
            yield split, "knn", Answers(ranked, y.new_empty(0, len(y)))

    def _tops(self, split: str, probe: str, labels: str, answers: Answers) -> Iterator[Score]:
        """Means over the draws, with the spread over them and the interval over images."""
        for k in TOPS:
            reached = answers.top(k)
            spread = None
            if labels != "all":
                spread = float(reached.std()) if len(reached) > 1 else 0.0
            low = high = None
            if split == "test":
                of_images = (answers.ranks < k).double().mean(0)
                low, high = mean_interval(self.space.resamples, of_images)
            yield Score(
                split, probe, labels, f"top{k}", float(reached.mean()), spread, low=low, high=high,
                images=answers.ranks.shape[1],
            )  # fmt: skip

    def _intervals(self, predicted: Tensor, y: Tensor) -> dict[str, tuple[float, float]]:
        """Of what was predicted of the test images, by measure."""
        weights = self.space.resamples
        drawn = Counts.of(predicted, y, self.n_classes, weights)
        return {
            measure: interval(weights, lambda _, value=value: value(drawn))  # type: ignore[misc]
            for measure, value in _FAIR.items()
        }

    def _retrieval(self, split: str) -> Iterator[Score]:
        near = self.space.ranking(split)
        found = retrieved(near.order, self.train_y, self.splits[split][near.queries])
        for measure, values in found.items():
            yield Score(
                split, "retrieval", "all", measure, float(values.nanmean()), images=len(values)
            )


def _by_class(probe: str, counts: Counts, names: Sequence[str], target: str) -> Iterator[Score]:
    for place, name in enumerate(names):
        if images := int(counts.actual[place]):
            yield Score(
                "test", probe, "all", "recall", float(counts.recalls[place]), grouped_by=target,
                group=name, images=images,
            )  # fmt: skip
