"""Images that lie in an archive."""

import tarfile

import pytest
from PIL import Image

from clinfonce.data import load, prepare_folder
from clinfonce.errors import InputError

N = 8


@pytest.fixture
def root(tmp_path):
    """The same pictures in a folder and in an archive, and a table of them."""
    (tmp_path / "photos/sub").mkdir(parents=True)
    paths = [f"sub/{i}.png" for i in range(N)]
    for i, path in enumerate(paths):
        Image.new("RGB", (6, 6), (i * 30, 0, 0)).save(tmp_path / "photos" / path)
    (tmp_path / "table.csv").write_text("\n".join(["path", *paths]))
    with tarfile.open(tmp_path / "photos.tar", "w") as tar:
        tar.add(tmp_path / "photos", ".")
    return tmp_path


def prepare(root, files, out, **options):
    return prepare_folder(
        root / files, root / "table.csv", root / out, image_size=4, **options
    ).folder


@pytest.mark.parametrize("storage", ["raw", "encoded"])
def test_an_archive_holds_what_its_folder_holds(root, storage):
    folder = load(prepare(root, "photos", "a", storage=storage))
    archive = load(prepare(root, "photos.tar", "b", storage=storage))
    assert archive.images[:, 0, 1, 1].tolist() == [i * 30 for i in range(N)]
    assert archive.fingerprint == folder.fingerprint


def test_what_is_not_in_the_archive(root):
    with tarfile.open(root / "photos.tar", "w") as tar:
        tar.add(root / "photos/sub/1.png", "sub/1.png")
        link = tarfile.TarInfo("sub/0.png")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/hostname"
        tar.addfile(link)
    with pytest.raises(InputError, match=r"line 2: 'sub/0.png': no such file in the archive"):
        prepare(root, "photos.tar", "out")


def test_archives_that_are_refused(root):
    with tarfile.open(root / "packed.tar", "w:gz") as tar:
        tar.add(root / "photos", ".")
    (root / "text.tar").write_text("no archive")
    for name in ("packed.tar", "text.tar"):
        with pytest.raises(InputError, match=rf"{name}: not an uncompressed .tar archive"):
            prepare(root, name, "out")
    for name in ("none", "none.tar", "table.csv"):
        with pytest.raises(InputError, match=rf"{name}: no such folder or .tar"):
            prepare(root, name, "out")
    assert not (root / "out").exists()
