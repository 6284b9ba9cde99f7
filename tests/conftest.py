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

# Those that take longest begin first (`--no-loadscope-reorder`): else one of them is left alone at
# the end. A file that is missing here costs time, nothing else.
LONGEST = (
    "tests/scaling/test_faults.py",
    "tests/scaling/test_interruptions.py",
    "tests/scaling/test_storage_faults.py",
    "tests/scaling/test_sweep.py",
    "tests/test_benchmarks.py",
    "tests/scaling/test_roles_sweep.py",
    "tests/setup/test_ways.py",
    "tests/test_documented_commands.py",
    "tests/scaling/execution/test_elastic.py",
    "tests/scaling/test_growth.py",
    "tests/scaling/connection/test_address.py",
    "tests/data/test_places.py",
    "tests/scaling/connection/test_session.py",
)


def pytest_collection_modifyitems(items):
    place = {file: number for number, file in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(item.nodeid.partition("::")[0], len(LONGEST)))
