"""Prepared data sets in an object store, and ones that are larger than the memory."""

import os
import pickle
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from clinfonce.data import load, prepare_folder
from clinfonce.data.storage import shards
from clinfonce.data.storage.places import Place
from clinfonce.errors import InputError
from tests import gcs

N = 24


@pytest.fixture(scope="module")
def store():
    """An S3 of our own on the loopback; yields the options that a URI of it needs."""
    server = pytest.importorskip("moto.server")
    os.environ.pop("AWS_PROFILE", None)
    running = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    yield f"?scheme=http&endpoint_override={host}:{port}&allow_bucket_creation=true"
    running.stop()


@pytest.fixture
def s3(store, tmp_path, monkeypatch):
    """A function from a name to a URI in a bucket of the test's own."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    from pyarrow import fs

    bucket = f"b{abs(hash(str(tmp_path)))}"
    files, _ = fs.FileSystem.from_uri(f"s3://{bucket}/x{store}")
    files.create_dir(bucket)
    return lambda name: f"s3://{bucket}/{name}{store}"


@pytest.fixture(params=["s3", "gs"])
def place(request, tmp_path, monkeypatch):
    """A function from a name to a URI, in each kind of store."""
    if request.param == "s3":
        yield request.getfixturevalue("s3")
        return
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with gcs.running() as options:
        yield lambda name: f"gs://anonymous@birds/{name}{options}&retry_limit_seconds=20"


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "photos"
    root.mkdir()
    lines = ["path,label,price"]
    for i in range(N):
        Image.new("RGB", (8, 8), (i * 10, 0, 255)).save(root / f"{i}.png")
        lines.append(f"{i}.png,{'ab'[i % 2]},{i / 4}")
    (tmp_path / "photos.csv").write_text("\n".join(lines))
    return tmp_path


def prepare(folder, out, **options):
    options = {"image_size": 4, "threads": 1} | options
    return prepare_folder(folder / "photos", folder / "photos.csv", out, **options)


@pytest.mark.parametrize("storage", ["raw", "encoded"])
def test_an_object_store(folder, place, monkeypatch, storage):
    monkeypatch.setattr(shards, "SHARD_BYTES", 300)
    here = load(prepare(folder, folder / "here", storage=storage).folder)
    made = prepare(folder, place("birds"), storage=storage)
    assert made.table.fingerprint == here.fingerprint
    there = load(made.folder)
    assert there.name == "birds"
    assert np.array_equal(there.images[:], here.images[:])
    assert there.columns["price"].values.tolist() == here.columns["price"].values.tolist()
    with pytest.raises(InputError, match="already exists"):
        prepare(folder, place("birds"))
    again = load(made.folder, folder / "copies")
    assert np.array_equal(again.images[3:5], here.images[3:5])
    assert len(list((folder / "copies").rglob("*.arrow"))) > 3


def test_another_machine_fetches_its_own_copy(folder, place):
    table = load(prepare(folder, place("birds")).folder)
    sent = pickle.dumps(table)
    (copy,) = (folder / "cache").rglob("*.arrow")
    copy.unlink()
    assert np.array_equal(pickle.loads(sent).images[:], table.images[:])
    assert copy.is_file()


def test_broken_off_work_goes_on_in_the_store(folder, place, monkeypatch):
    from clinfonce.data.prepared import packing as _packing

    monkeypatch.setattr(shards, "SHARD_BYTES", 5 * 48)
    real, opened = _packing.decode, []

    def decode(file, size):
        if len(opened) == 13:
            raise KeyboardInterrupt
        opened.append(file)
        return real(file, size)

    monkeypatch.setattr(_packing, "decode", decode)
    with pytest.raises(KeyboardInterrupt):
        prepare(folder, place("birds"))
    with pytest.raises(InputError, match="no prepared data set is there"):
        load(place("birds"))
    seen = []
    monkeypatch.setattr(_packing, "decode", lambda f, s: seen.append(f) or real(f, s))
    made = prepare(folder, place("birds"))
    assert len(seen) == N - 10
    assert load(made.folder).images[:, 0, 0, 0].tolist() == [i * 10 for i in range(N)]


def test_training_on_a_data_set_in_a_store(folder, place):
    from clinfonce.config import TrialSpec
    from clinfonce.trial.run import run_trial

    spec = {
        "encoder": {"width": 4},
        "head": {"hidden_dim": 8, "out_dim": 4},
        "sampler": {"batch_size": 6},
        "augmentation": "digits",
        "clustering": {"source": "attributes", "attributes": ["price"]},
        "epochs": 1,
    }
    made = prepare(folder, place("birds"), image_size=8)
    result = run_trial(TrialSpec.model_validate(spec), load(made.folder), experiment="store")
    assert result.trial["status"] == "complete"
    assert result.clustering["n_clusters"] == 2


def test_places_that_cannot_be_read(s3, tmp_path):
    with pytest.raises(InputError, match="no prepared data set is there"):
        load(s3("nothing"))
    for uri in ("what://bucket/x", "s3://"):
        with pytest.raises(InputError, match=uri[:4]):
            load(uri)
    with pytest.raises(InputError, match="no such file"):
        Place.of(tmp_path).read("nothing")


def test_file_uris_are_paths(folder):
    made = prepare(folder, f"file://{folder}/out")
    assert load(f"file://{folder}/out").fingerprint == made.table.fingerprint
    assert not (folder / "out.partial").exists()


LARGE = """
import resource, sys, numpy as np, torch
from clinfonce.config import TrialSpec
from clinfonce.data import load
from clinfonce.trial.run import run_trial
table = load(sys.argv[1])
limit = int(sys.argv[2])
used = int(next(l for l in open("/proc/self/status") if l.startswith("VmData")).split()[1]) * 1024
resource.setrlimit(resource.RLIMIT_DATA, (used + limit, used + limit))
try:
    np.ones(table.images.nbytes, np.uint8)
except MemoryError:
    pass
else:
    raise SystemExit("the limit does not hold")
spec = TrialSpec.model_validate({
    "encoder": {"width": 2}, "head": {"hidden_dim": 8, "out_dim": 8}, "epochs": 1,
    "sampler": {"batch_size": 16}, "evaluation": {"draws": 1}, "augmentation": "digits",
})
print(run_trial(spec, table, experiment="large").trial["status"])
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits of Linux")
def test_a_data_set_larger_than_the_memory_trains(tmp_path):
    """800 MB of pixels where 700 MB may be allocated."""
    from clinfonce.data.prepared import packed
    from clinfonce.data.storage.images import PackedImages
    from clinfonce.data.table import ImageTable

    n, side, parts = 2048, 128, 8
    place, made = Place.of(tmp_path / "large"), []
    rng = np.random.default_rng(0)
    for number in range(parts):
        pixels = rng.integers(0, 256, (n, 3, side, side), np.uint8)
        note = shards.Note("", n, [], [], str(number))
        made.append(shards.write_shard(place, number, list(pixels), note, "raw"))
    images = PackedImages(tmp_path / "large", made, (3, side, side), "raw")
    labels = np.arange(n * parts) % 2
    split = np.array([0, 1, 2, 2, 2], np.int8)[np.arange(n * parts) // 2 % 5]
    table = ImageTable("large", images, labels, ("a", "b"), split)
    packed.write_table(place, table, made, "raw", notes={})
    command = [sys.executable, "-c", LARGE, str(tmp_path / "large"), str(700 << 20)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "complete", done.stderr[-2000:]
