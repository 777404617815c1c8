"""The words of a buffer of texts and a key for each, found with numpy for the whole buffer at once.

A word is a run of ASCII letters. Its key is its first `KEY_LETTERS` letters, lower-cased, read as one little-endian
number.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

KEY_LETTERS: Final = 8

_LETTER: Final = np.zeros(256, dtype=bool)
_LETTER[ord("A") : ord("Z") + 1] = _LETTER[ord("a") : ord("z") + 1] = True
_LOWER_CASE: Final = 0x2020202020202020
# The bytes of a key that belong to a word of 0 to 8 letters.
_MASK: Final = np.array([(1 << (8 * size)) - 1 for size in range(KEY_LETTERS + 1)], np.uint64)
_LOWER: Final = _MASK & np.uint64(_LOWER_CASE)


@dataclass(frozen=True, slots=True)
class Words:
    """Words in the order of the buffer.

    Attributes:
        start: int64[words], offset of each word's first letter.
        key: uint64[words], its key.
    """

    start: NDArray[np.int64]
    key: NDArray[np.uint64]


def word_key(word: str) -> int:
    """The key of one word of ASCII letters."""
    return int.from_bytes(word[:KEY_LETTERS].lower().encode("ascii"), "little")


def find_words(buffer: NDArray[np.uint8], base: NDArray[np.int64] | None = None) -> Words:
    """Find all words of a buffer.

    Args:
        buffer: uint8[bytes].
        base: int64[documents + 1], where each text starts; no word reaches from one text into the next.
    """
    if not len(buffer):
        return Words(np.zeros(0, np.int64), np.zeros(0, np.uint64))
    letter = _LETTER[buffer]
    begins, ends = letter.copy(), letter.copy()
    begins[1:] &= ~letter[:-1]
    ends[:-1] &= ~letter[1:]
    if base is not None:
        inner = base[(base > 0) & (base < len(buffer))]
        begins[inner] = letter[inner]
        ends[inner - 1] = letter[inner - 1]
    start = np.flatnonzero(begins)
    size = np.minimum(np.flatnonzero(ends) - start + 1, KEY_LETTERS)
    padded = np.concatenate([buffer, np.zeros(KEY_LETTERS, np.uint8)])
    # Eight bytes from every offset on, as one number: a view, nothing is copied.
    eight = np.ndarray(shape=(len(buffer),), dtype="<u8", buffer=padded.data, strides=(1,))
    lead = eight[start] if sys.byteorder == "little" else eight[start].astype(np.uint64)
    return Words(start, (lead & _MASK[size]) | _LOWER[size])
