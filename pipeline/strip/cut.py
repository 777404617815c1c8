"""The one place that cuts: from verdicts on lines to removed spans, and back from spans to the input text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from pipeline.records import LABELS, SPAN
from pipeline.strip.lines import string_buffer
from pipeline.strip.ranges import concatenated

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from pipeline.strip.lines import Lines


@dataclass(frozen=True, slots=True)
class Spans:
    """Removed spans of a batch, ordered by `start`, disjoint, each inside one document.

    Attributes:
        document: int32[spans], row of the batch.
        start: int64[spans], first byte in the buffer of the batch.
        end: int64[spans], byte after the last.
        label: uint8[spans], index into `records.LABELS`.
        evidence: int32[spans], index into a table of evidence that the caller keeps.
        score: float32[spans], 0 to 1.
    """

    document: NDArray[np.int32]
    start: NDArray[np.int64]
    end: NDArray[np.int64]
    label: NDArray[np.uint8]
    evidence: NDArray[np.int32]
    score: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.start)


def line_spans(
    lines: Lines, label: NDArray[np.uint8], evidence: NDArray[np.int32], score: NDArray[np.float32]
) -> Spans:
    """One span for each line whose label is not 0, with its line break and the blank lines around it.

    Between two kept lines the larger of the two gaps around a removed run stays, so paragraphs stay apart as they were
    and no hole is left; a text that ended without a line break still does.
    """
    removed = np.flatnonzero(label > 0)
    start, end = _with_gaps(lines, removed)
    return Spans(lines.document[removed], start, end, label[removed], evidence[removed], score[removed])


def _with_gaps(lines: Lines, removed: NDArray[np.intp]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where the span of each removed line starts and ends."""
    start, end = lines.begin[removed].copy(), lines.stop[removed].copy()
    if not len(removed):
        return start, end
    document = lines.document[removed]
    joined = (np.diff(removed) == 1) & (np.diff(document) == 0)
    opens = np.concatenate([[True], ~joined])
    closes = np.concatenate([~joined, [True]])
    end[~closes] = start[~opens]  # inside a run each line takes the blank lines after it

    first, last = removed[opens], removed[closes]
    owner = lines.document[first]
    head = first == lines.first[owner]
    tail = last + 1 == lines.first[owner + 1]
    before, after = np.maximum(first - 1, 0), np.minimum(last + 1, len(lines) - 1)
    # How many bytes of blank lines lie on each side; they only have to tell the larger gap.
    gap_before, gap_after = lines.begin[first] - lines.stop[before], lines.begin[after] - lines.stop[last]

    text_start, text_end = lines.base[owner], lines.base[owner + 1]
    takes_before = ~head & (tail | (gap_after > gap_before))
    run_start = np.where(takes_before, lines.stop[before], lines.begin[first])
    # A text that did not end in a line break must not do so now.
    open_end = tail & ~_ends_with_break(lines, text_end)
    run_start = np.where(open_end, _break_start(lines, before), run_start)
    run_end = np.where(takes_before, lines.stop[last], lines.begin[after])
    start[opens] = np.where(head, text_start, run_start)
    end[closes] = np.where(tail, text_end, run_end)
    return start, end


def _ends_with_break(lines: Lines, text_end: NDArray[np.int64]) -> NDArray[np.bool_]:
    last = lines.buffer[text_end - 1]
    return (last == 0x0A) | (last == 0x0D)


def _break_start(lines: Lines, line: NDArray[np.intp]) -> NDArray[np.int64]:
    """Where the line break of each line starts: one or two bytes before its stop."""
    stop = lines.stop[line]
    pair = (lines.buffer[stop - 1] == 0x0A) & (lines.buffer[stop - 2] == 0x0D)
    return stop - 1 - pair


def merge(whole: Spans, parts: Spans) -> Spans:
    """Spans of whole lines and of parts of lines together; a part inside a removed line splits that line's span.

    Args:
        whole: spans as `line_spans` gives them.
        parts: ordered, disjoint, each within one line.
    """
    if not len(parts) or not len(whole):
        return whole if len(whole) else parts
    owner = np.searchsorted(whole.start, parts.start, side="right") - 1
    inside = (owner >= 0) & (parts.end <= whole.end[owner])
    # What is left of each split span: the piece before its first part, then the piece after each part.
    split = np.unique(owner[inside])
    untouched = np.ones(len(whole), dtype=bool)
    untouched[split] = False
    piece_owner = np.concatenate([split, owner[inside]])
    piece_start = np.concatenate([whole.start[split], parts.end[inside]])
    order = np.lexsort((piece_start, piece_owner))
    piece_owner, piece_start = piece_owner[order], piece_start[order]
    cuts = np.concatenate([parts.start[inside], whole.end[split]])
    cut_owner = np.concatenate([owner[inside], split])
    piece_end = cuts[np.lexsort((cuts, cut_owner))]
    real = piece_start < piece_end
    pieces = _take(whole, piece_owner[real], piece_start[real], piece_end[real])
    kept = np.flatnonzero(untouched)
    return _sorted([_take(whole, kept, whole.start[kept], whole.end[kept]), pieces, parts])


def _take(spans: Spans, rows: NDArray[np.intp], start: NDArray[np.int64], end: NDArray[np.int64]) -> Spans:
    return Spans(spans.document[rows], start, end, spans.label[rows], spans.evidence[rows], spans.score[rows])


def _sorted(groups: Sequence[Spans]) -> Spans:
    fields = [np.concatenate([getattr(group, name) for group in groups]) for name in Spans.__slots__]
    order = np.argsort(fields[1], kind="stable")
    return Spans(*(field[order] for field in fields))


def cut(
    texts: pa.StringArray, spans: Spans, evidence: Sequence[tuple[str, ...]]
) -> tuple[pa.StringArray, pa.ListArray]:
    """Cut spans out of a column of texts.

    Args:
        texts: input texts, no nulls where there are spans.
        spans: what to cut.
        evidence: the table that `spans.evidence` points into.

    Returns:
        The clean texts (null where the input is null) and the removed spans, a list of `records.SPAN` per text with
        offsets relative to that text.
    """
    buffer, base = string_buffer(texts)
    removed_text = _gather(buffer, spans.start, spans.end)
    clean = _clean_texts(texts, buffer, base, spans)
    owner_base = base[spans.document]
    label = pa.DictionaryArray.from_arrays(pa.array(spans.label.astype(np.int8)), pa.array(LABELS)).cast(pa.string())
    proof = pa.array([list(entry) for entry in evidence], pa.list_(pa.string())).take(pa.array(spans.evidence))
    columns = [
        pa.array(spans.start - owner_base),
        pa.array(spans.end - owner_base),
        removed_text,
        label,
        proof,
        pa.array(spans.score),
    ]
    rows = pa.StructArray.from_arrays(columns, fields=list(SPAN))
    offsets = np.searchsorted(spans.document, np.arange(len(texts) + 1)).astype(np.int32)
    return clean, pa.ListArray.from_arrays(pa.array(offsets), rows)


def _clean_texts(
    texts: pa.StringArray, buffer: NDArray[np.uint8], base: NDArray[np.int64], spans: Spans
) -> pa.StringArray:
    """The texts without the spans; the very same array where nothing is cut."""
    if not len(spans):
        return texts
    # Kept pieces: from a text's start or a span's end to the next span's start or the text's end.
    low = np.sort(np.concatenate([base[:-1], spans.end]), kind="stable")
    high = np.sort(np.concatenate([spans.start, base[1:]]), kind="stable")
    kept = concatenated(buffer, low, high)
    lost = np.zeros(len(texts) + 1, np.int64)
    np.cumsum(np.bincount(spans.document, spans.end - spans.start, len(texts)).astype(np.int64), out=lost[1:])
    return _strings(kept, base - lost, texts)


def rebuild(clean: pa.StringArray, removed: pa.ListArray) -> pa.StringArray:
    """The input texts again, from the clean texts and the spans that were cut out of them.

    Args:
        clean: clean texts.
        removed: list of `records.SPAN` per text, ordered and disjoint, offsets into the input text.
    """
    buffer, base = string_buffer(clean)
    flat = removed.flatten()
    if not len(flat):
        return clean
    counts = np.diff(np.asarray(removed.offsets)).astype(np.int64)
    if removed.null_count:
        counts[np.asarray(removed.is_null())] = 0
    document = np.repeat(np.arange(len(clean)), counts)
    start = flat.field("start").to_numpy()
    length = flat.field("end").to_numpy() - start
    cut_buffer, cut_base = string_buffer(flat.field("text"))
    grown = np.zeros(len(clean) + 1, np.int64)
    np.cumsum(np.bincount(document, length, len(clean)).astype(np.int64), out=grown[1:])
    # Where each span stood, measured in the clean buffer: its start less what was cut before it in its document.
    cut_before = np.concatenate([[0], np.cumsum(length)[:-1]]) - grown[document]
    place = base[document] + start - cut_before
    # Alternate clean pieces and removed pieces: one source buffer, one list of ranges in reading order.
    source = np.concatenate([buffer, cut_buffer])
    low = np.sort(np.concatenate([base[:-1], place]), kind="stable")
    high = np.sort(np.concatenate([place, base[1:]]), kind="stable")
    after_span = np.argsort(np.concatenate([base[:-1], place]), kind="stable") >= len(clean)
    pieces_low = np.empty(len(low) + len(place), np.int64)
    pieces_high = np.empty_like(pieces_low)
    # A span comes just before the clean piece that starts at its place.
    position = np.arange(len(low)) + np.cumsum(after_span)
    pieces_low[position], pieces_high[position] = low, high
    spots = position[after_span] - 1
    pieces_low[spots] = cut_base[:-1] + len(buffer)
    pieces_high[spots] = cut_base[1:] + len(buffer)
    return _strings(concatenated(source, pieces_low, pieces_high), base + grown, clean)


def _gather(buffer: NDArray[np.uint8], low: NDArray[np.int64], high: NDArray[np.int64]) -> pa.StringArray:
    offsets = np.zeros(len(low) + 1, np.int32)
    np.cumsum(high - low, out=offsets[1:])
    return pa.StringArray.from_buffers(len(low), pa.py_buffer(offsets), concatenated(buffer, low, high))


def _strings(data: pa.Buffer, offsets: NDArray[np.int64], like: pa.StringArray) -> pa.StringArray:
    """A string column over `data`, null where `like` is null."""
    validity = None
    if like.null_count:
        validity = pa.array(np.asarray(like.is_valid())).buffers()[1]
    return pa.StringArray.from_buffers(len(like), pa.py_buffer(offsets.astype(np.int32)), data, validity)
