"""The search as an Optuna study in a journal file, which optuna-dashboard reads while it grows."""

import json
import os
import time
import weakref
from collections.abc import Sequence
from typing import Any

from optuna.storages.journal import BaseJournalBackend

from clinfonce.files import Folder

_BETWEEN_UPLOADS = 30.0  # seconds, of the whole file, to an object store


class StudyJournal(BaseJournalBackend):
    """A journal with one writer, in the format of Optuna's JournalFileBackend.

    Optuna reads it back from memory. On a disk it takes the place of the file of an earlier run and
    each entry is appended at once. In an object store, which cannot append, it is written whole now
    and then, and when it is closed. A sweep that goes on fills a new journal from its rows, so that
    study and tables agree whatever happened.

    Args:
        folder: of the result store; the file is sweeps/<sweep>.optuna.log.
        sweep: its name.
    """

    def __init__(self, folder: Folder, sweep: str) -> None:
        self._folder, self._name = folder, f"sweeps/{sweep}.optuna.log"
        self._logs: list[dict[str, Any]] = []
        self._text = bytearray()  # of an object store's file
        self._uploaded = time.monotonic()
        self._folder.write(self._name, b"")
        self._file: int | None = None
        if (local := folder.local) is not None:
            # Held open: whoever writes this sweep's journal anew leaves this one to itself.
            self._file = os.open(local / self._name, os.O_WRONLY | os.O_APPEND)
            weakref.finalize(self, os.close, self._file)

    def read_logs(self, log_number_from: int) -> Sequence[dict[str, Any]]:
        """The entries from a number on."""
        return self._logs[log_number_from:]

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Append entries."""
        lines = [json.dumps(log, separators=(",", ":")) for log in logs]
        self._logs += [json.loads(line) for line in lines]
        content = "".join(f"{line}\n" for line in lines).encode()
        if (file := self._file) is not None:
            self._folder.ask(lambda: os.write(file, content))
            return
        self._text += content
        if time.monotonic() - self._uploaded >= _BETWEEN_UPLOADS:
            self.close()

    def close(self) -> None:
        """Write what an object store still lacks."""
        if self._text:
            self._folder.write(self._name, bytes(self._text))
            self._uploaded = time.monotonic()
