"""The token that keeps strangers out of this user's Ray clusters."""

import os
import secrets
from contextlib import suppress
from pathlib import Path

from clinfonce.errors import InputError


def token() -> str | None:
    """The token of this user's Ray clusters, from where Ray takes it; None if there is none."""
    if given := os.environ.get("RAY_AUTH_TOKEN"):
        return given.strip()
    try:
        path = Path(os.environ.get("RAY_AUTH_TOKEN_PATH") or token_file())
        return path.read_text(encoding="utf-8").strip() or None
    except (OSError, InputError):
        return None


def mode() -> str | None:
    """What this user says of tokens, token or disabled; None if nothing."""
    return os.environ.get("RAY_AUTH_MODE", "").lower() or None


def token_file() -> Path:
    """Where Ray looks for the token if it is not told otherwise.

    Raises:
        InputError: this user has no home.
    """
    try:
        return Path.home() / ".ray" / "auth_token"
    except RuntimeError:
        raise InputError("this user has no home folder: name one in HOME") from None


def have_token() -> None:
    """See to it that Ray finds a token when it starts here, if it is to ask for one.

    Ray itself would make one that everybody on the machine can read. Where the home cannot be
    written, the token is of this process and those that it starts.

    Raises:
        InputError: the file that is to hold it does not.
    """
    if mode() == "disabled" or os.environ.get("RAY_AUTH_TOKEN"):
        return
    if (elsewhere := os.environ.get("RAY_AUTH_TOKEN_PATH")) is None:
        try:
            make_token(token_file())
        except (OSError, InputError):
            os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)
    elif token() is None:
        raise InputError(
            f"RAY_AUTH_TOKEN_PATH is {elsewhere!r}, where no token can be read: put one there, or "
            "unset it and one is made in ~/.ray/auth_token"
        )


def make_token(path: Path) -> None:
    """Make a token, unless there is one; nobody but its owner may read it."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        with suppress(OSError):  # somebody else's file, whose mode is theirs to set
            path.chmod(0o600)
        return
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_hex(32))
