"""The words of all lines of a batch, as arrays of offsets and hashes.

Everything is integer arithmetic, so the same text gives the same words on every machine, whatever the batch around it.
Long lines are body: of a line longer than `HEAD + TAIL` bytes only both ends are read.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipeline.strip.lines import line_ends

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipeline.strip.lines import Lines

HEAD, TAIL = 144, 96

# Classes of bytes: 0 space and control, 1 part of a word, 2 and up one mark each.
_MARKS = b".,:;!?\"'()[]|/-+*&@#$%=<>_\\"
_MARK_OF = {mark: place + 2 for place, mark in enumerate(_MARKS)}
_CLASS = np.zeros(256, np.uint8)
for _byte in range(256):
    _CLASS[_byte] = 1 if _byte >= 0x80 or chr(_byte).isalnum() else _MARK_OF.get(_byte, 0)

# Groups of marks that are counted, in the order of the lanes of one uint64.
_MARK_LANES: tuple[bytes, ...] = (b".", b",;", b":", b"!?", b"\"'", b"|/\\>", b"-+*=_<", b"()[]@#&$%")
_CLASS_TABLE = _CLASS.tobytes()
_LANE_OF = np.full(256, 255, np.uint8)
for _lane, _group in enumerate(_MARK_LANES):
    for _byte in _group:
        _LANE_OF[_byte] = _lane
MARK_UNIT = np.where(_LANE_OF < 8, np.uint64(1) << (8 * (_LANE_OF & 7).astype(np.uint64)), np.uint64(0)).astype(
    np.uint64
)

_GENERAL_PUNCTUATION, _LATIN_SIGNS = 0xE2, 0xC2
# White space that begins with neither of them: the ideographic space and the byte order mark.
_WIDE_BLANKS = (b"\xe3\x80\x80", b"\xef\xbb\xbf")

_KEEP = np.array([(1 << (8 * size)) - 1 for size in range(8)] + [(1 << 64) - 1], np.uint64)
_LOWER = np.uint64(0x2020202020202020)
MIX, _MIX_B, _MIX_C = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F), np.uint64(0x165667B19E3779F9)

# Flags of a word, one bit each.
CAPITAL, UPPER, DIGIT, LONG, FIRST, SENTENCE = 1, 2, 4, 8, 16, 32

FLAG_UNIT = np.zeros(64, np.uint64)
for _flags in range(64):
    _unit = 0
    for _lane, _wanted in enumerate(
        (
            _flags & CAPITAL,
            _flags & UPPER,
            _flags & DIGIT,
            _flags & LONG,
            (_flags & CAPITAL) and not _flags & (FIRST | SENTENCE | UPPER),
            not _flags & (CAPITAL | DIGIT),
            (_flags & SENTENCE) and _flags & CAPITAL,
        )
    ):
        _unit += (1 if _wanted else 0) << (8 * _lane)
    FLAG_UNIT[_flags] = _unit


@dataclass(frozen=True, slots=True)
class Spans:
    """Which values of a batch are a line's own.

    Attributes:
        begin: int64[lines]; line `i` owns values `begin[i]` to `stop[i]`.
        stop: int64[lines].
    """

    begin: NDArray[np.int64]
    stop: NDArray[np.int64]

    @property
    def size(self) -> NDArray[np.int64]:
        """How many there are, int64[lines]."""
        return self.stop - self.begin

    def take(self, chosen: NDArray[np.int64]) -> Spans:
        """Those of some lines; the values of the others are still there, but nobody's."""
        return Spans(self.begin[chosen], self.stop[chosen])

    def packed(self) -> tuple[Spans, NDArray[np.int64]]:
        """The same without values that are nobody's, line after line, and which values these are."""
        size = self.size
        stop = np.cumsum(size)
        begin = stop - size
        return Spans(begin, stop), np.repeat(self.begin - begin, size) + np.arange(int(size.sum()))


@dataclass(frozen=True, slots=True)
class LineWords:
    """The words of the lines of a batch (of long lines: of both ends).

    Attributes:
        spans: the words of each line.
        key: uint64[words], a hash of the lower-cased word; every number of the same length has one key.
        flags: uint8[words], `CAPITAL` and its sisters.
        whole: uint64[lines], a hash of the keys of a line in their order.
        marks: uint64[lines], counts of eight groups of marks between the words, a byte each, lowest first.
    """

    spans: Spans
    key: NDArray[np.uint64]
    flags: NDArray[np.uint8]
    whole: NDArray[np.uint64]
    marks: NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Traits:
    """What the words of lines are like, whatever stands around the lines.

    Attributes:
        words: the words of each line.
        whole: as in `LineWords`.
        marks: as in `LineWords`.
        kinds: uint64[lines], counts of seven kinds of words, see `FLAG_UNIT`, a byte each, lowest first.
        told: the telling words of each line: its names, that is words with a capital within a sentence, and its long
            words without.
        telling: uint64[telling words], 32 bits of a hash of each; the bit above them is set for names.
    """

    words: Spans
    whole: NDArray[np.uint64]
    marks: NDArray[np.uint64]
    kinds: NDArray[np.uint64]
    told: Spans
    telling: NDArray[np.uint64]

    def take(self, chosen: NDArray[np.int64]) -> Traits:
        """Those of some lines."""
        whole, marks, kinds = (column[chosen] for column in (self.whole, self.marks, self.kinds))
        return Traits(self.words.take(chosen), whole, marks, kinds, self.told.take(chosen), self.telling)


def traits_of(words: LineWords) -> Traits:
    """What words are like, once they are found."""
    flags, spans = words.flags, words.spans
    name = (flags & (CAPITAL | FIRST | SENTENCE | DIGIT)) == CAPITAL
    topic = (flags & (CAPITAL | LONG | DIGIT)) == LONG
    chosen = np.flatnonzero(name | topic)
    told = Spans(np.searchsorted(chosen, spans.begin), np.searchsorted(chosen, spans.stop))
    telling = (words.key[chosen] * MIX) >> np.uint64(32) | name[chosen].astype(np.uint64) << np.uint64(32)
    return Traits(spans, words.whole, words.marks, sum_by_line(FLAG_UNIT[flags], spans), told, telling)


def _classes(lines: Lines) -> NDArray[np.uint8]:
    """The class of each byte; quotes, dashes and signs beyond ASCII count as space, letters beyond ASCII as word."""
    buffer = lines.buffer
    raw = buffer.tobytes()
    # `translate` looks bytes up several times faster than an index array does.
    classes = np.frombuffer(bytearray(raw.translate(_CLASS_TABLE)), np.uint8)
    for lead, size in ((_GENERAL_PUNCTUATION, 3), (_LATIN_SIGNS, 2)):
        if lead in raw:
            places = np.flatnonzero(buffer == lead)
            for distance in range(size):
                classes[np.minimum(places + distance, len(buffer) - 1)] = 0
    if any(blank in raw for blank in _WIDE_BLANKS):  # where they are trimmed off a line they are none of its words
        edges = np.stack([lines.start, lines.end], axis=1).ravel()
        inside = np.arange(len(edges) + 1) % 2 == 1
        classes *= np.repeat(inside, np.diff(edges, prepend=0, append=len(buffer)))
    return classes


def _word_edges(lines: Lines, classes: NDArray[np.uint8]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First byte and byte after the last of every word of the buffer."""
    is_word = np.zeros(len(classes) + 2, np.bool_)
    np.equal(classes, 1, out=is_word[1:-1])
    edges = np.flatnonzero(is_word[1:] != is_word[:-1])
    # A text may end without a line break, so that its last word touches the next text's first.
    glued = lines.base[1:-1]
    glued = np.unique(glued[is_word[glued] & is_word[glued + 1]])
    if len(glued):
        edges = np.sort(np.concatenate([edges, glued, glued]), kind="stable")
    return edges[0::2], edges[1::2]


def read_words(lines: Lines) -> LineWords:
    """Find the words of all lines, and count the marks between them."""
    lines = line_ends(lines, HEAD, TAIL)
    buffer = lines.buffer
    classes = _classes(lines)
    begin, stop = _word_edges(lines, classes)
    first = np.append(np.searchsorted(begin, lines.start), len(begin))
    size = np.minimum(stop - begin, 16)
    padded = np.zeros(len(buffer) + 16, np.uint8)
    padded[: len(buffer)] = buffer
    words = _unaligned(padded)
    lead = words[begin]
    mask = _KEEP[np.minimum(size, 8)]
    key = ((lead & mask) | (_LOWER & mask)) * MIX
    long = np.flatnonzero(size > 8)
    mask = _KEEP[size[long] - 8]
    key[long] ^= ((words[begin[long] + 8] | _LOWER) & mask) * _MIX_B
    byte = lead.astype(np.uint8)
    digit = (byte >= 48) & (byte <= 57)
    key[digit] = (np.minimum(size[digit], 5).astype(np.uint64) + np.uint64(1)) * _MIX_C
    key ^= key >> np.uint64(29)
    flags = _word_flags(lead, byte, size, digit)
    mark = classes[np.maximum(begin - 2, 0)]
    flags[(mark == _MARK_OF[ord(".")]) | (mark == _MARK_OF[ord("!")]) | (mark == _MARK_OF[ord("?")])] |= SENTENCE
    opening = first[:-1][first[:-1] < first[1:]]
    flags[opening] = (flags[opening] & ~np.uint8(SENTENCE)) | FIRST
    spans = Spans(first[:-1], first[1:])
    return LineWords(spans, key, flags, _whole(spans, key), _count_marks(lines, classes))


def _unaligned(padded: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Eight bytes from every offset on, as one little-endian number (a view, nothing is copied)."""
    view = np.ndarray(shape=(len(padded) - 7,), dtype="<u8", buffer=padded.data, strides=(1,))
    return view if sys.byteorder == "little" else view.astype(np.uint64)


def _word_flags(
    lead: NDArray[np.uint64], byte: NDArray[np.uint8], size: NDArray[np.int64], digit: NDArray[np.bool_]
) -> NDArray[np.uint8]:
    second = ((lead >> np.uint64(8)) & np.uint64(255)).astype(np.uint8)
    capital = (byte >= 65) & (byte <= 90)
    upper = capital & (second >= 65) & (second <= 90) & (size > 1)
    flags = capital.astype(np.uint8)
    flags |= upper.astype(np.uint8) << 1
    flags |= digit.astype(np.uint8) << 2
    flags |= (size >= 8).astype(np.uint8) << 3
    return flags


def _count_marks(lines: Lines, classes: NDArray[np.uint8]) -> NDArray[np.uint64]:
    places = np.flatnonzero(classes > 1)
    first = np.append(np.searchsorted(places, lines.start), len(places))
    return sum_by_line(MARK_UNIT[lines.buffer[places]], Spans(first[:-1], first[1:]))


def sum_by_line(values: NDArray[np.uint64], spans: Spans) -> NDArray[np.uint64]:
    """Sum the values of each line; uint64[lines], wrapping as unsigned integers do."""
    total = np.zeros(len(values) + 1, np.uint64)
    np.cumsum(values, out=total[1:])
    return total[spans.stop] - total[spans.begin]


def _whole(spans: Spans, key: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """What `LineWords.whole` holds."""
    order = (np.arange(len(key)) - np.repeat(spans.begin, spans.size)).astype(np.uint64)
    keys = sum_by_line(key * (order * np.uint64(2) + np.uint64(1)), spans) + spans.size.astype(np.uint64)
    keys *= MIX
    return keys ^ (keys >> np.uint64(29))


TOKEN_BITS = 18
SHAPES = 16


def word_buckets(words: LineWords) -> NDArray[np.int64]:
    """int64[words], the bucket of each word, below 2**TOKEN_BITS."""
    return (words.key >> np.uint64(64 - TOKEN_BITS)).astype(np.int64)


def pair_buckets(words: LineWords) -> NDArray[np.int64]:
    """int64[words], the bucket of each word with the one before it; that of a line's first word marks it as first."""
    previous = np.concatenate([np.zeros(1, np.uint64), words.key[:-1]])[: len(words.key)]
    begins = words.spans.begin[words.spans.size > 0]
    previous[begins] = _MIX_B
    pair = (previous * _MIX_C) ^ (words.key * _MIX_B)
    return ((pair * MIX) >> np.uint64(64 - TOKEN_BITS)).astype(np.int64)


def line_buckets(words: LineWords) -> NDArray[np.int64]:
    """int64[lines], the bucket of each whole line."""
    return (words.whole >> np.uint64(64 - TOKEN_BITS)).astype(np.int64)
