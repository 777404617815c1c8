"""Which patterns can match which lines: the words of a batch looked up in what the patterns need."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from pipeline import kernels
from pipeline.strip.lines import chosen_lines
from pipeline.strip.rules.plain import HEAD_BYTES, TAIL_BYTES
from pipeline.strip.rules.prefilter import FIRST, LAST, MOST_REQUIREMENTS, NO_LETTERS, SIGN_BITS, Needs
from pipeline.strip.rules.wordkeys import WordKeys, find_word_keys, pair_keys

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipeline.strip.lines import Lines

# A pattern without words of its own is tried on lines up to this length only.
WORDLESS_MAX_LENGTH: Final = 60

# Keys of words are found by the top bits of their hash (an odd number that spreads them: the golden ratio). The kernel
# asks a filter of bits first: it stays in the processor's nearest cache, and most words of a text end there.
_MIX: Final = np.uint64(0x9E3779B97F4A7C15)
_BUCKET_BITS, _FILTER_BITS = 14, 18

# Pairs that the kernel makes room for at a time, besides one for every pattern.
_PAIRS_AT_ONCE: Final = 1 << 16

# int64[pairs], int64[pairs]: lines and patterns.
_Pairs = tuple["NDArray[np.int64]", "NDArray[np.int64]"]


class Candidates:
    """Lookup tables from word keys to the patterns that ask for them.

    Args:
        needs: what each pattern needs, in the order of their numbers.
    """

    def __init__(self, needs: list[Needs]) -> None:
        self._patterns = len(needs)
        words = [
            (MOST_REQUIREMENTS * pattern + number, keys)
            for pattern, need in enumerate(needs)
            for number, keys in enumerate(need.words)
        ]
        keys = np.array([key for _, required in words for key in required], np.uint64)
        # What asks for each key: `MOST_REQUIREMENTS` times the pattern, and the number of its requirement.
        sizes = np.array([len(required) for _, required in words], np.int64)
        asked = np.repeat(np.array([entry for entry, _ in words], np.int64), sizes)
        order = np.lexsort((asked, keys * _MIX))
        keys, self._asked = keys[order], asked[order]
        first = np.flatnonzero(np.diff(keys, prepend=~keys[:1]))
        self._key, self._asked_first = keys[first], np.append(first, len(keys)).astype(np.int64)
        mixed = self._key * _MIX
        bounds = np.arange((1 << _BUCKET_BITS) + 1)
        self._bucket = np.searchsorted(mixed >> np.uint64(64 - _BUCKET_BITS), bounds).astype(np.int64)
        bit = np.zeros(1 << _FILTER_BITS, np.uint8)
        bit[mixed >> np.uint64(64 - _FILTER_BITS)] = 1
        self._filter = np.packbits(bit, bitorder="little").view(np.uint64)
        self._needed = np.array([len(need.words) for need in needs], np.int64)
        self._wordless = np.flatnonzero(self._needed == 0).astype(np.int64)
        self._signs = np.array([need.signs for need in needs], np.uint8)

    def find(self, lines: Lines, chosen: NDArray[np.int64]) -> _Pairs:
        """Pairs of line and pattern where the line has all that the pattern needs, ordered by line, then pattern.

        Args:
            lines: the lines of a batch.
            chosen: which of them, ascending.
        """
        if not len(chosen) or not self._patterns:
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        if kernels.compiled is not None:
            return self._find_compiled(lines, chosen)
        some = chosen_lines(lines, chosen)
        line, pattern = self._find(some, find_word_keys(some.buffer, some.base))
        return chosen[line], pattern

    def _find_compiled(self, lines: Lines, chosen: NDArray[np.int64]) -> _Pairs:
        room, done = self._patterns + _PAIRS_AT_ONCE, 0
        scratch = (
            np.empty(self._patterns, np.uint8),
            np.empty(self._patterns, np.int32),
            np.empty(-(-self._patterns // 64), np.uint64),
        )
        index = (self._key, self._filter, self._bucket, self._asked_first, self._asked)
        wordless = (self._wordless, self._signs[self._wordless], _SIGN_OF_BYTE, WORDLESS_MAX_LENGTH)
        needed = (np.left_shift(1, self._needed) - 1).astype(np.uint8)
        text = (lines.buffer, lines.start, lines.end, chosen, HEAD_BYTES, TAIL_BYTES)
        found: list[_Pairs] = []
        while done < len(chosen):
            line, pattern = np.empty(room, np.int64), np.empty(room, np.int64)
            done, count = kernels.compiled.find_candidates(
                *text, *index, needed, *wordless, done, *scratch, line, pattern
            )
            found.append((line[:count], pattern[:count]))
        return np.concatenate([line for line, _ in found]), np.concatenate([pattern for _, pattern in found])

    def _find(self, lines: Lines, words: WordKeys) -> _Pairs:
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
        if not len(self._key):
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        number, known = self._look_up(words.key)
        start = words.start[known]
        line = np.searchsorted(lines.start, start, "right") - 1
        before, after = start - lines.start[line], lines.end[line] - start
        seen = (after > 0) & ((before < HEAD_BYTES) | (after <= TAIL_BYTES))
        groups = [(line[seen], number[seen])]
        number, known = self._look_up(pair_keys(words.key))
        owner = np.searchsorted(lines.start, words.start[known], "right") - 1
        whole = (words.start[known] < lines.end[owner]) & (words.start[known + 1] < lines.end[owner])
        groups.append((owner[whole], number[whole]))
        first = np.searchsorted(words.start, lines.start)
        behind = np.searchsorted(words.start, lines.end)
        worded = np.flatnonzero(first < behind)
        for flag, place in ((FIRST, first[worded]), (LAST, behind[worded] - 1)):
            number, known = self._look_up(words.key[place] | np.uint64(flag))
            groups.append((worded[known], number))
        return np.concatenate([line for line, _ in groups]), np.concatenate([number for _, number in groups])

    def _look_up(self, key: NDArray[np.uint64]) -> tuple[NDArray[np.int64], NDArray[np.intp]]:
        """Numbers of the keys that some probe asks for, and where in `key` they stand."""
        bucket = (key * _MIX) >> np.uint64(64 - _BUCKET_BITS)
        slot, stop = self._bucket[bucket], self._bucket[bucket + np.uint64(1)]
        place = np.flatnonzero(slot < stop)
        slot, stop = slot[place], stop[place]
        numbers, places = [slot[:0]], [place[:0]]
        while len(place):  # few buckets hold more than one key
            hit = self._key[slot] == key[place]
            numbers.append(slot[hit])
            places.append(place[hit])
            slot += 1
            more = np.flatnonzero(~hit & (slot < stop))
            slot, stop, place = slot[more], stop[more], place[more]
        return np.concatenate(numbers), np.concatenate(places)

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
