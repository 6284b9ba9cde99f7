"""Several targets side by side, on a made-up store whose answers are known."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import ttest_1samp

from clinfonce.results import Results, Store, relate
from clinfonce.results import open as open_results
from clinfonce.results.analysis.targets import Best, Targets, targets_of
from clinfonce.results.report.targets import target_section
from clinfonce.results.store.measures import parse_metric
from clinfonce.results.store.scores import score_row
from tests.results.store.test_store import rows

SEEDS = 4
# Of each clustering its accuracy for kind and for tags, and in the groups of a camera.
QUALITY = {"instances": (0.50, 0.60), "colour": (0.70, 0.58), "shape": (0.55, 0.80),
           "labels": (0.90, 0.50)}  # fmt: skip
NOISE = np.random.default_rng(0).normal(size=(4, 2, SEEDS)) / 100


def store_of(path: Path, *, seeds: int = SEEDS) -> Store:
    store = Store.create(path)
    for place, (name, quality) in enumerate(QUALITY.items()):
        for seed in range(seeds):
            source = name if name in ("instances", "labels") else "column"
            trial, epochs, clustering = rows(
                f"{name}-{seed}", number=10 * place + seed, seed=seed, source=source, target="kind",
                clustering=name, clustering_id=name, objective="cl_infonce",
            )  # fmt: skip
            store.write_trial(
                trial, epochs, clustering | {"clustering_id": name, "name": name},
                scores_of(quality, NOISE[place, :, seed]),
            )  # fmt: skip
    return store


def scores_of(quality: tuple[float, float], noise: np.ndarray) -> list[dict[str, Any]]:
    found = []
    for split in ("val", "test"):
        for name, value in zip(("kind:top1", "tags:map"), quality + noise, strict=True):
            target, measure = name.split(":")
            metric = parse_metric(f"{target}:{split}_linear_{measure}_all")
            found.append(score_row(metric, value=float(value), images=40))
    metric = parse_metric("kind:test_linear_top1_all")
    for camera, images, less in (("left", 30, 0.1), ("top", 8, 0.5), ("right", 12, 0.3)):
        group = {"grouped_by": "camera", "group": camera, "images": images}
        found.append(score_row(metric, value=quality[0] - less, **group))
    return found


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return open_results(store_of(tmp_path_factory.mktemp("targets")))


@pytest.fixture(scope="module")
def targets(results: Results) -> Targets:
    return targets_of(results)


def best_of(targets: Targets) -> dict[str, Best]:
    return {best.target: best for best in targets.best}


def test_each_target_has_its_best(targets: Targets) -> None:
    best = best_of(targets)
    assert (best["kind"].name, best["kind"].rival) == ("colour", "shape"), "labels are a bound"
    assert (best["tags"].name, best["tags"].rival) == ("shape", "instances")
    assert best["tags"].metric == "tags:test_linear_map_all"
    assert best["kind"].is_beyond_doubt
    assert "beyond doubt" in best["kind"].line
    assert "validation chooses colour" in best["kind"].line


def test_the_gain_is_paired_by_seed(targets: Targets) -> None:
    best = best_of(targets)["kind"]
    gains = 0.70 - 0.55 + NOISE[1, 0] - NOISE[2, 0]
    interval = ttest_1samp(gains, 0).confidence_interval(0.95)
    assert best.pairs == SEEDS
    assert best.gain.estimate == pytest.approx(gains.mean())
    assert best.gain.low == pytest.approx(interval.low)
    assert best.gain.high == pytest.approx(interval.high)


def test_a_table_of_targets_and_clusterings(targets: Targets) -> None:
    assert list(targets.metrics) == ["kind", "tags"], "the trial's own first"
    assert [name for name, _ in targets.names] == ["labels", "colour", "shape", "instances"]
    cell = targets.cells[1][1]
    assert cell is not None
    values = 0.58 + NOISE[1, 1]
    assert cell.value == pytest.approx(values.mean())
    assert cell.spread == pytest.approx(values.std(ddof=1))


def test_the_worst_groups(targets: Targets) -> None:
    worst = targets.losing[0]
    assert (worst.column, worst.group, worst.images) == ("camera", "right", 12)
    assert worst.value == pytest.approx(0.4)
    assert worst.instances == pytest.approx(0.2)
    assert worst.whole == pytest.approx((30 * 0.6 + 8 * 0.2 + 12 * 0.4) / 50)


def test_one_seed_puts_nothing_beyond_doubt(tmp_path: Path) -> None:
    best = best_of(targets_of(open_results(store_of(tmp_path, seeds=1))))["kind"]
    assert not best.is_beyond_doubt
    assert "with one seed in common nothing is beyond doubt" in best.line


def test_what_hardly_differs_is_not_beyond_doubt(tmp_path: Path) -> None:
    store = store_of(tmp_path)
    for seed in range(SEEDS):
        trial, _, _ = rows(
            f"twin-{seed}", number=90 + seed, seed=seed, source="column", target="kind",
            clustering="twin", clustering_id="twin", objective="cl_infonce",
        )  # fmt: skip
        twin = scores_of(QUALITY["colour"], NOISE[1, :, ::-1][:, seed])
        store.write_trial(trial, [], None, twin)
    best = best_of(targets_of(open_results(store)))["kind"]
    assert {best.name, best.rival} == {"colour", "twin"}
    assert not best.is_beyond_doubt


@pytest.mark.parametrize(("others", "says"), [(10, True), (40, False)])
def test_accuracy_says_little_where_most_images_are_of_one_class(
    tmp_path: Path, others: int, says: bool
) -> None:
    """It is 0.70: below the 90 % of one class, well above the 60 % of another."""
    store = store_of(tmp_path)
    metric = parse_metric("kind:test_linear_top1_all")
    more = [score_row(replace(metric, measure="balanced"), value=0.4, images=100)]
    for name, images in (("<no>", 100 - others), ("yes", others)):
        by_class = {"grouped_by": "kind", "group": name, "images": images}
        more.append(score_row(replace(metric, measure="recall"), value=0.5, **by_class))
    for seed in range(SEEDS):
        noise = NOISE[1, :, seed]
        trial, _, _ = rows(
            f"more-{seed}", number=70 + seed, seed=seed, source="column", target="kind",
            clustering="best", clustering_id="best", objective="cl_infonce",
        )  # fmt: skip
        scores = [*scores_of((0.75, 0.5), noise), *more]
        store.write_trial(trial, [], None, scores)
    results = open_results(store)
    found = targets_of(results)
    assert best_of(found)["kind"].name == "best"
    if not says:
        assert found.uneven == ()
        return
    (uneven,) = found.uneven
    assert (uneven.target, uneven.commonest, uneven.share) == ("kind", "<no>", 0.9)
    assert uneven.balanced == pytest.approx(0.4)
    assert "kind: 90.0 % of the test images are of class <no>, so an accuracy of 7" in uneven.line
    metric_named = uneven.line.rpartition("--metric ")[2].rstrip(")")
    assert relate(results, metric=metric_named).rows[0].accuracy == pytest.approx(0.4)
    assert "of class &lt;no&gt;, so an accuracy" in target_section(found)


@pytest.mark.parametrize(
    ("measure", "more"),
    [("balanced", {}), ("top1_worst", {"grouped_by": "camera"}), ("top1", {}), ("top5", {})],
)
def test_frozen_is_compared_by_the_measure_that_is_asked_for(
    tmp_path: Path, measure: str, more: dict[str, str]
) -> None:
    store = Store.create(tmp_path)
    metric = replace(parse_metric("kind:test_linear_top1_all"), measure=measure, **more)
    for name, value in (("frozen", 0.3), ("colour", 0.4)):
        trial, epochs, clustering = rows(
            name, source="frozen" if name == "frozen" else "column", target="kind", seed=0,
            clustering=name, clustering_id=name, encoder="net", weights="a", weights_sha256="a",
        )  # fmt: skip
        plain = [score_row(parse_metric(f"kind:{s}_linear_top1_5"), value=0.9 - value)
                 for s in ("val", "test")]  # fmt: skip
        asked = [score_row(replace(metric, split=s), value=value) for s in ("val", "test")]
        store.write_trial(trial, epochs, clustering, [*plain, *asked])
    relation = relate(open_results(store), metric=metric.name)
    first = relation.against_frozen[0]
    assert (first.metric, first.frozen, first.adapted) == (metric.name, 0.3, 0.4)
    assert "That is 10.0 points above the frozen encoder (30.0 %)" in relation.answer


def test_relate_holds_it_too(results: Results) -> None:
    relation = relate(results, metric="tags:test_linear_map_all")
    assert relation.rows[0].name == "shape"
    found = relation.to_json()["targets"]
    assert [best["name"] for best in found["best"]] == ["colour", "shape"]


def test_a_store_without_trials(tmp_path: Path) -> None:
    found = targets_of(open_results(Store.create(tmp_path)))
    assert not found.are_several
    assert found.best == ()
