"""Files on a disk or in an object store: whole, and asked for again while the store is away."""

import errno
import os
import re
import stat

import pyarrow.fs as pafs
import pytest

from clinfonce import files
from clinfonce.errors import InputError, StorageError
from clinfonce.files import File, Folder, write_atomically

AWAY = "When getting information: AWS Error NETWORK_CONNECTION during HeadObject: curlCode: 7"


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("/a/b/c.pt", "/a/b/c.pt"),
        ("s3://bucket/a/c.pt?region=us-east-1&scheme=http", "s3://bucket/a/c.pt"),
    ],
)
def test_a_file_is_named_by_a_path_or_a_uri(place, said):
    file = File.at(place)
    assert (str(file), file.name) == (said, "c.pt")
    assert File.at(file) is file
    assert file.folder.path(file.name).endswith("a/c.pt" if "://" in place else "/a/b/c.pt")


def test_a_uri_of_an_unknown_kind_is_refused():
    with pytest.raises(InputError, match=r"'ftp://a/b'.*allowed: a local path, or a URI"):
        Folder.at("ftp://a/b")


def test_a_file_is_written_whole_read_and_removed(tmp_path):
    file = Folder.at(tmp_path).file("deep/a.bin")
    assert not file.exists()
    with pytest.raises(FileNotFoundError):
        file.read()
    file.write(b"abc")
    assert file.read() == b"abc"
    file.remove()
    file.remove()
    assert not list((tmp_path / "deep").iterdir())


def test_a_full_disk_is_told_and_leaves_the_old_file(tmp_path, monkeypatch):
    folder = Folder.at(tmp_path)
    folder.write("a", b"old")

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match=re.escape(f"no space left in {tmp_path}: make room")):
        folder.write("a", b"new")
    assert folder.read("a") == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


@pytest.fixture
def store(tmp_path, monkeypatch):
    """A folder that counts as an object store, whose pauses take no time."""
    (tmp_path / "bucket").mkdir()
    now = [0.0]
    monkeypatch.setattr(files.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(files.time, "sleep", lambda pause: now.append(now.pop() + pause))
    filesystem = pafs.SubTreeFileSystem(str(tmp_path), pafs.LocalFileSystem())
    return Folder(filesystem, "bucket", "s3://bucket?secret=1"), now


def test_an_object_store_that_is_away_is_asked_again(store):
    folder, now = store
    answers = [OSError(AWAY), OSError("AWS Error SLOW_DOWN"), None]

    def question():
        if (answer := answers.pop(0)) is not None:
            raise answer
        return "here"

    assert folder.ask(question) == "here"
    assert 0 < now[0] < 1


def test_one_that_stays_away_is_given_up_after_minutes(store):
    folder, now = store

    def question():
        raise OSError(AWAY)

    with pytest.raises(StorageError, match="cannot use s3://bucket: When getting") as caught:
        folder.ask(question)
    assert 290 < now[0] < 320
    assert "secret" not in str(caught.value)


def test_a_refusal_is_told_at_once(store):
    folder, now = store

    def question():
        raise OSError("AWS Error ACCESS_DENIED during PutObject operation: no")

    with pytest.raises(StorageError, match="ACCESS_DENIED"):
        folder.ask(question)
    assert now[0] == 0


def test_what_is_no_file_is_written_to_and_stays(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    write_atomically(pipe, [b"a", b"b"])
    assert os.read(reader, 9) == b"ab"
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    os.close(reader)
    with pytest.raises(IsADirectoryError) as caught:
        write_atomically(tmp_path, b"x")
    assert caught.value.filename == str(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["pipe"]


def test_a_link_leads_to_the_file_that_is_written(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "file")
    for content in (b"old", b"new"):
        write_atomically(tmp_path / "link", content)
        assert (tmp_path / "file").read_bytes() == content
    assert (tmp_path / "link").is_symlink()


def test_an_error_names_the_file_that_was_asked_for(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(OSError, match=r"Not a directory|File exists") as caught:
        write_atomically(tmp_path / "file" / "inner", b"x")
    assert caught.value.filename == str(tmp_path / "file" / "inner")


@pytest.mark.parametrize("place", ["s3://", "s3:///x", "s3://a b/c", "gs://"])
def test_a_uri_without_a_bucket_is_refused(place):
    with pytest.raises(InputError, match=re.escape(place)):
        Folder.at(place).has("store.json")
