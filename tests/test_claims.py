"""The tables of docs/claims.md: their statistics, and that they are of the rows kept beside."""

import csv
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, "benchmarks")
import claims
import claims_rows
import claims_statistics
import claims_summary
import theory


def trials(accuracies, **known):
    bits = dict.fromkeys(claims.INFORMATION, 1.0)
    return [
        {"objective": "cl_infonce", "source": "attributes", "k": 20.0}
        | {f"{split}_{metric}": value for split in ("val", "test") for metric in claims.METRICS}
        | bits
        | known
        for value in accuracies
    ]


@pytest.fixture
def methods():
    return {
        "InfoNCE": trials([0.40, 0.41, 0.42], source="instances"),
        "SupCon": trials([0.50, 0.51, 0.52], source="labels"),
        "colour": trials([0.45, 0.46, 0.47]),
        "place": trials([0.44, 0.47, 0.49]),
        "cross-entropy, colour": trials([0.44, 0.46, 0.45], objective="cross_entropy"),
    }


def test_a_t_interval_is_that_of_the_tables():
    found = claims_statistics.t_interval(np.array([1.0, 2.0, 3.0]))
    assert found.estimate == 2
    assert found.high - 2 == pytest.approx(4.3027 / np.sqrt(3), abs=1e-4)


def test_holm_multiplies_the_smallest_by_their_number_and_never_falls():
    assert claims_statistics.holm([0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.03, 0.06])
    assert claims_statistics.holm([0.6, 0.9]) == [1.0, 1.0]


def test_a_mean_that_is_its_deviation_over_three_seeds_is_no_discovery():
    assert claims_statistics.p_value(np.array([0.0, 1.0, 2.0])) == pytest.approx(0.2254, abs=1e-4)


def test_half_of_a_gap_that_is_the_same_for_each_seed_is_closed_without_doubt(methods):
    found = claims_statistics.closed(methods, "colour", "linear_top1_5")
    assert (found.estimate, found.low, found.high) == pytest.approx((0.5, 0.5, 0.5))
    wider = claims_statistics.closed(methods, "place", "linear_top1_5")
    assert wider.low < wider.estimate < wider.high


def test_no_part_of_a_gap_is_closed_that_seeds_do_not_confirm(methods):
    methods["SupCon"] = trials([0.30, 0.60, 0.45], source="labels")
    assert claims_statistics.closed(methods, "colour", "linear_top1_5") is None


def test_every_comparison_is_paired_by_seed_and_counted_in_its_correction(methods):
    methods["cross-entropy, place"] = methods.pop("cross-entropy, colour")
    found = claims_summary.comparisons({"digits": methods})
    assert [(each.question, each.names) for each in found] == [
        ("auxiliary over InfoNCE", ("place", "InfoNCE")),
        ("SupCon over auxiliary", ("SupCon", "place")),
        ("contrast over classifier", ("place", "cross-entropy, place")),
    ]
    assert found[0].apart == pytest.approx([0.04, 0.06, 0.07])
    assert found[0].effect == pytest.approx(0.17 / 3 / np.std([4, 6, 7], ddof=1) * 100)
    rows = [line.split("|") for line in claims_summary.summary({"digits": methods})][2:]
    p = [claims_statistics.p_value(each.apart) for each in found]
    expected = claims_statistics.holm(p)
    assert [row[-2].strip() for row in rows] == [claims_statistics.say_p(each) for each in expected]


def test_a_verdict_counts_what_is_told_by_regime(methods):
    surely = trials([0.450001, 0.46, 0.469999])  # 5 points from the ends, for every seed
    found = methods | {"colour": surely, "frozen": trials([0.42, 0.40, 0.41])}
    del found["place"]
    all_methods = {"digits": found, "ucmerced": found, "ucmerced-adapters": found}
    rows = [line.split("|")[1:-1] for line in claims_summary.verdicts(all_methods)]
    heads, _, *rows = [[cell.strip() for cell in row] for row in rows]
    told = {row[0]: dict(zip(heads[1:], row[1:], strict=True)) for row in rows}
    assert told["auxiliary over InfoNCE"]["from scratch, small"] == "2 ahead"
    assert told["auxiliary over InfoNCE"]["adapter"] == "1 ahead"
    assert told["auxiliary over InfoNCE"]["from scratch, 64 px"] == "–"
    assert told["InfoNCE over frozen"]["adapter"] == "1 open"


def test_validation_chooses_the_auxiliary_clustering(methods):
    assert claims_statistics.chosen(methods) == "place"
    for trial in methods["place"]:
        trial["val_linear_top1_5"] = 0.1  # whatever the test split says
    assert claims_statistics.chosen(methods) == "colour"


def test_a_method_counts_once_every_seed_has_run(tmp_path, monkeypatch):
    rows = [
        {"role": role, "name": name, "seed": seed, "k": None}
        for name, role, seed in [
            ("InfoNCE", "choose", 0), ("InfoNCE", "fixed", 2), ("InfoNCE", "fixed", 1),
            ("colour", "fixed", 1),
        ]
    ]  # fmt: skip
    monkeypatch.setattr(claims_rows, "ROWS", tmp_path)
    claims_rows.write_rows(tmp_path / "digits.csv", rows)
    found = claims.read_methods("digits")
    assert {name: [trial["seed"] for trial in each] for name, each in found.items()} == {
        "InfoNCE": [1, 2]
    }


def test_the_page_s_tables_are_those_of_the_rows_kept():
    methods = {data: claims.read_methods(data) for data in claims.DATA}
    assert all(claims.seeds_of(found) >= 4 for found in methods.values())
    for path in claims.BLOCKS:
        page = Path(path).read_text(encoding="utf-8")
        assert claims.filled(page, path, methods) == page


def test_what_each_number_tells_is_that_of_the_points_kept():
    kept = Path(theory.TABLE).read_text(encoding="utf-8").splitlines()
    points = theory.read(theory.POINTS)
    for row, line in zip(theory.told(points), list(csv.DictReader(kept)), strict=True):
        for name, value in row.items():
            if isinstance(value, float):
                assert float(line[name]) == pytest.approx(value, abs=0.02, nan_ok=True), row
            else:
                assert line[name] == str(value)


def test_a_number_is_asked_of_images_that_it_was_not_fitted_on():
    def point(data, i_zt, gain):
        return {"data": data, "regime": "adapter", "clustering": "c", "h_z": 2.0, "h_t": 2.0,
                "i_zt": i_zt, "i_zt_chance": 0.0, "gain": gain, "gap": 0.5, "log2_n": 4.0,
                "i_pairs": 0.0, "i_pairs_chance": 0.0, "visible": 0.0}  # fmt: skip

    known = (0.0, 0.0, 1.0, 1.0, 2.0, 2.0)
    a = [point("a", x, x / 2) for x in known]
    b = [point("b/other", x, x / 2 + 0.1) for x in known]
    rows = {row["number"]: row for row in theory.told(a + b)}
    assert rows["I(Z;T)"]["a"] == pytest.approx(5)  # a tenth of the way, half a point each
    assert rows["I(Z;T)"]["rho"] == 1
    assert rows["mean"]["error"] == pytest.approx(100 * 0.5 * (1 / 6 + 0.01) ** 0.5, abs=0.01)
