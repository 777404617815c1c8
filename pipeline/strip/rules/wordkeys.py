r"""The words of a whole batch as integer keys, found without splitting any text into strings.

A word is a run of ASCII letters; every other byte, letters beyond ASCII included, separates. Its key is its first six
letters in lower case, so `Subscribe` and `subscription` share one. Six letters keep the keys selective and let a rule
that ends in an open stem (`newsletter\w*`) still be found by its words.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

KEY_LETTERS: Final = 6

_MASKS: Final = np.array([(1 << (8 * length)) - 1 for length in range(KEY_LETTERS + 1)], np.uint64)
# Odd numbers that spread the bits of a key (golden ratio, and a prime of xxHash); the top bit tells pairs from words.
_PAIR_FIRST, _PAIR_SECOND = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F)
_PAIR: Final = np.uint64(1 << 63)
_LOWER: Final = np.uint64(0x2020202020202020)


class WordKeys(NamedTuple):
    """The words of a buffer, in order.

    Attributes:
        start: int64[words], offset of each word's first letter.
        key: uint64[words], its first six letters in lower case as a little-endian number.
    """

    start: NDArray[np.int64]
    key: NDArray[np.uint64]


def find_word_keys(buffer: NDArray[np.uint8], base: NDArray[np.int64] | None = None) -> WordKeys:
    """Find every word of a uint8 buffer.

    Args:
        buffer: texts, one after the other.
        base: where texts start in the buffer: no word reaches over such a place.

    >>> find_word_keys(np.frombuffer(b"Sign up!", np.uint8)).start.tolist()
    [0, 5]
    """
    if not len(buffer):
        return WordKeys(np.zeros(0, np.int64), np.zeros(0, np.uint64))
    letter = np.zeros(len(buffer) + 2, np.bool_)
    # Setting bit 5 lowers a letter; the subtraction wraps every other byte above 25.
    np.less((buffer | np.uint8(0x20)) - np.uint8(ord("a")), np.uint8(26), out=letter[1:-1])
    edges = np.flatnonzero(letter[1:] != letter[:-1])
    if base is not None:
        inside = np.unique(base[(base > 0) & (base < len(buffer))])
        glued = inside[letter[inside] & letter[inside + 1]]
        edges = np.sort(np.concatenate([edges, glued, glued]))
    start, length = edges[::2], np.minimum(edges[1::2] - edges[::2], KEY_LETTERS)
    return WordKeys(start, _eight_bytes(buffer, start) & _MASKS[length])


def word_key(word: str) -> int:
    """The key of one word, as `find_word_keys` gives it.

    >>> word_key("Sign") == int.from_bytes(b"sign", "little")
    True
    """
    return int.from_bytes(word.lower()[:KEY_LETTERS].encode("ascii"), "little")


def pair_keys(key: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """uint64[words - 1], the key of each word together with the next one."""
    return (key[:-1] * _PAIR_FIRST ^ key[1:] * _PAIR_SECOND) | _PAIR


def pair_key(first: int, second: int) -> int:
    """The key of two words side by side, as `pair_keys` gives it.

    >>> words = np.array([word_key("sign"), word_key("up")], np.uint64)
    >>> pair_key(word_key("sign"), word_key("up")) == int(pair_keys(words)[0])
    True
    """
    return int(pair_keys(np.array([first, second], np.uint64))[0])


def _eight_bytes(buffer: NDArray[np.uint8], start: NDArray[np.int64]) -> NDArray[np.uint64]:
    """The eight bytes from each start as one lower-cased number; zeros stand for what is beyond the end."""
    whole = len(buffer) - 7
    inside = int(np.searchsorted(start, whole))
    value = np.zeros(len(start), np.uint64)
    if inside:
        window = np.ndarray((whole,), "<u8", np.ascontiguousarray(buffer), strides=(1,))
        value[:inside] = window[start[:inside]]
    for place in range(inside, len(start)):  # at most four words can start in the last seven bytes
        value[place] = int.from_bytes(buffer[start[place] : start[place] + 8].tobytes(), "little")
    return value | _LOWER
