"""What the learned line model counts of each line: its shape, its place, and what it shares with its document.

Nothing here knows a language's grammar or a publisher's name. Every value is a whole number, found by integer
arithmetic from the document alone, so the same text gives the same features on every machine and in every batch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from pipeline import kernels
from pipeline.strip.model.tokens import sum_by_line

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipeline.strip.lines import Lines
    from pipeline.strip.model.tokens import Traits

_END_CLASSES = 9


def _end_table() -> NDArray[np.uint8]:
    """Class of a line's last byte: 1 full stop, 2 ! and ?, 3 colon, 4 , ; -, 5 quote, 6 bracket, 7 digit, 8 letter."""
    table = np.zeros(256, np.uint8)
    for byte in range(256):
        char = chr(byte)
        if byte < 0x80 and char.isdigit():
            table[byte] = 7
        elif byte < 0x80 and char.isalpha():
            table[byte] = 8
    for place, group in enumerate((b".", b"!?", b":", b",;-", b"\"'", b")]")):
        for byte in group:
            table[byte] = place + 1
    return table


_END = _end_table()

_SHARES = ("capitals", "uppers", "digits", "longs", "middle_capitals", "lowers")
_MARKS = ("stops", "commas", "colons", "asks", "quotes", "bars", "signs", "brackets")
_STARTS = ("capital", "lower", "digit", "quote", "mark", "foreign")

# Name of each row that `line_features` writes.
OWN: Final = (
    "length",
    "words",
    *_SHARES,
    "sentences",
    *_MARKS,
    *(f"end_{kind}" for kind in range(_END_CLASSES)),
    "quoted_stop",
    "quoted_ask",
    *(f"start_{name}" for name in _STARTS),
    "from_first",
    "to_last",
    "share_before",
    "bytes_before",
    "bytes_after",
    "prose_before",
    "prose_after",
    "prose_gap_before",
    "prose_gap_after",
    "lines",
    "mean_length",
    "prose_share",
    "prose_bytes",
    "ended_share",
    "copy_before",
    "copy_after",
    "copies",
    "names_shared",
    "names_alone",
    "names_early",
    "topics_shared",
    "topics_alone",
    "run_of_short",
    "longer_than_last",
    "longer_than_next",
    "starts_as_last",
    "starts_as_next",
    "ends_as_last",
    "ends_as_next",
)


_PROSE_BYTES = 100
_ROOM = 16


def line_features(lines: Lines, traits: Traits, out: NDArray[np.uint8] | None = None) -> NDArray[np.uint8]:
    """One row for each name in `OWN`; counts are squashed, finer where small.

    Args:
        lines: the lines of a batch.
        traits: what their words are like.
        out: uint8[len(OWN), lines] to be filled, if there is one.

    Returns:
        uint8[len(OWN), lines].
    """
    table = np.empty((len(OWN), len(lines)), np.uint8) if out is None else out
    if kernels.compiled is None:
        for row, values in zip(table, _rows(lines, traits), strict=True):
            row[:] = _squash(values)
    else:
        place = (lines.buffer, lines.start, lines.end, lines.first)
        words, told = traits.words, traits.told
        spans = (words.begin, words.stop, told.begin, told.stop)
        columns = (traits.whole, traits.marks, traits.kinds, traits.telling)
        kernels.compiled.line_features(*place, *spans, *columns, _END, table)
    return table


def _rows(lines: Lines, traits: Traits) -> list[NDArray[np.int32]]:
    """The rows of `line_features` before they are squashed, int32[lines] each."""
    size = (lines.end - lines.start).astype(np.int32)
    count = traits.words.size.astype(np.int32)
    out: list[NDArray[np.int32]] = [size, count]
    most = np.maximum(count, 1)
    out += [_lane(traits.kinds, lane) * 255 // most for lane in range(len(_SHARES))]
    out.append(_lane(traits.kinds, len(_SHARES)))
    out += [_lane(traits.marks, lane) for lane in range(len(_MARKS))]
    ended, ending, beginning, edges = _edges(lines)
    out += edges
    out += _places(lines, size, ended & (size >= _PROSE_BYTES), ended)
    out += _copies(lines, traits)
    out += _shared(lines, traits)
    out.append(np.minimum(out[OWN.index("prose_gap_before")] + out[OWN.index("prose_gap_after")], 255))
    return [*out, *_likeness(lines, size, ending, beginning)]


def _squash(values: NDArray[np.int32]) -> NDArray[np.int32]:
    """Whole numbers in 0..255: exact below 64, then in steps of 4, 16, 64 and 1024."""
    if not len(values) or int(values.max()) < 64:
        return values
    squashed = np.where(values < 256, 48 + (values >> 2), 96 + (values >> 4))
    squashed = np.where(values < 1024, squashed, np.where(values < 4096, 144 + (values >> 6), 204 + (values >> 10)))
    return np.where(values < 64, values, np.minimum(squashed, 255))


def _likeness(
    lines: Lines, size: NDArray[np.int32], ending: NDArray[np.uint8], beginning: NDArray[np.uint8]
) -> list[NDArray[np.int32]]:
    """How a line differs from the one before and the one after: entries of a list are alike."""
    same = np.zeros(len(lines) + 1, np.bool_)
    same[1:-1] = lines.document[1:] == lines.document[:-1]
    scale = _squash(size)
    step = np.zeros(len(lines) + 1, np.int32)
    step[1:-1] = scale[1:] - scale[:-1]
    step[~same] = 127
    out = [np.clip(step[:-1], -127, 127) + 128, np.clip(-step[1:], -127, 127) + 128]
    first = (
        lines.buffer[lines.start].astype(np.int32)
        | lines.buffer[np.minimum(lines.start + 1, lines.end - 1)].astype(np.int32) << 8
    )
    begins = np.zeros(len(lines) + 1, np.int32)
    begins[1:-1] = ((beginning[1:] == beginning[:-1]) & same[1:-1]).astype(np.int32)
    begins[1:-1] += (first[1:] == first[:-1]) & (begins[1:-1] > 0)
    ends = np.zeros(len(lines) + 1, np.int32)
    ends[1:-1] = (ending[1:] == ending[:-1]) & same[1:-1]
    return [*out, begins[:-1], begins[1:], ends[:-1], ends[1:]]


def _lane(lanes: NDArray[np.uint64], lane: int) -> NDArray[np.int32]:
    return ((lanes >> np.uint64(8 * lane)) & np.uint64(255)).astype(np.int32)


def _edges(
    lines: Lines,
) -> tuple[NDArray[np.bool_], NDArray[np.uint8], NDArray[np.uint8], list[NDArray[np.int32]]]:
    """Whether each line ends as a sentence does, the kinds of its last and first bytes, and flags of both."""
    buffer, last = lines.buffer, lines.end - 1
    final = buffer[last]
    before = buffer[np.maximum(last - 1, lines.start)]
    third = buffer[np.maximum(last - 2, lines.start)]
    kind = _END[final]
    curly = (third == 0xE2) & (before == 0x80)
    kind[curly & ((final == 0x9D) | (final == 0x99) | (final == 0x9C))] = 5
    dots = curly & (final == 0xA6)
    kind[dots] = 2  # an ellipsis: a teaser's end more often than a sentence's
    inner = _END[before]
    inner[curly] = _END[buffer[np.maximum(last[curly] - 3, lines.start[curly])]]
    closed = ((kind == 5) | (kind == 6)) & ((inner == 1) | (inner == 2))
    ended = ((kind == 1) | (kind == 2) | closed) & ~dots
    start = buffer[lines.start]
    second = buffer[np.minimum(lines.start + 1, last)]
    quote = (start == 0x22) | (start == 0x27) | ((start == 0xE2) & (second == 0x80))
    capital, lower, digit = (start >= 65) & (start <= 90), (start >= 97) & (start <= 122), (start >= 48) & (start <= 57)
    foreign = (start >= 0x80) & ~quote
    mark = ~(quote | capital | lower | digit | foreign)
    flags = [kind == place for place in range(_END_CLASSES)]
    flags += [(inner == place) & ((kind == 5) | (kind == 6)) for place in (1, 2)]
    starts = [capital, lower, digit, quote, mark, foreign]
    beginning = sum(
        (flag.astype(np.uint8) * np.uint8(place + 1) for place, flag in enumerate(starts)),
        np.zeros(len(lines), np.uint8),
    )
    return ended, kind, beginning, [flag.astype(np.int32) for flag in flags + starts]


def _places(
    lines: Lines, size: NDArray[np.int32], prose: NDArray[np.bool_], ended: NDArray[np.bool_]
) -> list[NDArray[np.int32]]:
    """Where each line stands in its document, and what the document is like."""
    document = lines.document
    first, stop = lines.first[:-1], lines.first[1:]
    index = np.arange(len(lines), dtype=np.int64)
    from_first = (index - first[document]).astype(np.int32)
    to_last = (stop[document] - 1 - index).astype(np.int32)
    total = (stop - first).astype(np.int32)
    sums = _running(size)
    before = sums[:-1] - sums[first][document]
    after = sums[stop][document] - sums[1:]
    whole = sums[stop] - sums[first]
    runs = _running(prose)
    prose_before = runs[:-1] - runs[first][document]
    prose_after = runs[stop][document] - runs[1:]
    last_prose = np.maximum.accumulate(np.where(prose, index, -1))
    previous = np.concatenate([np.full(1, -1, np.int64), last_prose[:-1]])[: len(index)]
    gap_before = np.where(prose_before > 0, index - previous, 99)
    next_prose = np.minimum.accumulate(np.where(prose, index, len(index))[::-1])[::-1]
    following = np.concatenate([next_prose[1:], np.full(1, len(index), np.int64)])[: len(index)]
    gap_after = np.where(prose_after > 0, following - index, 99)
    some = np.maximum(total, 1)
    prose_size = _running(size * prose)
    endings = _running(ended)
    share = np.maximum(whole, 1)
    return [
        from_first,
        to_last,
        (before * 255 // share[document]).astype(np.int32),
        np.minimum(before, 1 << 20).astype(np.int32),
        np.minimum(after, 1 << 20).astype(np.int32),
        prose_before.astype(np.int32),
        prose_after.astype(np.int32),
        gap_before.astype(np.int32),
        gap_after.astype(np.int32),
        total[document],
        (whole // some)[document].astype(np.int32),
        ((runs[stop] - runs[first]) * 255 // some)[document].astype(np.int32),
        ((prose_size[stop] - prose_size[first]) * 255 // share)[document].astype(np.int32),
        ((endings[stop] - endings[first]) * 255 // some)[document].astype(np.int32),
    ]


def _running(values: NDArray[np.int32] | NDArray[np.bool_]) -> NDArray[np.int64]:
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(values, dtype=np.int64)])


def _copies(lines: Lines, traits: Traits) -> list[NDArray[np.int32]]:
    """Whether the same line stands earlier and later in the same document, and how many of it there are."""
    place, room = _places_of(traits.whole, lines.document, len(lines.first) - 1)
    index = np.arange(len(lines), dtype=np.int32)
    before, after = _elsewhere(place, room, index)
    return [before.astype(np.int32), after.astype(np.int32), np.bincount(place, minlength=room)[place].astype(np.int32)]


def _places_of(keys: NDArray[np.uint64], document: NDArray[np.int32], documents: int) -> tuple[NDArray[np.int64], int]:
    """A place for each key in a table, and the size of the table.

    Each document has a part of the table of its own, `_ROOM` places for each of its keys, so that what meets there does
    not depend on the rest of the batch; two keys that share a place count as one (rarely, and always the same ones).
    """
    room = np.bincount(document, minlength=documents) * _ROOM
    origin = np.cumsum(room) - room
    inner = ((keys >> np.uint64(32)) * room.astype(np.uint64)[document]) >> np.uint64(32)
    return inner.astype(np.int64) + origin[document], int(room.sum())


def _elsewhere(
    place: NDArray[np.int64], room: int, line: NDArray[np.int32]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Whether each place comes in an earlier line, and in a later one."""
    table = np.zeros(room, np.int32)
    table[place[::-1]] = line[::-1]  # of equal places the last one written stays, which is the first line
    before = table[place] != line
    table[place] = line
    return before, table[place] != line


def _shared(lines: Lines, traits: Traits) -> list[NDArray[np.int32]]:
    """How many of a line's names and long words other lines of its document use too."""
    spans, chosen = traits.told.packed()
    telling = traits.telling[chosen]
    line = np.repeat(np.arange(len(lines), dtype=np.int32), spans.size)
    place, room = _places_of(telling << np.uint64(32), lines.document[line], len(lines.first) - 1)
    before, after = _elsewhere(place, room, line)
    is_name = telling >> np.uint64(32) > 0
    seen = before | after
    unit = np.uint64(1) << np.where(is_name, np.uint64(0), np.uint64(16))
    unit += np.where(seen, unit << np.uint64(8), np.uint64(0))
    unit += np.where(is_name & before, np.uint64(1) << np.uint64(32), np.uint64(0))
    lanes = sum_by_line(unit, spans)
    names, names_seen, topics, topics_seen, early = (_lane(lanes, lane) for lane in range(5))
    return [
        names_seen * 255 // np.maximum(names, 1),
        names - names_seen,
        early * 255 // np.maximum(names, 1),
        topics_seen * 255 // np.maximum(topics, 1),
        topics - topics_seen,
    ]
