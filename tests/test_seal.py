"""The digest inside a file: it fits the content, and no other."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinfonce.errors import StorageError
from clinfonce.seal import Seal, blank_seal, check_seal, read_seal, seal


def sealed(before: bytes, after: bytes, name: str = "trials/t1") -> bytes:
    return seal(before + blank_seal(name).encode() + after)


@given(st.binary(), st.binary(), st.data())
def test_any_change_of_the_content_is_seen(
    before: bytes, after: bytes, data: st.DataObject
) -> None:
    content = sealed(before, after)
    assert read_seal(content) == Seal("trials/t1", True)
    assert content.startswith(before)
    assert content.endswith(after)
    bit = data.draw(st.integers(0, 8 * len(content) - 1))
    changed = bytearray(content)
    changed[bit // 8] ^= 1 << bit % 8
    found = read_seal(bytes(changed))
    assert found is None or not found.intact


def test_the_digest_is_sha_256_with_zeros_in_its_place() -> None:
    blank = b"content " + blank_seal("x").encode()
    digest = hashlib.sha256(blank).hexdigest().encode()
    assert seal(blank) == blank.replace(b"0" * 64, digest)


def test_the_last_seal_counts() -> None:
    inner = sealed(b"a", b"b", "inner")
    assert read_seal(sealed(inner, b"", "outer")) == Seal("outer", True)


def test_files_without_a_seal() -> None:
    assert read_seal(b"old") is None
    assert not check_seal(b"old", "x")
    with pytest.raises(ValueError, match="no seal"):
        seal(b"old")


def test_what_is_damaged_is_named() -> None:
    content = sealed(b"abc", b"")
    assert check_seal(content, "x")
    with pytest.raises(StorageError, match=r"x is damaged: .* Restore it, or remove it"):
        check_seal(b"b" + content[1:], "x", "remove it")
