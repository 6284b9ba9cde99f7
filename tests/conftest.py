"""Fixtures for all tests."""

import signal

from tests.gloo import gloo

__all__ = ["gloo"]

# A shell starts what it runs in the background deaf to Ctrl-C, and so would be what tests start.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
