"""Signals of quality: what other corpora filter by, measured for each document and left to the user.

The columns are `records.SIGNALS`, each with its paper and that paper's bound. A word stands between white space, as in
`word_count`; a line is not blank, white space at its ends aside; a paragraph is a run of lines without a blank line
between. Characters are Unicode code points; shares of characters leave white space out. Whatever a text stands beside
in its batch, its signals are the same: every sum is one of whole numbers.
"""

from __future__ import annotations

import hashlib
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.records import SIGNAL, replace_columns
from pipeline.strip.blanks import solid_bytes
from pipeline.strip.lines import Lines, split_lines

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from pipeline.config import Config

# Texts are worked through in pieces whose arrays stay in the cache.
_PIECE_BYTES: Final = 1 << 20

STOP_WORDS: Final = ("the", "be", "to", "of", "and", "that", "have", "with")
# Bullets count wherever they begin a line; the two of ASCII, which may begin speech or a footnote, as words alone.
BULLETS: Final = "•‣▪■□▶◀●○◦–"
_ASCII_BULLETS: Final = b"*-"
# What may close a sentence, and what may stand after that in its word.
_ENDS: Final = np.isin(np.arange(256), list(b".!?"))
_CLOSERS: Final = ('"', "'", ")", "]", "”", "’", "»")
_CLOSES: Final = np.isin(np.arange(256), [sign.encode()[-1] for sign in _CLOSERS])
_PHRASES: Final = {
    "c4_curly_brackets": r"[{}]",
    "c4_javascript": r"javascript",
    "c4_policy_phrases": r"terms of use|privacy policy|cookie policy|uses cookies|use of cookies|use cookies",
    "c4_lorem_ipsum": r"lorem ipsum",
}
_SHORT_LINE_WORDS: Final = 5
_SHORT_LINE_CHARACTERS: Final = 30
_TOP: Final = (2, 3, 4)
_DUPLICATE: Final = (5, 6, 7, 8, 9, 10)

# Odd numbers of many bits, from xxHash and splitmix64.
_MIX: Final = np.array([0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9], np.uint64)
_KEEP: Final = np.array([(1 << (8 * size)) - 1 for size in range(9)], np.uint64)
_HASHED_BYTES: Final = 64  # of a longer word the key is a digest, made by itself
# Letters as far as bytes tell: A to Z in both cases, and every character beyond ASCII but for the blocks of signs
# U+0080 to U+00BF (they begin with C2), U+2000 to U+207F (E2 80, E2 81) and U+3000 to U+303F (E3 80).
_LETTER: Final = bytes(
    int(byte in range(0x41, 0x5B) or byte in range(0x61, 0x7B) or (byte >= 0xC3 and byte not in (0xE2, 0xE3)))
    for byte in range(256)
)
_SIGN_BLOCKS: Final = {0xE2: (0x80, 0x81), 0xE3: (0x80,)}


def measure(batch: pa.RecordBatch, config: Config) -> pa.RecordBatch:
    """Fill the column `signals` of the rows that are on their way to the documents, if that is asked for.

    Args:
        batch: rows of `records.RECORDS` with clean texts.
        config: its `signals` counts; without it the batch passes as it is.
    """
    if not config.signals:
        return batch
    is_open = np.asarray(batch.column("outcome").is_null()) & np.asarray(batch.column("text").is_valid())
    rows = np.flatnonzero(is_open)
    measured = signals_of(batch.column("text").take(pa.array(rows)))
    place = np.zeros(len(batch), np.int64)
    place[rows] = np.arange(len(rows))
    return replace_columns(batch, {"signals": measured.take(pa.array(place, mask=~is_open))})


def signals_of(texts: pa.StringArray) -> pa.StructArray:
    """The signals of each text, `records.SIGNAL`.

    Args:
        texts: no nulls.
    """
    pieces = [_measured(texts.slice(low, high - low)) for low, high in _pieces(texts)]
    return pa.concat_arrays(pieces) if pieces else pa.array([], SIGNAL)


def _pieces(texts: pa.StringArray) -> Iterator[tuple[int, int]]:
    ends = np.cumsum(np.asarray(pc.binary_length(texts), np.int64))
    low = 0
    while low < len(texts):
        done = ends[low - 1] if low else 0
        high = max(int(np.searchsorted(ends, done + _PIECE_BYTES, side="right")), low + 1)
        yield low, high
        low = high


@dataclass(frozen=True, slots=True)
class _Words:
    """The words of a piece.

    Attributes:
        begin: int64[words], first byte; `end` the byte after the last.
        key: uint64[words], equal for equal words.
        size: int64[words], characters.
        document: int64[words], the text of each.
        first: int64[texts + 1], where the words of each text start.
    """

    begin: NDArray[np.int64]
    end: NDArray[np.int64]
    key: NDArray[np.uint64]
    size: NDArray[np.int64]
    document: NDArray[np.int64]
    first: NDArray[np.int64]


def _measured(texts: pa.StringArray) -> pa.StructArray:
    # With a line break after each text nothing reaches from one into the next.
    texts = pc.binary_join_element_wise(texts, "", "\n")
    lines = split_lines(texts)
    characters = np.concatenate([np.zeros(1, np.int64), np.cumsum((lines.buffer & 0xC0) != 0x80)])  # before each byte
    words = _words(lines, characters)
    found = {**_counts(texts, lines, words, characters), **_repeated_lines(lines, words), **_repeated_runs(words)}
    return pa.StructArray.from_arrays(
        [pa.array(found[field.name], field.type) for field in SIGNAL], fields=list(SIGNAL)
    )


def _words(lines: Lines, characters: NDArray[np.int64]) -> _Words:
    buffer, base = lines.buffer, lines.base
    solid = np.zeros(len(buffer) + 2, np.bool_)
    solid[1:-1] = solid_bytes(buffer)
    edges = np.flatnonzero(solid[1:] != solid[:-1])
    begin, end = edges[::2], edges[1::2]
    first = np.searchsorted(begin, base).astype(np.int64)
    document = np.repeat(np.arange(len(first) - 1), np.diff(first))
    return _Words(begin, end, _keys(buffer, begin, end), characters[end] - characters[begin], document, first)


def _keys(buffer: NDArray[np.uint8], begin: NDArray[np.int64], end: NDArray[np.int64]) -> NDArray[np.uint64]:
    """A hash of every byte of each word, uint64[words]."""
    size = end - begin
    key = size.astype(np.uint64) * _MIX[2]
    left = np.arange(len(begin))
    for offset in range(0, _HASHED_BYTES, 8):
        key[left] = _mixed(key[left] ^ _eight_bytes(buffer, begin[left] + offset, size[left] - offset))
        left = left[size[left] > offset + 8]
    for word in np.flatnonzero(size > _HASHED_BYTES).tolist():
        digest = hashlib.blake2b(buffer[begin[word] : end[word]].tobytes(), digest_size=8).digest()
        key[word] = int.from_bytes(digest, "little")
    return key


def _eight_bytes(buffer: NDArray[np.uint8], start: NDArray[np.int64], size: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Up to eight bytes from each start as a number."""
    padded = np.zeros(len(buffer) + 8, np.uint8)
    padded[: len(buffer)] = buffer
    window = np.ndarray((len(buffer) + 1,), "<u8", padded.data, strides=(1,))
    window = window if sys.byteorder == "little" else window.astype(np.uint64)
    return window[start] & _KEEP[np.minimum(size, 8)]


def _mixed(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Every bit of a value spread over all bits."""
    values = (values ^ (values >> np.uint64(32))) * _MIX[0]
    values ^= values >> np.uint64(29)
    values *= _MIX[1]
    return values ^ (values >> np.uint64(32))


def _per_text(owner: NDArray[np.int64], texts: int, values: NDArray[np.int64] | None = None) -> NDArray[np.float64]:
    """How many belong to each text, or the sum of their values; whole numbers below 2^53, so exact."""
    return np.bincount(owner, values, texts).astype(np.float64)


def _counts(
    texts: pa.StringArray, lines: Lines, words: _Words, characters: NDArray[np.int64]
) -> dict[str, NDArray[np.float64]]:
    """What is counted of words and lines one by one."""
    count, buffer, owner = len(texts), lines.buffer, lines.document.astype(np.int64)
    by_words = np.maximum(_per_text(words.document, count), 1)
    by_lines = np.maximum(_per_text(owner, count), 1)
    low, high = np.searchsorted(words.begin, lines.start), np.searchsorted(words.begin, lines.end)
    of_line = characters[lines.end] - characters[lines.start]
    last = lines.end - 1
    ellipses = _starts_of_ellipses(buffer)
    ends_ellipsis = _is_at(buffer, last, "…") | ((buffer[last] == _DOT) & _preceded_by_dots(buffer, last))
    punctuated = _ENDS[buffer[last]] | _is_at(buffer, last, '"') | _is_at(buffer, last, "”")
    return {
        "gopher_mean_word_length": _per_text(words.document, count, words.size) / by_words,
        "gopher_hashes_per_word": _per_text(_owner(lines, np.flatnonzero(buffer == ord("#"))), count) / by_words,
        "gopher_ellipses_per_word": _per_text(_owner(lines, ellipses), count) / by_words,
        "gopher_bullet_lines": _per_text(owner[_bullets(lines, words)], count) / by_lines,
        "gopher_ellipsis_lines": _per_text(owner[ends_ellipsis], count) / by_lines,
        "gopher_alphabetic_words": _per_text(words.document[_alphabetic(buffer, words)], count) / by_words,
        "gopher_stop_words": _stop_words(buffer, words).astype(np.float64),
        "c4_punctuated_lines": _per_text(owner[punctuated], count) / by_lines,
        "c4_short_lines": _per_text(owner[high - low < _SHORT_LINE_WORDS], count) / by_lines,
        "c4_sentences": _per_text(words.document[_ends_sentence(buffer, words)], count),
        **{name: np.asarray(pc.count_substring_regex(texts, p, ignore_case=True)) for name, p in _PHRASES.items()},
        "fineweb_short_lines": _per_text(owner[of_line <= _SHORT_LINE_CHARACTERS], count) / by_lines,
        "fineweb_lines_per_word": _per_text(owner, count) / by_words,
    }


_DOT: Final = ord(".")


def _owner(lines: Lines, places: NDArray[np.intp]) -> NDArray[np.int64]:
    """The text that each byte belongs to."""
    return np.searchsorted(lines.base, places, side="right") - 1


def _starts_of_ellipses(buffer: NDArray[np.uint8]) -> NDArray[np.intp]:
    """Where three full stops or more begin, and every `…`."""
    dots = np.flatnonzero(buffer == _DOT)
    dots = dots[_follows(buffer, dots, (_DOT, _DOT))]
    runs = dots[(dots == 0) | (buffer[dots - 1] != _DOT)]
    signs = np.flatnonzero(buffer == 0xE2)
    return np.concatenate([runs, signs[_follows(buffer, signs, (0x80, 0xA6))]])


def _follows(buffer: NDArray[np.uint8], places: NDArray[np.intp], wanted: tuple[int, ...]) -> NDArray[np.bool_]:
    hit = places < len(buffer) - len(wanted)
    for distance, byte in enumerate(wanted, 1):
        hit &= buffer[np.minimum(places + distance, len(buffer) - 1)] == byte
    return hit


def _is_at(buffer: NDArray[np.uint8], last: NDArray[np.int64], sign: str) -> NDArray[np.bool_]:
    """Whether the character whose last byte is there is this one."""
    hit = np.ones(len(last), np.bool_)
    for distance, byte in enumerate(reversed(sign.encode())):
        hit &= buffer[np.maximum(last - distance, 0)] == byte
    return hit


def _preceded_by_dots(buffer: NDArray[np.uint8], last: NDArray[np.int64]) -> NDArray[np.bool_]:
    return (last >= 2) & (buffer[last - 1] == _DOT) & (buffer[last - 2] == _DOT)


def _bullets(lines: Lines, words: _Words) -> NDArray[np.bool_]:
    buffer, start = lines.buffer, lines.start
    alone = words.end[np.searchsorted(words.begin, start)] == start + 1
    hit = alone & np.isin(buffer[start], np.frombuffer(_ASCII_BULLETS, np.uint8))
    for sign in BULLETS:
        data = sign.encode()
        hit |= (buffer[start] == data[0]) & _follows(buffer, start, tuple(data[1:]))
    return hit


def _alphabetic(buffer: NDArray[np.uint8], words: _Words) -> NDArray[np.bool_]:
    raw = buffer.tobytes()
    letter = np.frombuffer(bytearray(raw.translate(_LETTER)), np.uint8)
    for lead, signs in _SIGN_BLOCKS.items():
        if lead in raw:
            places = np.flatnonzero(buffer == lead)
            second = buffer[np.minimum(places + 1, len(buffer) - 1)]
            letter[places] = np.logical_and.reduce([second != sign for sign in signs])
    before = np.concatenate([np.zeros(1, np.int64), np.cumsum(letter, dtype=np.int64)])
    return before[words.end] > before[words.begin]


def _stop_words(buffer: NDArray[np.uint8], words: _Words) -> NDArray[np.int64]:
    """How many of the stop words occur in each text, int64[texts]; case does not matter."""
    short = np.flatnonzero(words.end - words.begin <= 4)
    size = words.end[short] - words.begin[short]
    # Setting bit 5 lowers letters, and makes no other byte a letter.
    value = (_eight_bytes(buffer, words.begin[short], size) | np.uint64(0x20202020)) & _KEEP[size]
    owner = words.document[short]
    texts = len(words.first) - 1
    found = np.zeros(texts, np.int64)
    for word in STOP_WORDS:
        found += np.bincount(owner[value == int.from_bytes(word.encode(), "little")], minlength=texts) > 0
    return found


def _ends_sentence(buffer: NDArray[np.uint8], words: _Words) -> NDArray[np.bool_]:
    ends = _ENDS[buffer[words.end - 1]]
    closed = np.flatnonzero(_CLOSES[buffer[words.end - 1]])
    begin, last = words.begin[closed], words.end[closed] - 1
    for sign in _CLOSERS:
        before = last - len(sign.encode())
        ends[closed] |= (before >= begin) & _is_at(buffer, last, sign) & _ENDS[buffer[np.maximum(before, 0)]]
    return ends


def _repeated_lines(lines: Lines, words: _Words) -> dict[str, NDArray[np.float64]]:
    """Lines and paragraphs that came before, by number and by characters."""
    opens = np.ones(len(lines), np.bool_)
    opens[1:] = (lines.begin[1:] > lines.stop[:-1]) | (np.diff(lines.document) > 0)
    out = {}
    for name, starts in (("line", np.arange(len(lines))), ("paragraph", np.flatnonzero(opens))):
        first = np.searchsorted(words.begin, lines.start[starts])
        owner = lines.document[starts].astype(np.int64)
        count = np.diff(np.append(first, len(words.key)))
        place = (np.arange(len(words.key)) - np.repeat(first, count)).astype(np.uint64)
        # The order of the words counts, so each is mixed with its place.
        key = np.add.reduceat(_mixed(words.key + place * _MIX[0]), first) if len(first) else np.zeros(0, np.uint64)
        again = _came_before(_mixed(key + owner.astype(np.uint64) * _MIX[1]))
        size = np.add.reduceat(words.size, first) if len(first) else np.zeros(0, np.int64)
        texts = len(words.first) - 1
        out[f"gopher_duplicate_{name}s"] = _share(_per_text(owner[again], texts), _per_text(owner, texts))
        out[f"gopher_duplicate_{name}_characters"] = _share(
            _per_text(owner[again], texts, size[again]), _per_text(owner, texts, size)
        )
    return out


def _share(part: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.minimum(part / np.maximum(whole, 1), 1.0)


def _came_before(key: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Whether an equal key stands further in front."""
    order = np.argsort(key, kind="stable")
    again = np.zeros(len(key), np.bool_)
    again[order[1:]] = key[order[1:]] == key[order[:-1]]
    return again


def _repeated_runs(words: _Words) -> dict[str, NDArray[np.float64]]:
    """Runs of words: the share of the most frequent one, and of all that came before in their text.

    A run can only come twice if the run that it begins with does: after the first few most words are out.
    """
    texts = len(words.first) - 1
    whole = _per_text(words.document, texts, words.size)
    before = np.concatenate([np.zeros(1, np.int64), np.cumsum(words.size)])
    ends = words.first[1:][words.document]  # for each word where the words of its text end
    start = np.arange(len(words.key))
    key = words.key[start] + words.document.astype(np.uint64) * _MIX[1]
    out = {}
    for size in range(2, max(_DUPLICATE) + 1):
        inside = start + size <= ends[start]
        start = start[inside]
        key = _mixed(key[inside] + words.key[start + size - 1] * _MIX[2])
        common = _maybe_twice(key)
        start, key = start[common], key[common]
        order = np.argsort(key, kind="stable")
        ordered = key[order]
        opens = np.flatnonzero(np.concatenate([np.ones(min(1, len(ordered)), np.bool_), ordered[1:] != ordered[:-1]]))
        times = np.diff(np.append(opens, len(ordered)))
        twice = times > 1
        if size in _TOP:
            example = start[order[opens[twice]]]
            characters = before[example + size] - before[example]
            covered = _most_frequent(words.document[example], times[twice], characters, texts)
            out[f"gopher_top_{size}gram"] = _share(covered, whole)
        else:
            again = np.ones(len(order), np.bool_)
            again[opens] = False
            covered = _covered(start[order[again]], size, words)
            out[f"gopher_duplicate_{size}grams"] = _share(covered, whole)
        kept = np.sort(order[np.repeat(twice, times)])
        start, key = start[kept], key[kept]
    return out


def _maybe_twice(key: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Not where a key is alone for sure: counting in a small table is quicker than sorting all of them."""
    bits = max(int(len(key) * 8).bit_length(), 1)
    bucket = (key >> np.uint64(64 - bits)).astype(np.int64)
    several: NDArray[np.bool_] = np.bincount(bucket, minlength=1 << bits)[bucket] > 1
    return several


def _most_frequent(
    owner: NDArray[np.int64], times: NDArray[np.int64], characters: NDArray[np.int64], texts: int
) -> NDArray[np.float64]:
    """Characters of all occurrences of each text's most frequent run; of equally frequent ones the longest counts."""
    order = np.lexsort((characters, times, owner))
    last = np.flatnonzero(np.diff(owner[order], append=texts))
    best = order[last]
    out = np.zeros(texts, np.float64)
    out[owner[best]] = times[best] * characters[best]
    return out


def _covered(start: NDArray[np.int64], size: int, words: _Words) -> NDArray[np.float64]:
    """Characters of the words that lie in some of these runs, each word once."""
    texts = len(words.first) - 1
    if not len(start):
        return np.zeros(texts, np.float64)
    change = np.bincount(start, minlength=len(words.key) + 1) - np.bincount(start + size, minlength=len(words.key) + 1)
    inside = np.cumsum(change[:-1]) > 0
    return _per_text(words.document[inside], texts, words.size[inside])
