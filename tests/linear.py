"""How time grows with the size of an input: what the tests of linear time share."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

# Ten times the input may take twelve times the time. Below the floor, in seconds, a time is noise and start-up.
RATIO = 12.0
FLOOR = 0.002


def repeated(unit: str, size: int) -> str:
    """So many bytes of a text, over and over."""
    data = unit.encode("utf-8", "ignore")
    return (data * (size // len(data) + 1))[:size].decode("utf-8", "ignore")


def cpu(work: Callable[[Any], object], given: Any, runs: int = 3, enough: float = 0.5) -> float:
    """CPU seconds of the quickest of some runs; one that takes `enough` is not repeated."""
    best = float("inf")
    for _ in range(runs):
        before = time.process_time()
        work(given)
        best = min(best, time.process_time() - before)
        if best > enough:
            break
    return best


def growth(
    work: Callable[[Any], object], make: Callable[[int], Any], sizes: Sequence[int], floor: float = FLOOR
) -> list[float]:
    """How many times longer each size takes than the one before; a ratio that is too large is measured once more."""
    given = [make(size) for size in sizes]
    seconds = [cpu(work, one) for one in given]
    ratios = [later / max(before, floor) for before, later in pairwise(seconds)]
    if max(ratios) > RATIO:
        again = [cpu(work, one, 5, 5.0) for one in given]
        seconds = [min(one, other) for one, other in zip(seconds, again, strict=True)]
        ratios = [later / max(before, floor) for before, later in pairwise(seconds)]
    return ratios
