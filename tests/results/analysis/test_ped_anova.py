from pathlib import Path

import numpy as np
import pytest

from clinfonce.results import Store
from clinfonce.results import open as open_results
from clinfonce.results.analysis.ped_anova import ped_anova
from tests.results.store.test_store import rows


def searched(path: Path, n: int, **changes: object) -> Store:
    """Trials whose accuracy is that of attribute `useful`."""
    store = Store.create(path)
    rng = np.random.default_rng(0)
    for i in range(n):
        chosen = [name for name in ("idle", "useful", "vain") if rng.random() < 0.5]
        accuracy = 0.5 + 0.3 * ("useful" in chosen) + 0.05 * rng.random()
        trial, epochs, clustering = rows(
            f"t{i}",
            number=i,
            role="search",
            source="attributes",
            attributes=chosen,
            images_per_cluster=4,
            test_linear_top1_5=accuracy,
        )
        store.write_trial(trial | changes, epochs, clustering)
    return store


def test_the_attribute_that_decides_is_found(tmp_path: Path) -> None:
    found = ped_anova(open_results(searched(tmp_path, 120)))
    assert {s.name for s in found} == {"useful", "idle", "vain"}
    shares = {s.name: s.share.estimate or 0 for s in found}
    assert shares["useful"] > max(shares["idle"], shares["vain"])
    assert sum(s.share.estimate or 0 for s in found) == pytest.approx(1)
    for share in found:
        assert share.share.low is not None
        assert share.share.high is not None
        assert 0 <= share.share.low <= share.share.high <= 1
    assert found == ped_anova(open_results(Store.open(tmp_path))), "seeded"


def test_too_few_trials_or_none_searched_say_nothing(tmp_path: Path) -> None:
    assert ped_anova(open_results(searched(tmp_path / "few", 11))) == ()
    assert ped_anova(open_results(searched(tmp_path / "fixed", 20, role="fixed"))) == ()
    assert ped_anova(open_results(searched(tmp_path / "failed", 20, status="failed"))) == ()
