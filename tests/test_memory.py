import os
import subprocess
import sys

import pytest

from clinfonce.memory import ENVIRONMENT

SCRIPT = """
import resource, sys, threading
import numpy as np
from clinfonce.memory import keep_freed_memory

def step(x):
    kept = [x := x * 2 for _ in range(4)]
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

def faults():
    x = np.ones(10 << 20, np.float32)  # 40 MiB, more than glibc keeps by itself
    counts = [step(x) for _ in range(12)]
    print(counts[-1] - counts[-5])

if "keep" in sys.argv:
    keep_freed_memory()
if "thread" in sys.argv:
    thread = threading.Thread(target=faults)
    thread.start()
    thread.join()
else:
    faults()
"""


def pages_taken(*arguments: str, **environment: str) -> int:
    """Pages that the system fills anew for four steps, after eight of the same."""
    own = {name: v for name, v in os.environ.items() if not name.startswith(("MALLOC_", "THP_"))}
    return int(
        subprocess.run(
            [sys.executable, "-c", SCRIPT, *arguments],
            env=own | environment | {"NUMPY_MADVISE_HUGEPAGE": "0"},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    )


@pytest.mark.skipif(sys.platform != "linux", reason="of glibc alone")
def test_freed_memory_is_kept_for_the_next_batch_unless_the_environment_says_otherwise():
    taken_anew = pages_taken("keep", MALLOC_TRIM_THRESHOLD_=str(1 << 20))
    assert pages_taken("keep") < taken_anew / 5
    assert pages_taken("thread", **ENVIRONMENT) < taken_anew / 5
