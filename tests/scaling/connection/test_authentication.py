"""Where the token of this user's Ray clusters is, and who may read it."""

import os
import re
from pathlib import Path

import pytest

from clinfonce.errors import InputError
from clinfonce.scaling.connection.authentication import have_token, make_token, token, token_file


@pytest.fixture(autouse=True)
def home(monkeypatch, tmp_path):
    """A home of its own, and no word of Ray's in the environment."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def test_the_token_is_found_where_ray_finds_it(home, monkeypatch):
    assert token() is None
    (home / ".ray").mkdir()
    (home / ".ray/auth_token").write_text("of the home\n")
    assert token() == "of the home"
    (home / "other").write_text("of a path")
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(home / "other"))
    assert token() == "of a path"
    monkeypatch.setenv("RAY_AUTH_TOKEN", "of the environment")
    assert token() == "of the environment"


def test_a_token_is_made_once_and_for_its_owner_alone():
    make_token(token_file())
    made = token_file().read_text()
    assert re.fullmatch("[0-9a-f]{64}", made)
    token_file().chmod(0o644)  # as Ray leaves its own
    make_token(token_file())
    assert token_file().read_text() == made
    assert token_file().stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("said", ["RAY_AUTH_MODE=disabled", "RAY_AUTH_TOKEN=1"])
def test_none_is_made_for_who_has_one_or_wants_none(said, monkeypatch):
    monkeypatch.setenv(*said.split("="))
    have_token()
    assert not token_file().exists()


def test_a_file_without_a_token_is_told(home, monkeypatch):
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(home / "none"))
    with pytest.raises(InputError, match=r"RAY_AUTH_TOKEN_PATH is '.*none', where no token"):
        have_token()
    (home / "none").write_text("1")
    have_token()
    assert not token_file().exists()


@pytest.mark.parametrize("problem", ["a file", "none"])
def test_without_a_home_to_write_the_token_is_this_process_s_own(home, monkeypatch, problem):
    monkeypatch.setenv("RAY_AUTH_TOKEN", "")
    monkeypatch.delenv("RAY_AUTH_TOKEN")  # it is put back at the end
    if problem == "a file":
        (home / ".ray").write_text("in the way")
    else:
        monkeypatch.setattr(Path, "home", no_home)
    have_token()
    assert re.fullmatch("[0-9a-f]{64}", token())
    have_token()
    assert token() == os.environ["RAY_AUTH_TOKEN"]


def no_home():
    raise RuntimeError("Could not determine home directory.")  # as Path does
