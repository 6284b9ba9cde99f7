"""What becomes of memory on the CPU that a network's batch has freed.

glibc gives blocks of more than 32 MiB back to the system at once. The next batch takes them anew,
and the system fills them with zeros page by page: up to two fifths of the time of a step. Kept,
they cost a process up to half more memory.
"""

import ctypes
import os

__all__ = ["ENVIRONMENT", "keep_freed_memory"]

_LARGEST = 1 << 28  # bytes of a block that is kept
_MOST = 1 << 30  # bytes that are kept at the end of the heap
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # glibc's malloc.h

# The same for a process that is yet to start, for its threads too: only the first of glibc's arenas
# grows beyond 64 MiB, so all share it.
ENVIRONMENT = {
    "MALLOC_MMAP_THRESHOLD_": str(_LARGEST),
    "MALLOC_TRIM_THRESHOLD_": str(_MOST),
    "MALLOC_ARENA_MAX": "1",
}


def keep_freed_memory() -> None:
    """Let this process keep what it frees, for its main thread's next batch.

    Nothing happens where the environment says otherwise (a variable of `ENVIRONMENT` is set), and
    where the C library is not glibc.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if os.name == "posix" else None
    if mallopt is not None and os.environ.keys().isdisjoint(ENVIRONMENT):
        mallopt(_MMAP_THRESHOLD, _LARGEST)
        mallopt(_TRIM_THRESHOLD, _MOST)
