"""What a process of the pipeline's own does without: to import this module is enough, before all others.

Where pandas is installed pyarrow imports it unasked, with the first array that is made: 0.3 s and 40 MB in every
process, for nothing. Pydantic looks for plugins in the metadata of all that is installed. NumPy's linear algebra starts
threads that wait for work in a busy loop, 0.1 s of every process, and there is none. Who calls the library from a
program of their own keeps all three.
"""

from __future__ import annotations

import ctypes
import gc
import os
import sys
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType


# Batches are made of arrays, which no cycle holds: to look for one among the objects of modules and rules is in vain.
_COLLECT_AFTER: Final = (50_000, 50, 50)
# Parameters of glibc's `mallopt`.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_KEPT_BYTES: Final = 256 << 20
_MAPPED_BYTES: Final = 32 << 20  # the most that glibc takes


class _WithoutPandas:
    """Asked first for every module, and says of one that it is not there."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> None:
        """None leaves a module to the finders that come next."""
        del path, target
        if name == "pandas":
            msg = "the pipeline's own processes do without pandas"
            raise ModuleNotFoundError(msg, name=name)


def _keep_freed_memory() -> None:
    """Arrays of a batch make room for those of the next: else glibc gives each back to the system and asks again.

    What a stage has left behind goes back at its end (`memory.give_back`).
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_MMAP_THRESHOLD, _MAPPED_BYTES)
        mallopt(_TRIM_THRESHOLD, _KEPT_BYTES)


os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
sys.meta_path.insert(0, _WithoutPandas())
gc.set_threshold(*_COLLECT_AFTER)
_keep_freed_memory()
