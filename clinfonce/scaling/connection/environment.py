"""Variables of the environment that hold for a while."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_NO_PROXY = ("no_proxy", "NO_PROXY")  # of which some libraries read the one, some the other


@contextmanager
def environment(**variables: str) -> Iterator[None]:
    """Variables of the environment meanwhile, for this process and those that it starts."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ |= variables
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def without_proxy(*hosts: str) -> Iterator[None]:
    """Reach this machine, and some others, directly meanwhile, whatever proxy there is."""
    said = [host.strip() for name in _NO_PROXY for host in os.environ.get(name, "").split(",")]
    direct = ",".join(dict.fromkeys([*filter(None, said), *_LOOPBACK, *hosts]))
    with environment(**dict.fromkeys(_NO_PROXY, direct)):
        yield
