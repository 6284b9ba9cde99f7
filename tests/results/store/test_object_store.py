"""The store in S3, as a local server imitates it."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow.fs as pafs
import pytest

from clinfonce.errors import InputError
from clinfonce.results import Store
from clinfonce.results import open as open_results
from clinfonce.results.store.transfer import take_sweep
from tests.results.store.test_store import rows

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    server = pytest.importorskip("moto.server", reason="moto, which imitates S3, is not installed")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    running = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    options = f"scheme=http&endpoint_override={host}:{port}&region=us-east-1"
    pafs.FileSystem.from_uri(f"s3://x?{options}&allow_bucket_creation=true")[0].create_dir(
        "results"
    )
    yield f"s3://results/home?{options}"
    running.stop()


def test_a_store_in_s3(place: str) -> None:
    with pytest.raises(InputError, match="no results in"):
        Store.open(place)
    store = Store.create(place)
    for name in "abc":
        store.write_trial(*rows(name))
    store = Store.create(place)
    assert store.trial_ids() == set("abc")
    store.remove(["b"])
    results = open_results(place)
    count = "select count(*) n from trials join epochs using (trial_id)"
    assert results.sql(count).to_pylist() == [{"n": 6}]
    store.compact()
    assert results.sql(count).to_pylist() == [{"n": 6}]
    assert sorted(Store.open(place).finished()) == ["a", "c"]
    assert len(store.epochs_of("c")) == 3


def test_a_sweep_comes_home_from_s3(place: str, tmp_path: Path) -> None:
    store = Store.create(place)
    for name in "ab":
        store.write_trial(*rows(name))
    home = Store.create(tmp_path / "home")
    take_sweep(home, Store.open(place), "s")
    assert home.finished() == store.finished()
    assert home.epochs_of("a") == store.epochs_of("a")


def test_a_bucket_that_is_not_there(place: str) -> None:
    with pytest.raises(InputError, match=r"cannot write results to 's3://nowhere.*bucket"):
        Store.create(place.replace("s3://results", "s3://nowhere"))
