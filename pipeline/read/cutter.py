"""Where a large JSON Lines file can be cut into shards, found on the way of its bytes to the digest."""

from __future__ import annotations

import numpy as np


class Cutter:
    """Finds the first line that begins at or after each multiple of a number of bytes.

    Args:
        step: the number of bytes.

    Attributes:
        cuts: where those lines begin, and their numbers.
    """

    def __init__(self, step: int) -> None:
        self.cuts: list[tuple[int, int]] = []
        self._step = step
        self._place = 0
        self._lines = 0
        self._next = step
        self._wide = False

    def add(self, data: bytes) -> None:
        """The next bytes of the file."""
        if not self._place:
            # In UTF-16 and UTF-32 a line break is more than one byte.
            self._wide = data.startswith((b"\xff\xfe", b"\xfe\xff", b"\0\0\xfe\xff"))
        end = self._place + len(data)
        counted = 0
        while not self._wide and end >= self._next:
            found = data.find(b"\n", max(self._next - 1 - self._place, 0))
            if found < 0:
                break
            self._lines += _count_breaks(data[counted : found + 1])
            counted = found + 1
            cut = self._place + counted
            self.cuts.append((cut, self._lines))
            self._next = (cut // self._step + 1) * self._step
        self._lines += _count_breaks(memoryview(data)[counted:])
        self._place = end


def _count_breaks(data: bytes | memoryview) -> int:
    """Line breaks in some bytes; more than twice as fast as `bytes.count`."""
    return int(np.count_nonzero(np.frombuffer(data, np.uint8) == ord("\n")))
