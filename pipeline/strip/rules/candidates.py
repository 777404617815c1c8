"""Which patterns can match which lines: the words of a batch looked up in what the patterns need."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Final

import numpy as np

from pipeline.strip.rules.keytable import KeyTable
from pipeline.strip.rules.plain import HEAD_BYTES, TAIL_BYTES
from pipeline.strip.rules.prefilter import FIRST, LAST, MOST_REQUIREMENTS, NO_LETTERS, SIGN_BITS, Needs
from pipeline.strip.rules.wordkeys import WordKeys, pair_keys

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipeline.strip.lines import Lines

# A pattern without words of its own is tried on lines up to this length only.
WORDLESS_MAX_LENGTH: Final = 60


class Candidates:
    """Lookup tables from word keys to the patterns that ask for them.

    Args:
        needs: what each pattern needs, in the order of their numbers.
    """

    def __init__(self, needs: list[Needs]) -> None:
        self._patterns = len(needs)
        required = [
            (MOST_REQUIREMENTS * pattern + number, words)
            for pattern, need in enumerate(needs)
            for number, words in enumerate(need.words)
        ]
        asked = np.repeat([number for number, _ in required], [len(words) for _, words in required]).astype(np.int64)
        keys = np.fromiter(chain.from_iterable(words for _, words in required), np.uint64, len(asked))
        known, word = np.unique(keys, return_inverse=True)
        self._words = KeyTable(known)
        order = np.lexsort((asked, word))
        # For each word that is asked for, one after the other: who asks.
        self._asked = asked[order]
        self._asked_first = np.searchsorted(word[order], np.arange(len(known) + 1))
        self._needed = np.array([len(need.words) for need in needs], np.int64)
        self._wordless = np.flatnonzero(self._needed == 0)
        self._signs = np.array([need.signs for need in needs], np.uint8)

    def find(self, lines: Lines, words: WordKeys) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Pairs of line and pattern where the line has all that the pattern needs, ordered by line, then pattern."""
        if not len(lines) or not self._patterns:
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        line, word = self._known_words(lines, words)
        count = self._asked_first[word + 1] - self._asked_first[word]
        line = np.repeat(line, count)
        asked = self._asked[np.repeat(self._asked_first[word] - np.cumsum(count) + count, count) + np.arange(len(line))]
        pairs = _unique(line * (MOST_REQUIREMENTS * self._patterns) + asked) // MOST_REQUIREMENTS
        pairs, met = _count_equal(pairs)
        pairs = pairs[met == self._needed[pairs % self._patterns]]
        line, pattern = np.divmod(_unique(np.concatenate([pairs, self._wordless_pairs(lines)])), self._patterns)
        return line, pattern

    def _known_words(self, lines: Lines, words: WordKeys) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Line and number of every word that some pattern asks for and that patterns can see."""
        number, known = self._words.find(words.key)
        start = words.start[known]
        line = np.searchsorted(lines.start, start, "right") - 1
        before, after = start - lines.start[line], lines.end[line] - start
        seen = (after > 0) & ((before < HEAD_BYTES) | (after <= TAIL_BYTES))
        groups = [(line[seen], number[seen])]
        number, known = self._words.find(pair_keys(words.key))
        owner = np.searchsorted(lines.start, words.start[known], "right") - 1
        whole = (words.start[known] < lines.end[owner]) & (words.start[known + 1] < lines.end[owner])
        groups.append((owner[whole], number[whole]))
        first = np.searchsorted(words.start, lines.start)
        behind = np.searchsorted(words.start, lines.end)
        worded = np.flatnonzero(first < behind)
        for flag, place in ((FIRST, first[worded]), (LAST, behind[worded] - 1)):
            number, known = self._words.find(words.key[place] | np.uint64(flag))
            groups.append((worded[known], number))
        return np.concatenate([line for line, _ in groups]), np.concatenate([number for _, number in groups])

    def _wordless_pairs(self, lines: Lines) -> NDArray[np.int64]:
        """Short lines with the signs that a pattern without words asks for."""
        short = np.flatnonzero(lines.end - lines.start <= WORDLESS_MAX_LENGTH)
        signs = _signs_of(lines, short)
        pairs = [
            short[(signs & wanted) == wanted] * self._patterns + pattern
            for pattern, wanted in zip(self._wordless.tolist(), self._signs[self._wordless].tolist(), strict=True)
        ]
        return np.concatenate(pairs) if pairs else short[:0]


def _signs_of(lines: Lines, short: NDArray[np.intp]) -> NDArray[np.uint8]:
    """uint8[lines], the bits of `SIGN_BITS` and `NO_LETTERS` that hold for each of the given lines."""
    length = lines.end[short] - lines.start[short]
    first = np.cumsum(length) - length
    place = np.repeat(lines.start[short] - first, length) + np.arange(int(length.sum()))
    if not len(place):
        return np.zeros(len(short), np.uint8)
    found = np.bitwise_or.reduceat(_SIGN_OF_BYTE[lines.buffer[place]], first)
    return found ^ np.uint8(NO_LETTERS)


def _sign_table() -> NDArray[np.uint8]:
    """The bits of each byte; of a sign beyond ASCII, every byte that one of its forms ends in. Letters set the last."""
    table = np.zeros(256, np.uint8)
    forms = {"0": "0123456789", "@": "@", "|": "|", "©": "©", "¤": "$£€₹"}
    for sign, characters in forms.items():
        for character in characters:
            table[character.encode()[-1]] |= SIGN_BITS[sign]
    for letter in "abcdefghijklmnopqrstuvwxyz":
        table[ord(letter)] |= NO_LETTERS
        table[ord(letter.upper())] |= NO_LETTERS
    return table


_SIGN_OF_BYTE: Final = _sign_table()


def _unique(values: NDArray[np.int64]) -> NDArray[np.int64]:
    values = np.sort(values)
    return values[np.flatnonzero(np.diff(values, prepend=-1))]


def _count_equal(values: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The distinct values of a sorted array and how often each stands in it."""
    first = np.flatnonzero(np.diff(values, prepend=-1))
    return values[first], np.diff(first, append=len(values))
