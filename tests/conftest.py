"""Fixtures for all tests."""

import os
import signal
import tempfile

if "PYTEST_XDIST_WORKER" in os.environ:  # workers side by side have a core each
    os.environ.setdefault("OMP_NUM_THREADS", "1")

from hypothesis import settings

from tests.gloo import gloo

__all__ = ["gloo"]

# What tests remember of files is no business of the user's own cache folder.
os.environ["XDG_CACHE_HOME"] = tempfile.mkdtemp(prefix="clinfonce-tests-")

# The same examples each time, and none is timed, since other work may take the processor.
# `pytest --hypothesis-profile=default` looks for new ones.
settings.register_profile("same", derandomize=True, deadline=None)
settings.load_profile("same")

# A shell starts what it runs in the background deaf to Ctrl-C, and so would be what tests start.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
