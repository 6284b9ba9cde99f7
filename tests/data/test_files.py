"""Images that lie in an archive."""

import gzip
import stat
import tarfile
import unicodedata
import zipfile

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
    with pytest.raises(InputError, match=r"line 2: 'sub/0.png': the path leads out of the arch"):
        prepare(root, "photos.tar", "out")


@pytest.mark.parametrize("name", ["p.tar.gz", "p.tgz", "P.TAR", "p.tar.bz2", "p.tar.xz", "P.ZIP"])
def test_archives_of_every_kind(root, name):
    if name.lower().endswith("zip"):
        with zipfile.ZipFile(root / name, "w", zipfile.ZIP_DEFLATED) as packed:
            for i in range(N):
                packed.write(root / f"photos/sub/{i}.png", f"sub/{i}.png")
    else:
        kind = {"gz": "gz", "gz2": "gz", "tgz": "gz", "bz2": "bz2", "xz": "xz"}
        mode = f"w:{kind.get(name.rpartition('.')[2], '')}"
        with tarfile.open(root / name, mode) as packed:
            packed.add(root / "photos", ".")
    folder, archive = load(prepare(root, "photos", "a")), load(prepare(root, name, "b"))
    assert archive.fingerprint == folder.fingerprint


def add_link(tar, name, target, kind):
    link = tarfile.TarInfo(name)
    link.type, link.linkname = kind, target
    tar.addfile(link)


def test_links_inside_an_archive(root):
    """A hard link, links to a file, to a link and to a folder, a circle, and one that leads out."""
    with tarfile.open(root / "photos.tar", "w") as tar:
        for i in (0, 1):
            tar.add(root / f"photos/sub/{i}.png", f"./sub/{i}.png")
        add_link(tar, "sub/2.png", "sub/0.png", tarfile.LNKTYPE)
        add_link(tar, "sub/3.png", "../sub/1.png", tarfile.SYMTYPE)
        add_link(tar, "sub/4.png", "3.png", tarfile.SYMTYPE)
        add_link(tar, "other", "./sub", tarfile.SYMTYPE)
        add_link(tar, "sub/6.png", "7.png", tarfile.SYMTYPE)
        add_link(tar, "sub/7.png", "6.png", tarfile.SYMTYPE)
    paths = [f"sub/{i}.png" for i in range(5)] + ["other/0.png"]
    (root / "table.csv").write_text("\n".join(["path", *paths]))
    images = load(prepare(root, "photos.tar", "a")).images
    assert images[:, 0, 1, 1].tolist() == [0, 30, 0, 30, 30, 0]
    (root / "table.csv").write_text("\n".join(["path", *paths, "sub/6.png"]))
    with pytest.raises(InputError, match=r"line 8: 'sub/6.png': the path leads out"):
        prepare(root, "photos.tar", "b")


def test_links_inside_a_zip(root):
    with zipfile.ZipFile(root / "photos.zip", "w") as packed:
        packed.write(root / "photos/sub/1.png", "sub/1.png")
        for name, target in (("sub/0.png", "1.png"), ("sub/2.png", "/etc/hostname")):
            link = zipfile.ZipInfo(name)
            link.external_attr = (stat.S_IFLNK | 0o777) << 16
            packed.writestr(link, target)
    (root / "table.csv").write_text("path\nsub/0.png\nsub/1.png\nsub/2.png")
    with pytest.raises(InputError, match=r"line 4: 'sub/2.png': the path leads out of the archive"):
        prepare(root, "photos.zip", "a")


def test_other_unicode_forms_of_names(root):
    """macOS writes é as two characters, and tables are written elsewhere."""
    apart, together = (unicodedata.normalize(form, "söb/é") for form in ("NFD", "NFC"))
    with zipfile.ZipFile(root / "p.zip", "w") as packed, tarfile.open(root / "p.tar", "w") as tar:
        for i in range(N):
            picture, name = root / f"photos/sub/{i}.png", f"{apart}{i}.png"
            (root / "p" / name).parent.mkdir(parents=True, exist_ok=True)
            (root / "p" / name).write_bytes(picture.read_bytes())
            packed.write(picture, name)
            tar.add(picture, name)
    shades = [i * 30 for i in range(N)]
    for form in (together, apart):
        text = "\n".join(["path", *(f"./{form}{i}.png" for i in range(N))])
        (root / "table.csv").write_text(text, encoding="utf-8")
        for files in ("p", "p.tar", "p.zip"):
            out = f"{files} {len(form)}"
            assert load(prepare(root, files, out)).images[:, 0, 1, 1].tolist() == shades


def test_the_same_file_written_two_ways_is_found(root):
    for other in ("./sub/0.png", "sub//0.png"):
        (root / "table.csv").write_text(f"path\nsub/0.png\nsub/1.png\n{other}")
        with pytest.raises(InputError, match=r"line 4: .* is in line 2 already"):
            prepare(root, "photos", "a")


@pytest.mark.parametrize(
    ("files", "path", "hint"),
    [
        ("photos", "sub/0.PNG", "no such file; '0.png' is there"),
        ("photos", "photos/sub/0.png", "the paths start from .*, which the root should be"),
        ("photos.tar", "SUB/0.png", "no such file in the archive; 'sub/0.png' is there"),
        ("photos.tar", "0.png", "no such file in the archive; 'sub/0.png' is there"),
    ],
)
def test_hints_where_a_file_may_be(root, files, path, hint):
    (root / "table.csv").write_text(f"path\n{path}\nsub/1.png\nsub/2.png")
    with pytest.raises(InputError, match=rf"line 2: '{path}': .*{hint}"):
        prepare(root, files, "a")


def test_archives_that_are_refused(root, monkeypatch):
    (root / "text.tar").write_text("no archive")
    whole = (root / "photos.tar").read_bytes()
    (root / "cut.tgz").write_bytes(gzip.compress(whole)[:-100])
    (root / "a.tar.zst").write_bytes(b"\x28\xb5\x2f\xfd" + whole[:100])
    (root / "large.tar.gz").write_bytes(gzip.compress(whole))
    monkeypatch.setattr("clinfonce.data.image_files.unpack._LEAST", 1000)
    monkeypatch.setattr("clinfonce.data.image_files.unpack._RATIO", 1)
    for name, message in (
        ("text.tar", "not a whole .tar or .zip archive"),
        ("cut.tgz", "not a whole archive"),
        ("a.tar.zst", "zstandard cannot be read; pack the files as .tar or .zip"),
        ("large.tar.gz", "unpacks to more than"),
        ("none", "no such folder, .tar, .tar.gz or .zip"),
        ("none.tar", "no such folder, .tar, .tar.gz or .zip"),
        ("table.csv", "no such folder, .tar, .tar.gz or .zip"),
    ):
        with pytest.raises(InputError, match=rf"{name}: {message}"):
            prepare(root, name, "out")
    assert not (root / "out").exists()
