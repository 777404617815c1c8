"""Shuffle: rows of integers, split by key into partitions that fit the memory; global steps work on one at a time.

What a partition holds depends on the keys alone, so results do not depend on the order of work.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray


def shuffled(
    blocks: Iterable[NDArray[np.uint64]], partitions: int, width: int, folder: Path | None = None
) -> Iterator[NDArray[np.uint64]]:
    """Rows with the same key together, partition by partition; each row is read once and, spilled, written once.

    Args:
        blocks: uint64[rows, width] each; the first column is the key.
        partitions: into how many the keys are split; 1 needs no disk.
        width: columns of a block.
        folder: where partitions are spilled; the system's temporary folder unless told.

    Yields:
        uint64[rows, width], rows in the order they came.
    """
    if partitions == 1:
        yield np.concatenate([np.zeros((0, width), np.uint64), *blocks])
        return
    with tempfile.TemporaryDirectory(prefix=".shuffle-", dir=folder) as spill:
        files = [Path(spill) / f"{number}" for number in range(partitions)]
        for block in blocks:
            _spill(block, files)
        for file in files:
            if file.exists():
                yield np.fromfile(file, np.uint64).reshape(-1, width)
                file.unlink()


def _spill(block: NDArray[np.uint64], files: list[Path]) -> None:
    """Append each row to the file of its partition; files are opened one at a time, there may be many."""
    partition = (block[:, 0] % np.uint64(len(files))).astype(np.int64)
    order = np.argsort(partition, kind="stable")
    edges = np.searchsorted(partition[order], np.arange(len(files) + 1))
    rows = block[order]
    for number in np.flatnonzero(np.diff(edges)):
        with files[number].open("ab") as file:
            rows[edges[number] : edges[number + 1]].tofile(file)
