"""CSV and TSV with a header: a block of whole records at a time.

The quick way gives a block to Arrow when its quotes stand only where RFC 4180 lets them: then there is one way to
read it. The exact way is the standard library's reader, which also tells what to do with stray quotes. A cell
that is empty says nothing: it is null.
"""

from __future__ import annotations

import csv
import hashlib
import io
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from pipeline.read import metadata
from pipeline.read.jsonl import BLOCK, BLOCK_LINES, longest_record
from pipeline.read.stream import Fault
from pipeline.read.tables import Found, assemble, fault_row, names

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pipeline.config import Config
    from pipeline.read.inputs import InputFile, Slice
    from pipeline.read.stream import Stream

_DELIMITERS: Final = {"csv": ",", "tsv": "\t"}
# The standard library's own limit is for the whole process; ours is `longest_record`.
_NO_LIMIT: Final = (1 << 31) - 1
# Bytes that are split into lines at once: a string to read lines from takes four times as many.
_PIECE: Final = 1 << 20
_FIRST_QUOTES: Final = 1 << 12
# No table of articles has so many columns; every block of rows costs something for each of them.
_MAX_COLUMNS: Final = 10_000
_LONGEST_HEADER: Final = 4 << 20


def read(stream: Stream, part: Slice, config: Config) -> Iterator[pa.RecordBatch]:
    """The records of a CSV or TSV file."""
    return _Reader(stream, part.file, config).run()


class _Reader:
    """Reads one file from start to end."""

    def __init__(self, stream: Stream, file: InputFile, config: Config) -> None:
        self._stream = stream
        self._file = file
        self._config = config
        self._delimiter = _DELIMITERS[file.kind]
        self._header: list[str] = []
        self._fault: Fault | None = None
        self._index = 0
        self._rest = b""
        self._quoted = False  # of bytes in which no record ends: they leave a quote open
        self._ended = False

    def run(self) -> Iterator[pa.RecordBatch]:
        """All batches; of a damaged file a last one with what is wrong."""
        self._fill()
        while self._rest:
            known = len(self._rest)
            yield from self._block()
            if self._fault:
                yield fault_row(self._file, 0, self._fault)
                return
            if len(self._rest) < known:
                if len(self._rest) < BLOCK and not self._ended:
                    self._fill()
            elif self._ended:
                break
            else:
                if known > longest_record(self._config):
                    yield self._skip_record()
                self._fill()
        fault = self._stream.fault
        if fault:
            yield fault_row(self._file, self._index, fault, raw=self._rest or None)
        elif not self._header:
            yield fault_row(self._file, 0, Fault("invalid-csv", "the file has no header"))

    def _fill(self) -> None:
        # Four times as much each time that no record ends in it: a long one is looked through a few times only.
        size = max(BLOCK, min(3 * len(self._rest), longest_record(self._config) + 1 - len(self._rest)))
        more = self._stream.read(size)
        self._ended = len(more) < size
        self._rest += more

    @property
    def _final(self) -> bool:
        """Whether the bytes at hand end with the file's own end, so that the last record needs no line break."""
        return self._ended and self._stream.fault is None

    def _block(self) -> Iterator[pa.RecordBatch]:
        """The records at hand; takes their bytes away."""
        if not self._header:
            self._read_header()
            if not self._header or not self._rest or self._fault:
                return
        bounds = _bounds(self._rest, self._delimiter.encode(), final=self._final)
        if bounds is None:
            batch, used = self._exact(self._rest, final=self._final)
            self._rest = self._rest[used:]
            yield from self._counted(batch)
            return
        if not len(bounds):
            self._quoted = self._rest.count(b'"') % 2 > 0
        start = 0
        for first in range(0, len(bounds), BLOCK_LINES):
            ends = bounds[first : first + BLOCK_LINES]
            block = self._rest[start : int(ends[-1])]
            found = self._quick(block, ends - start)
            batch = self._exact(block, final=True)[0] if found is None else assemble(found, self._config)
            start = int(ends[-1])
            yield from self._counted(batch)
        self._rest = self._rest[start:]

    def _counted(self, batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
        self._index += batch.num_rows
        if batch.num_rows:
            yield batch

    def _read_header(self) -> None:
        blank = 0
        for row, _, stop, closed, whole in _rows(self._rest, self._delimiter, final=self._final):
            if not whole:
                break
            if closed and len(row) > _MAX_COLUMNS:
                words = f"the header has {len(row)} columns; {_MAX_COLUMNS} are the most that are read"
                self._fault = Fault("invalid-csv", words)
                return
            if closed and row:
                self._header = _unique([_plain(name, self._config.encoding)[0] or "" for name in row])
                self._rest = self._rest[stop:]
                return
            blank = stop if closed else blank
        self._rest = self._rest[blank:]
        if len(self._rest) > _LONGEST_HEADER:
            words = f"the header does not end within {_LONGEST_HEADER} bytes; is a quote in it not closed?"
            self._fault = Fault("invalid-csv", words)

    # The quick way

    def _quick(self, block: bytes, bounds: np.ndarray[Any, Any]) -> Found | None:
        if b"\0" in block or block.startswith(b"\xef\xbb\xbf"):
            return None
        rows = _count(block, bounds)
        if not rows:
            return Found(0, self._file.uri, range(0))
        try:
            table = pyarrow.csv.read_csv(
                pa.BufferReader(block),
                read_options=pyarrow.csv.ReadOptions(
                    use_threads=False, block_size=len(block) + 1, column_names=self._header
                ),
                parse_options=pyarrow.csv.ParseOptions(delimiter=self._delimiter, newlines_in_values=True),
                convert_options=pyarrow.csv.ConvertOptions(
                    column_types=dict.fromkeys(self._header, pa.string()), strings_can_be_null=False
                ),
            )
        except (pa.ArrowException, UnicodeError):
            return None
        if table.num_rows != rows:
            return None
        columns = {
            name: _filled(column.combine_chunks())
            for name, column in zip(table.column_names, table.columns, strict=True)
        }
        return self._found(columns, rows, range(self._index, self._index + rows))

    def _found(self, columns: dict[str, pa.Array], rows: int, index: Sequence[int] | range) -> Found:
        known = names(self._config)
        fields = {ours: columns.pop(theirs) for theirs, ours in known.items() if theirs in columns}
        return Found(rows, self._file.uri, index, fields, metadata.from_columns(columns, rows))

    # The exact way

    def _exact(self, data: bytes, *, final: bool) -> tuple[pa.RecordBatch, int]:
        """The whole records of some bytes, and how many of these they take."""
        cells: list[list[str | None]] = [[] for _ in self._header]
        encodings: list[str | None] = []
        sound: list[int] = []
        broken: dict[int, tuple[Fault, bytes, str | None]] = {}
        used = count = 0
        for row, start, stop, closed, whole in _rows(data, self._delimiter, final=final):
            if not whole:
                self._quoted = not closed
                break
            used = stop
            if not row and closed:
                continue
            values, encoding, fault = self._cells(row, closed=closed)
            if fault:
                broken[count] = fault, data[start:stop], encoding
            else:
                sound.append(count)
                encodings.append(encoding)
                for column, value in zip(cells, values, strict=True):
                    column.append(value)
            count += 1
        arrays = [pa.array(column, pa.string()) for column in cells]
        index = [self._index + row for row in sound]
        found = self._found(dict(zip(self._header, arrays, strict=True)), len(sound), index)
        found.encoding = encodings
        return self._together(found, sound, broken), used

    def _together(
        self, found: Found, sound: list[int], broken: dict[int, tuple[Fault, bytes, str | None]]
    ) -> pa.RecordBatch:
        """The rows of `sound`, and those at fault between them, which cost nothing for the columns that they lack."""
        if not broken:
            return assemble(found, self._config)
        faults, raw, encodings = zip(*broken.values(), strict=True)
        index = [self._index + row for row in broken]
        bad = Found(len(broken), self._file.uri, index, encoding=encodings)
        bad.faults, bad.raw = dict(enumerate(faults)), dict(enumerate(raw))
        batches = [assemble(found, self._config), assemble(bad, self._config)]
        return pa.concat_batches(batches).take(pa.array(np.argsort([*sound, *broken])))

    def _cells(self, row: Sequence[str], *, closed: bool) -> tuple[list[str | None], str | None, Fault | None]:
        width = len(self._header)
        if not closed:
            return [], None, Fault("invalid-csv", "a quote is opened and not closed before the end of the file")
        if len(row) != width:
            words = f"the row has {len(row)} cells, the header has {width}"
            return [], "utf-8", Fault("invalid-csv", words)
        encoding = "utf-8"
        values: list[str | None] = []
        for name, cell in zip(self._header, row, strict=True):
            text, used = _plain(cell, self._config.encoding)
            if text is None:
                return [], None, Fault("not-utf8", f"the cell of '{name}' is not UTF-8")
            encoding = used if used != "utf-8" else encoding
            values.append(text or None)
        return values, encoding, None

    def _skip_record(self) -> pa.RecordBatch:
        """Pass over a record that is too large to hold: all bytes at hand, and those up to its end."""
        quotes = int(self._quoted)
        # A CR at their end may be the end of the record.
        size = len(self._rest) - (self._rest.endswith(b"\r") and not quotes)
        digest = hashlib.sha256(self._rest[:size])
        data, self._rest = self._rest[size:], b""
        while data or (data := self._stream.read(BLOCK)):
            end = _first_end(data, quotes)
            piece = data if end < 0 else data[:end]
            digest.update(piece)
            size += len(piece)
            if end >= 0:
                self._rest = data[end:]
                break
            quotes += piece.count(b'"')
            data = b""
        limit = longest_record(self._config)
        words = f"the row has {size} bytes; with --max-document {self._config.max_document} {limit} are allowed"
        batch = fault_row(self._file, self._index, Fault("too-large", words), digest.hexdigest())
        self._index += 1
        return batch


def _first_end(data: bytes, quotes: int) -> int:
    """Offset after the first line end outside quotes, of data before which `quotes` quotes stand; -1 if none."""
    view = np.frombuffer(data, dtype=np.uint8)
    ends = np.flatnonzero((view == 0x0A) | (view == 0x0D))
    before = np.searchsorted(np.flatnonzero(view == 0x22), ends) + quotes
    outside = np.flatnonzero(before % 2 == 0)
    return int(ends[outside[0]]) + 1 if len(outside) else -1


def _bounds(data: bytes, delimiter: bytes, *, final: bool) -> np.ndarray[Any, Any] | None:
    """Offsets after each record, int64; None when a quote stands where RFC 4180 does not let it."""
    view = np.frombuffer(data, dtype=np.uint8)
    quotes = np.flatnonzero(view == 0x22)
    if not _well_quoted(view, quotes, delimiter, final=final):
        return None
    ends = np.flatnonzero((view == 0x0A) | (view == 0x0D)) if b"\r" in data else np.flatnonzero(view == 0x0A)
    # Of CR LF the second ends the line; a CR at the very end may still be the first half of that.
    last = ends + 1 == len(view)
    goes_on = np.where(last, not final, view[np.minimum(ends + 1, len(view) - 1)] == 0x0A)
    ends = ends[(view[ends] == 0x0A) | ~goes_on]
    bounds: np.ndarray[Any, Any] = ends[np.searchsorted(quotes, ends) % 2 == 0] + 1
    if final and len(data) and (not len(bounds) or bounds[-1] < len(data)):
        bounds = np.append(bounds, len(data))
    return bounds


def _well_quoted(view: np.ndarray[Any, Any], quotes: np.ndarray[Any, Any], delimiter: bytes, *, final: bool) -> bool:
    """Whether each quote opens a cell, closes one, or is doubled inside one."""
    if not len(quotes):
        return True
    if final and len(quotes) % 2:
        return False
    # A stray quote rarely comes alone: a look at the first ones may spare the arrays for all.
    if len(quotes) > _FIRST_QUOTES:
        start = quotes[:_FIRST_QUOTES]
        if not _well_quoted(view[: quotes[_FIRST_QUOTES]], start, delimiter, final=False):
            return False
    edge = np.zeros(256, dtype=bool)
    edge[[delimiter[0], 0x0A, 0x0D]] = True
    opening, closing = quotes[::2], quotes[1::2]
    before = edge[view[opening - 1]] | (opening == 0)
    before[1:] |= opening[1:] - 1 == closing[: len(opening) - 1]
    last = closing + 1 == len(view)
    behind = edge[view[np.minimum(closing + 1, len(view) - 1)]] | last
    doubled = closing[: len(opening) - 1] + 1 == opening[1:]
    behind[: len(doubled)] |= doubled
    return bool(before.all() and behind.all())


def _count(block: bytes, bounds: np.ndarray[Any, Any]) -> int:
    """How many of the records are no blank lines."""
    view = np.frombuffer(block, dtype=np.uint8)
    starts = np.concatenate(([0], bounds[:-1]))
    size = bounds - starts
    first = view[starts]
    blank = (size == 1) & ((first == 0x0A) | (first == 0x0D)) | (size == 2) & (first == 0x0D)
    return int(len(bounds) - blank.sum())


def _filled(column: pa.Array) -> pa.Array:
    """The same cells, null where they are empty."""
    empty = pc.equal(pc.binary_length(column), 0)
    return pc.if_else(empty, pa.scalar(None, pa.string()), column) if pc.any(empty).as_py() else column


def _rows(data: bytes, delimiter: str, *, final: bool) -> Iterator[tuple[list[str], int, int, bool, bool]]:
    """Rows as the standard library reads them, a character of a cell for each byte: see `_plain`.

    Of each its cells, first byte, byte after the last, whether all quotes are closed, and whether it is whole: unless
    these are the `final` bytes of the file, the last row may go on after them.
    """
    csv.field_size_limit(_NO_LIMIT)
    place = 0
    piece = io.StringIO()
    exhausted = False

    def pieces() -> Iterator[io.StringIO]:
        nonlocal place, piece, exhausted
        while place + piece.tell() < len(data):
            place += piece.tell()
            end = data.find(b"\n", place + _PIECE) + 1 or len(data)
            piece = io.StringIO(data[place:end].decode("latin-1"), newline="")
            yield piece
        exhausted = True

    # No line passes through code of ours: of a row that never ends there may be millions.
    reader = csv.reader(chain.from_iterable(pieces()), delimiter=delimiter)
    start = 0
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error:
            row = []
        stop = place + piece.tell()
        # A CR at the very end may be the first half of a line break.
        broken = data[stop - 1] == 0x0A or (data[stop - 1] == 0x0D and stop < len(data))
        # A row that asked for one line more than there is has an open quote.
        yield row, start, stop, not exhausted, final or (broken and not exhausted)
        start = stop


def _plain(cell: str, encoding: str | None) -> tuple[str | None, str]:
    """The text of a cell, of which each character stands for a byte, and the encoding it was in."""
    if cell.isascii():
        return cell, "utf-8"
    content = cell.encode("latin-1")
    try:
        return content.decode(), "utf-8"
    except UnicodeDecodeError:
        if encoding is None:
            return None, "utf-8"
    try:
        return content.decode(encoding), encoding
    except (UnicodeError, ValueError):
        return None, "utf-8"


def _unique(header: list[str]) -> list[str]:
    """The names of a header; one without a name, or that came before, goes by its number."""
    seen: set[str] = set()
    for number, name in enumerate(header, 1):
        fresh = name.strip() or f"column_{number}"
        while fresh in seen:
            fresh = f"{fresh}_{number}"
        seen.add(fresh)
        header[number - 1] = fresh
    return header
