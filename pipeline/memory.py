"""What `--memory` is spent on: how many workers there is room for, and how much a global step may hold at once.

No figure here decides about a published byte; they decide how many work side by side. All are private memory, measured
on Linux with Python 3.11 and rounded up; `tests/test_memory.py` holds whole builds against the bound.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import Final

import pyarrow as pa

from pipeline.errors import UsageError

_MB: Final = 1_000_000

# The process that leads a pool: interpreter, libraries, and what the global steps keep of every shard.
_LEADER: Final = 110 * _MB
# What is there before the first batch: libraries, rules and model; alone in its process, one worker shares nothing.
_LOADED: Final = 220 * _MB
_ALONE: Final = 30 * _MB
# The arrays of the strip stage for each byte of a batch, its texts and what is cut from them included.
_PER_BYTE: Final = 13
# A row group of up to 64 MB and its compressed pages, while a part is written.
_WRITING: Final = 350 * _MB
# The least that is taken for a batch: `read.BATCH_BYTES`.
_BATCH_BYTES: Final = 8 << 20
# What part of the memory a global step may hold: templates, equal texts and near-duplicates spill what is more.
_STEP_SHARE: Final = 8


@dataclass(frozen=True, slots=True)
class Shares:
    """How the memory of a build is shared out.

    Attributes:
        workers: processes that work side by side; 1 works in the process that leads.
        worker: bytes that each of them may take.
        step: bytes that a global step may hold at once.
    """

    workers: int
    worker: int
    step: int


def share_out(memory: int, workers: int, max_document: int) -> Shares:
    """Share the memory of a build out.

    Args:
        memory: bytes for the whole process tree.
        workers: how many are asked for; there may be room for fewer.
        max_document: bytes of the largest text; a batch is never smaller than one text.

    Raises:
        UsageError: there is no room for one worker.

    >>> share_out(1_000_000_000, 8, 16 << 20).workers
    2
    """
    worker = max(_WRITING, _LOADED + _PER_BYTE * max(max_document, _BATCH_BYTES))
    least = worker + _ALONE
    if memory < least:
        msg = (
            f"--memory {_words(memory)} is too little for texts of up to {_words(max_document)}: "
            f"give at least {_words(least)}"
        )
        if max_document > _BATCH_BYTES:
            msg += ", or a smaller --max-document"
        raise UsageError(msg)
    room = max((memory - _LEADER) // worker, 1)
    return Shares(min(workers, room), worker, memory // _STEP_SHARE)


def give_back() -> None:
    """Hand memory that is free back to the system: what one stage needed for its arrays is of no use to the next.

    Without it a build in one process holds at its peak what strip has left behind and what writing takes: 500 MB and
    not 420 for a gigabyte of input.
    """
    pa.default_memory_pool().release_unused()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc has it; others give back by themselves, or do not
    if trim is not None:
        trim(0)


def _words(size: int) -> str:
    return f"{-(-size // _MB)}MB"
