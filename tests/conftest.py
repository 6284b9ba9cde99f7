"""Fixtures for all tests."""

import os
import signal

if "PYTEST_XDIST_WORKER" in os.environ:  # workers side by side have a core each
    os.environ.setdefault("OMP_NUM_THREADS", "1")

from tests.gloo import gloo

__all__ = ["gloo"]

# A shell starts what it runs in the background deaf to Ctrl-C, and so would be what tests start.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
