"""Signatures of texts: how much two texts share, told from 512 bytes each; where to look for such pairs, from 160.

A text is the set of its shingles, five words in a row each. One permutation of all hashes, cut into `BINS` ranges, and
the smallest hash of a text in each range: one-permutation MinHash (Li, Owen, Zhang: One Permutation Hashing, 2012). One
hash a shingle instead of hundreds, and whole batches are worked on at once. The sketch keeps a byte of each minimum.
Bands for locality-sensitive hashing are cut from minima of coarser ranges, empty ones filled from the next that is not
(Shrivastava, Li: Densifying One Permutation Hashing, 2014).
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa

from pipeline import kernels
from pipeline.strip.lines import string_buffer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

SHINGLE: Final = 5
BINS: Final = 512
# Rows of a band and bands: texts that share 0.8 of their shingles meet in a band 998 times of 1000, those that share
# 0.5 one time in four, those that share 0.2 one in a thousand.
ROWS: Final = 6
BANDS: Final = 20
_COARSE: Final = 128

SKETCH: Final = pa.binary(BINS)
SIGNATURES: Final = pa.schema([pa.field("sketch", SKETCH), pa.field("bands", pa.binary(8 * BANDS))])

# Texts are worked through in pieces whose arrays stay in the cache.
_PIECE_BYTES: Final = 1 << 20
_DOCUMENT_BITS, _BIN_BITS = 11, 9
_PIECE_DOCUMENTS: Final = 1 << _DOCUMENT_BITS
_VALUE_BITS: Final = 64 - _DOCUMENT_BITS - _BIN_BITS

# Classes of bytes: 0 between words, 1 part of a word (letters beyond ASCII among them), 2 where a word of its own
# begins: the first byte of a character of Chinese, Japanese or Korean, which are written without spaces.
_BETWEEN, _PART, _OPENS = 0, 1, 2
_CLASS: Final = bytes(
    _OPENS if 0xE3 <= byte <= 0xED else _PART if byte >= 0x80 or chr(byte).isalnum() else _BETWEEN
    for byte in range(256)
)
# Signs beyond ASCII that are no letters, by first and second byte: general punctuation, Latin-1 signs, CJK punctuation.
_SIGNS: Final = ((0xE2, 0x80, 3), (0xC2, None, 2), (0xE3, 0x80, 3))

_ALL: Final = np.uint64((1 << 64) - 1)
_KEEP: Final = np.array([(1 << (8 * size)) - 1 for size in range(9)], np.uint64)
_LOWER: Final = np.uint64(0x2020202020202020)
# Odd numbers of many bits, from the constants of xxHash and splitmix64.
_MIX: Final = np.array(
    [0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5], np.uint64
)
_LAST: Final = np.uint64(0xBF58476D1CE4E5B9)


def signatures(texts: pa.StringArray) -> pa.RecordBatch:
    """The signature of each text; rows of `SIGNATURES`. A text depends on nothing around it.

    Args:
        texts: clean texts, no nulls.
    """
    buffer, base = string_buffer(texts)
    sketch = np.zeros((len(texts), BINS), np.uint8)
    bands = np.zeros((len(texts), BANDS), np.uint64)
    if kernels.compiled is None:
        _sign(buffer, base, sketch, bands)
    else:
        kernels.compiled.sign_texts(buffer, base, sketch, bands)
    columns = [_binary(sketch, SKETCH), _binary(bands.view(np.uint8), SIGNATURES.field("bands").type)]
    return pa.RecordBatch.from_arrays(columns, schema=SIGNATURES)


def _sign(
    buffer: NDArray[np.uint8], base: NDArray[np.int64], sketch: NDArray[np.uint8], bands: NDArray[np.uint64]
) -> None:
    """Fill the sketch and the bands of each text."""
    for low, high in _pieces(base):
        piece = buffer[base[low] : base[high]]
        lowest = _lowest(piece, base[low : high + 1] - base[low])
        sketch[low:high] = _sketch(lowest)
        bands[low:high] = _bands(lowest)


def _binary(values: NDArray[np.uint8], kind: pa.DataType) -> pa.Array:
    return pa.FixedSizeBinaryArray.from_buffers(kind, len(values), [None, pa.py_buffer(values)])


def _pieces(base: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Ranges of texts, about `_PIECE_BYTES` and at most `_PIECE_DOCUMENTS` each."""
    low = 0
    while low < len(base) - 1:
        high = int(np.searchsorted(base, base[low] + _PIECE_BYTES, side="right")) - 1
        high = min(max(high, low + 1), low + _PIECE_DOCUMENTS, len(base) - 1)
        yield low, high
        low = high


_NOTHING: Final = np.uint64((1 << 64) - 1)


def _lowest(buffer: NDArray[np.uint8], base: NDArray[np.int64]) -> NDArray[np.uint64]:
    """The smallest hash of each text in each range, uint64[texts, BINS]; `_NOTHING` where none is."""
    # Text, range and hash in one number: sorting brings each smallest hash to the front of its range.
    packed = _shingles(buffer, base)
    packed.sort()
    place = packed >> np.uint64(_VALUE_BITS)
    opens = np.flatnonzero(np.concatenate([np.ones(min(1, len(place)), np.bool_), place[1:] != place[:-1]]))
    if len(packed) and packed[-1] == _NOTHING:
        opens = opens[:-1]
    result = np.full((len(base) - 1) * BINS, _NOTHING)
    result[place[opens].astype(np.int64)] = packed[opens] & np.uint64((1 << _VALUE_BITS) - 1)
    return result.reshape(-1, BINS)


def _shingles(buffer: NDArray[np.uint8], base: NDArray[np.int64]) -> NDArray[np.uint64]:
    """The text and the hash of every shingle in one number, `_NOTHING` for words that are in no text together.

    A text of fewer words has one shingle of all of them.
    """
    begin, key = _words(buffer, base)
    first = np.searchsorted(begin, base)
    count = np.diff(first)
    document = np.repeat(np.arange(len(count), dtype=np.uint64) << np.uint64(64 - _DOCUMENT_BITS), count)
    whole = max(len(key) - SHINGLE + 1, 0)
    short = np.flatnonzero((count > 0) & (count < SHINGLE))
    hashes = np.zeros(whole + len(short), np.uint64)
    for offset in range(SHINGLE):
        hashes[:whole] += key[offset : offset + whole] * _MIX[offset]
    for offset in range(SHINGLE - 1):
        has = offset < count[short]
        hashes[whole:][has] += key[first[short[has]] + offset] * _MIX[offset]
    hashes = _mixed(hashes) >> np.uint64(_DOCUMENT_BITS)
    hashes[:whole] |= document[:whole]
    hashes[whole:] |= short.astype(np.uint64) << np.uint64(64 - _DOCUMENT_BITS)
    np.putmask(hashes[:whole], document[:whole] != document[SHINGLE - 1 :], _NOTHING)
    return hashes


def _mixed(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Every bit of a value spread over all bits (the end of splitmix64)."""
    values ^= values >> np.uint64(32)
    values *= _LAST
    values ^= values >> np.uint64(29)
    values *= _MIX[0]
    values ^= values >> np.uint64(32)
    return values


def _words(buffer: NDArray[np.uint8], base: NDArray[np.int64]) -> tuple[NDArray[np.intp], NDArray[np.uint64]]:
    """Where each word begins and a hash of it: the first 16 bytes, lower-cased, and of longer words the last 8."""
    if not len(buffer):
        return np.zeros(0, np.intp), np.zeros(0, np.uint64)
    begin, end = _word_edges(buffer, base)
    padded = np.zeros(len(buffer) + 16, np.uint8)
    padded[: len(buffer)] = buffer
    eight = np.ndarray((len(buffer) + 9,), "<u8", padded.data, strides=(1,))
    eight = eight if sys.byteorder == "little" else eight.astype(np.uint64)
    size = end - begin
    key = eight[begin]
    key |= _LOWER
    key &= _ALL >> (np.uint64(64) - np.uint64(8) * np.minimum(size, 8).astype(np.uint64))
    key *= _MIX[1]
    long = np.flatnonzero(size > 8)
    key[long] ^= ((eight[begin[long] + 8] | _LOWER) & _KEEP[np.minimum(size[long] - 8, 8)]) * _MIX[2]
    longer = long[size[long] > 16]
    key[longer] ^= ((eight[end[longer] - 8] | _LOWER) + size[longer].astype(np.uint64)) * _MIX[3]
    key ^= key >> np.uint64(32)
    return begin, key


def _word_edges(buffer: NDArray[np.uint8], base: NDArray[np.int64]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """First byte and byte after the last of every word; no word reaches from one text into the next."""
    classes = _classes(buffer)
    letter = np.zeros(len(buffer) + 2, np.bool_)
    letter[1:-1] = classes
    edges = np.flatnonzero(letter[1:] != letter[:-1])  # a word begins, it ends, the next begins …
    # Where a word may not go on from the byte before one ends and one begins.
    fresh = np.concatenate([base[1:-1], np.flatnonzero(classes == _OPENS)])
    fresh = np.sort(fresh[letter[fresh] & letter[fresh + 1]])
    fresh = fresh[np.flatnonzero(np.diff(fresh, prepend=-1))]
    if len(fresh):
        edges = np.sort(np.concatenate([edges, fresh, fresh]))
    return edges[0::2], edges[1::2]


def _classes(buffer: NDArray[np.uint8]) -> NDArray[np.uint8]:
    raw = buffer.tobytes()
    classes = np.frombuffer(bytearray(raw.translate(_CLASS)), np.uint8)
    for lead, second, size in _SIGNS:
        if lead not in raw:
            continue
        places = np.flatnonzero(buffer == lead)
        if second is not None:
            places = places[buffer[np.minimum(places + 1, len(buffer) - 1)] == second]
        for distance in range(size):
            classes[np.minimum(places + distance, len(buffer) - 1)] = _BETWEEN
    return classes


def _sketch(lowest: NDArray[np.uint64]) -> NDArray[np.uint8]:
    """A byte of each smallest hash, 1 to 255; 0 where the text has none."""
    value = (lowest & np.uint64(0xFFFF)).astype(np.uint16) % np.uint16(255) + np.uint16(1)
    return np.where(lowest == _NOTHING, np.uint16(0), value).astype(np.uint8)


def _bands(lowest: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """uint64[texts, BANDS]: equal where all the minima of a band are."""
    coarse = lowest.reshape(-1, _COARSE, BINS // _COARSE).min(axis=2)
    # The next range that holds anything, going round; the distance is mixed in.
    place = np.arange(2 * _COARSE)
    held = np.where(np.tile(coarse != _NOTHING, 2), place, 2 * _COARSE)
    upcoming = np.minimum.accumulate(held[:, ::-1], axis=1)[:, ::-1][:, :_COARSE]
    distance = (upcoming - place[:_COARSE]).astype(np.uint64)
    filled = np.take_along_axis(coarse, upcoming % _COARSE, axis=1) + distance * _MIX[4]
    rows = filled[:, : ROWS * BANDS].reshape(-1, BANDS, ROWS)
    key = np.zeros(rows.shape[:2], np.uint64)
    for row in range(ROWS):
        key = (key ^ rows[:, :, row]) * _MIX[row % len(_MIX)]
        key ^= key >> np.uint64(31)
    return _mixed(key + np.arange(BANDS, dtype=np.uint64) * _MIX[1])


def similarity(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The share of shingles that pairs of texts have in common, from their sketches; float32[pairs], 0 to 1.

    Args:
        one: uint8[pairs, BINS].
        other: the same.
    """
    some = np.count_nonzero(one | other, axis=1)
    both = np.count_nonzero((one > 0) & (other > 0), axis=1)
    equal = np.count_nonzero((one == other) & (one > 0), axis=1)
    # Of different minima one pair in 255 has the same byte.
    sure = (equal * 255 - both) / 254
    share: NDArray[np.float64] = np.clip(sure / np.maximum(some, 1), 0, 1)
    return share.astype(np.float32)
