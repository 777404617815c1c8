"""Template lines: short lines that come back, word for word, in many different articles of one source.

Counting is a pass of its own over hashes. What is counted are articles, not copies: documents that share their long
lines (syndicated text, corrected versions) count once, so copies of one article make no template of its body.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import numpy as np
import pyarrow as pa

from pipeline import kernels
from pipeline.shuffle import shuffled

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from pipeline.strip.lines import Lines

# Templates are short; a longer line that comes back is quoted or syndicated text.
MAX_BYTES: Final = 240
# Lines of a word or less come back by chance ("Yes.", "1", "*").
MIN_BYTES: Final = 5
# Two articles may share a line by chance or by quoting each other, three of one source hardly.
MIN_ARTICLES: Final = 3
# Lines from this length on tell one article from another.
_TELLING_BYTES: Final = 120

SIGHTINGS: Final = pa.schema([pa.field("line", pa.uint64()), pa.field("article", pa.uint64())])

_STEP: Final = 8
_PRIME: Final = np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio, odd: Fibonacci hashing (Knuth, TAOCP 3, 6.4)
_SEED: Final = np.uint64(0xC2B2AE3D27D4EB4F)


def sightings(lines: Lines, sources: NDArray[np.uint64]) -> pa.RecordBatch:
    """Which line was seen in which article, for all lines of a batch that could be templates.

    Args:
        lines: the lines of a batch.
        sources: uint64[documents], as `source_keys` gives them.

    Returns:
        Rows of `SIGHTINGS`; a pair comes as often as the line does, and is counted once by `templates`.
    """
    short, keys = line_keys(lines, sources)
    article = _articles(lines)[lines.document[short]]
    return pa.RecordBatch.from_arrays([pa.array(keys), pa.array(article)], schema=SIGHTINGS)


def templates(tables: Sequence[Callable[[], pa.Table]], memory: int, folder: Path | None = None) -> NDArray[np.uint64]:
    """The keys of lines that came back often enough, sorted.

    Args:
        tables: for each shard a function that opens its sightings.
        memory: bytes that may be used; decides into how many partitions the keys are split.
        folder: where partitions are spilled.
    """
    partitions = sum(table().num_rows for table in tables) * _BYTES_PER_SIGHTING // memory + 1
    found = [_templates_of(rows) for rows in shuffled(map(_pairs, tables), partitions, 2, folder)]
    return np.sort(np.concatenate([np.zeros(0, np.uint64), *found]))


# Two uint64 and what sorting them needs.
_BYTES_PER_SIGHTING: Final = 64


def _pairs(table: Callable[[], pa.Table]) -> NDArray[np.uint64]:
    columns = table()
    return np.stack([columns.column(name).to_numpy() for name in SIGHTINGS.names], axis=1)


def _templates_of(pairs: NDArray[np.uint64]) -> NDArray[np.uint64]:
    # One number for each pair: sorting numbers is many times faster than sorting rows.
    whole = (pairs[:, 0] ^ pairs[:, 1] * _SEED) * _PRIME
    order = np.argsort(whole)
    fresh = order[np.flatnonzero(_opens(whole[order]))]
    line = np.sort(pairs[fresh, 0])
    first = np.flatnonzero(_opens(line))
    return line[first[np.diff(first, append=len(line)) >= MIN_ARTICLES]]


def _opens(values: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Which of some sorted values differ from the one before."""
    opens = np.ones(len(values), np.bool_)
    opens[1:] = values[1:] != values[:-1]
    return opens


def of_shard(table: pa.Table, known: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Those of the `known` templates that were seen in a shard, sorted.

    Args:
        table: the sightings of the shard.
        known: as `templates` gives it.
    """
    line = np.sort(table.column("line").to_numpy())
    if not len(line):
        return known[:0]
    place = np.minimum(np.searchsorted(line, known), len(line) - 1)
    return known[line[place] == known]


def repeated(lines: Lines, sources: NDArray[np.uint64], known: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Which lines are templates, bool[lines]; `known` as `templates` gives it."""
    result = np.zeros(len(lines), dtype=bool)
    if len(known):
        short, keys = line_keys(lines, sources)
        place = np.minimum(np.searchsorted(known, keys), len(known) - 1)
        result[short] = known[place] == keys
    return result


def line_keys(lines: Lines, sources: NDArray[np.uint64]) -> tuple[NDArray[np.intp], NDArray[np.uint64]]:
    """The lines that could be templates, and a key of source and content for each."""
    length = lines.end - lines.start
    short = np.flatnonzero((length >= MIN_BYTES) & (length <= MAX_BYTES))
    return short, _hash(lines, short, sources[lines.document[short]])


def source_keys(sources: Sequence[str | None], urls: Sequence[str | None]) -> NDArray[np.uint64]:
    """A key for the source of each document: its name, else the host of its address, else one for all unknown."""
    names = [source or _host(url) for source, url in zip(sources, urls, strict=True)]
    known = {name: _name_key(name) for name in set(names)}
    return np.array([known[name] for name in names], np.uint64)


def _name_key(name: str) -> int:
    """FNV-1a, 64 bits (Fowler, Noll, Vo): Python's own hash differs from run to run."""
    key = 0xCBF29CE484222325
    for byte in name.encode("utf-8", "surrogatepass"):
        key = (key ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return key


def _host(url: str | None) -> str:
    if not url:
        return ""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _articles(lines: Lines) -> NDArray[np.uint64]:
    """A signature for each document: the smallest hash of its telling lines, so that near copies share it mostly.

    Documents without such a line share one signature: pages without an article count once in all.
    """
    documents = len(lines.first) - 1
    long = np.flatnonzero(lines.end - lines.start >= _TELLING_BYTES)
    signature = np.zeros(documents, np.uint64)
    if len(long):
        capped = _hash(lines, long, np.zeros(len(long), np.uint64), most=_TELLING_BYTES)
        owner = lines.document[long]
        opens = np.flatnonzero(np.diff(owner, prepend=-1))
        signature[owner[opens]] = np.minimum.reduceat(capped, opens)
    return signature


def _hash(
    lines: Lines, chosen: NDArray[np.intp], seed: NDArray[np.uint64], most: int = MAX_BYTES
) -> NDArray[np.uint64]:
    """A 64-bit hash of the first `most` bytes of each chosen line."""
    start, end = lines.start[chosen], lines.end[chosen]
    if kernels.compiled is None:
        return _hash_ranges(lines.buffer, start, np.minimum(end - start, most), seed, most)
    result = np.empty(len(chosen), np.uint64)
    kernels.compiled.hash_lines(lines.buffer, start, end, seed, most, result)
    return result


def _hash_ranges(
    buffer: NDArray[np.uint8], start: NDArray[np.int64], length: NDArray[np.int64], seed: NDArray[np.uint64], most: int
) -> NDArray[np.uint64]:
    """The same of ranges of up to `most` bytes, eight bytes at a time over all of them at once."""
    padded = np.concatenate([buffer, np.zeros(_STEP, np.uint8)])
    words = np.ndarray((len(padded) - _STEP + 1,), "<u8", padded, strides=(1,))
    # The longest first: those that have bytes at an offset are then the first so many, and no index is needed.
    order = np.argsort((most - length).astype(np.uint16), kind="stable")
    start, length = start[order], length[order]
    longer = np.searchsorted(
        -length, -np.arange(most + _STEP + 1), side="left"
    )  # how many have more bytes than so many
    value = (seed[order] ^ _SEED) + length.astype(np.uint64)
    for offset in range(0, most, _STEP):
        whole, some = int(longer[offset + _STEP - 1]), int(longer[offset])
        if not some:
            break
        word = words[start[:some] + offset]
        word[whole:] &= _MASKS[length[whole:some] - offset]
        mixed = value[:some]
        mixed ^= word
        mixed *= _PRIME
        mixed ^= mixed >> np.uint64(29)
    result = np.empty_like(value)
    result[order] = value * _PRIME
    return result


# The low `n` bytes of a little-endian word, for n from 0 to 8.
_MASKS: Final = np.array([(1 << (8 * count)) - 1 for count in range(_STEP + 1)], np.uint64)
