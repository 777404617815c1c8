"""Parquet, a row group at a time.

What a file says of itself is not believed: so few rows are decoded at once that they stay small even if a text of its
dictionary stands for all of them, and a file that cannot be read to its end gives the rows before the damage and one
row for the damage.
"""

from __future__ import annotations

import contextlib
import tempfile
from typing import IO, TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pyarrow.types as pt

from pipeline.read import dates, metadata
from pipeline.read.footer import BYTE_ARRAY, DATA, DICTIONARY, STORED, TYPE, UNKNOWN, column_chunks
from pipeline.read.inputs import Slice
from pipeline.read.pages import walk
from pipeline.read.stream import Fault, Stream, open_raw
from pipeline.read.tables import Found, assemble, fault_row, names

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from pipeline.config import Config
    from pipeline.read.inputs import InputFile

_BATCH_BYTES: Final = 8 << 20
_BATCH_ROWS: Final = 2_000
# What the rows that Arrow decodes at once may take at most, if all have the longest value there is. A usual dictionary
# has 1 MB and could be one text, which allows some ten rows; decoding few rows at a time costs nothing (measured).
_DECODED_BYTES: Final = 64 << 20
_NUMBER_BYTES: Final = 16
# Pages are 1 MB by custom; one may hold the largest text several times, and some writers look at sizes late.
_PAGE_FACTOR: Final = 8
# Values of one page of lists: each costs some bytes of memory, and a run of any length costs none in the file.
_MAX_NESTED: Final = 16 << 20
_MAGIC: Final = b"PAR1"
_ENCRYPTED_MAGIC: Final = b"PARE"
# Parquet hardly shrinks when it is compressed once more.
_INFLATION: Final = 16
_ROOM: Final = 64 << 20
# Days from 1970 to the first day of the year 1 and to the last one of 9999; how many of each unit a second has.
_FIRST_DAY, _LAST_DAY = -719_162, 2_932_896
_UNITS: Final = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
_LARGEST: Final = (1 << 63) - 1
_ERRORS: Final = (pa.ArrowException, OSError, ValueError, OverflowError, MemoryError)


class _UnreadableError(Exception):
    """The file cannot be read as Parquet."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.detail)
        self.fault = fault


def row_groups(file: InputFile) -> Iterator[tuple[Slice, int]]:
    """The slices of a Parquet file, one a row group, with their cost in bytes; one for a file that cannot be read."""
    try:
        if file.compression:
            raise _UnreadableError(Fault("unreadable", "compressed as a whole"))  # noqa: TRY301 - as one that cannot be
        with _open(file) as (parquet, _):
            count = parquet.metadata.num_row_groups
            rows = [parquet.metadata.row_group(number).num_rows for number in range(count)]
            # Where the claims do not add up, one of no rows keeps a place for what is wrong with it.
            least = 0 if min(rows, default=0) >= 0 and sum(rows) == parquet.metadata.num_rows else 1
            first = 0
            for number in range(count):
                yield Slice(file, number, number + 1, first), file.size // count
                first += max(rows[number], least)
    except _UnreadableError:
        yield Slice(file), file.size


def read(part: Slice, config: Config) -> Iterator[pa.RecordBatch]:
    """The records of some row groups; of a file that is compressed as a whole, all."""
    index = part.first_index
    try:
        with _open(part.file) as (parquet, raw):
            groups = range(parquet.metadata.num_row_groups) if part.file.compression else range(part.start, part.stop)
            for number in groups:
                for batch in _read_group(parquet, raw, number, config):
                    yield _assembled(batch, part.file, index, config)
                    index += batch.num_rows
    except _UnreadableError as error:
        yield fault_row(part.file, index, error.fault)


def _assembled(batch: pa.RecordBatch, file: InputFile, index: int, config: Config) -> pa.RecordBatch:
    """Rows as records.

    Raises:
        _UnreadableError: a column is of a type that Arrow can decode and nobody can turn into values.
    """
    try:
        return assemble(_found(batch, file, index, config), config)
    except (pa.ArrowException, ValueError, OverflowError) as error:
        raise _UnreadableError(_fault(error)) from None


@contextlib.contextmanager
def _open(file: InputFile) -> Iterator[tuple[pq.ParquetFile, Any]]:
    """The file, its metadata read, and its bytes.

    Raises:
        _UnreadableError: it is no Parquet file, or one that is damaged.
    """
    with _bytes(file) as raw:
        _look(raw)
        try:
            parquet = pq.ParquetFile(raw, pre_buffer=False, buffer_size=1 << 20, page_checksum_verification=True)
        except _ERRORS as error:
            raise _UnreadableError(_fault(error)) from None
        yield parquet, raw


def _fault(error: BaseException) -> Fault:
    words = str(error).strip().splitlines() or [type(error).__name__]
    return Fault("invalid-parquet", f"the file is no sound Parquet file: {words[0][:300]}")


@contextlib.contextmanager
def _bytes(file: InputFile) -> Iterator[Any]:
    """The bytes of the file, unpacked to a nameless temporary file when it is compressed as a whole."""
    try:
        raw = open_raw(file.root, file.path) if not file.compression else _unpack(file)
    except (OSError, ValueError) as error:
        words = getattr(error, "strerror", None) or str(error)
        raise _UnreadableError(Fault("unreadable", f"the file cannot be read: {words}")) from None
    try:
        yield raw
    finally:
        raw.close()


def _unpack(file: InputFile) -> IO[bytes]:
    limit = file.size * _INFLATION + _ROOM
    raw = tempfile.TemporaryFile()  # noqa: SIM115 (the caller closes it)
    with Stream(file.root, file.path, file.compression) as stream:
        size = 0
        while data := stream.read(1 << 20):
            size += len(data)
            if size > limit:
                raw.close()
                raise _UnreadableError(Fault("too-large", f"the file unpacks to more than {limit} bytes"))
            raw.write(data)
        if stream.fault:
            raw.close()
            raise _UnreadableError(stream.fault)
    return raw


def _look(raw: Any) -> None:
    """Whether the file begins and ends as Parquet does."""
    try:
        raw.seek(0)
        head = raw.read(len(_MAGIC))
        end = raw.seek(0, 2)
        raw.seek(max(end - len(_MAGIC), 0))
        tail = raw.read(len(_MAGIC))
        raw.seek(0)
    except OSError as error:
        raise _UnreadableError(Fault("unreadable", f"the file cannot be read: {error.strerror}")) from None
    if head == _ENCRYPTED_MAGIC:
        raise _UnreadableError(Fault("invalid-parquet", "the file is encrypted"))
    if head != _MAGIC:
        if end < len(_MAGIC) and _MAGIC.startswith(head):
            raise _UnreadableError(Fault("truncated", "the file ends too early"))
        raise _UnreadableError(Fault("invalid-parquet", "the file does not begin as a Parquet file does"))
    if tail != _MAGIC or end < 3 * len(_MAGIC):
        raise _UnreadableError(Fault("truncated", "the file ends too early: its last bytes are not those of Parquet"))


def _safe_rows(parquet: pq.ParquetFile, raw: Any, number: int, config: Config) -> int:
    """How many rows of a row group stay small once they are decoded, whatever they hold.

    Raises:
        _UnreadableError: the sizes in its page headers are too large, or make no sense.
    """
    try:
        rows, columns = parquet.metadata.row_group(number).num_rows, parquet.metadata.num_columns
        chunks = column_chunks(raw, parquet.metadata.num_row_groups, columns)[number]
        schema = [parquet.schema.column(column) for column in range(columns)]
        widest = sum(_widest(column, chunk, rows, raw, config) for column, chunk in zip(schema, chunks, strict=True))
    except _ERRORS as error:
        raise _UnreadableError(_fault(error)) from None
    return max(1, min(_BATCH_ROWS, _DECODED_BYTES // max(widest, 1)))


def _widest(column: pq.ColumnSchema, chunk: NDArray[np.int64], rows: int, raw: Any, config: Config) -> int:
    """The most bytes that a value of a column can have, on average over a page or as an entry of the dictionary."""
    start = int(chunk[DATA] if chunk[DICTIONARY] == UNKNOWN else chunk[DICTIONARY])
    stop = min(start + int(chunk[STORED]), raw.seek(0, 2))
    limit = _PAGE_FACTOR * config.max_document
    widest, values = max(column.length, _NUMBER_BYTES), 0
    for page in walk(raw, start, stop):
        if page.uncompressed > limit or (column.max_repetition_level > 0 and page.values > _MAX_NESTED):
            words = f"a page of '{column.path}' claims {page.uncompressed} bytes and {page.values} values"
            raise _UnreadableError(Fault("too-large", words))
        if not page.dictionary:
            values += page.values
            widest = max(widest, page.uncompressed // max(page.values, 1))
        elif chunk[TYPE] == BYTE_ARRAY:
            # A value costs its length and four bytes more: what the others take at least, the longest cannot have.
            widest = max(widest, page.uncompressed - 4 * page.values)
    if column.max_repetition_level == 0 and values > max(rows, 0):
        words = f"'{column.path}' has {values} values in a row group of {rows} rows"
        raise _UnreadableError(Fault("invalid-parquet", words))
    return int(widest)


def _batches(parquet: pq.ParquetFile, number: int, rows: int) -> Iterator[pa.RecordBatch]:
    """The rows of one row group, decoded `rows` at a time and put together to larger batches.

    Raises:
        _UnreadableError: the row group is damaged.
    """
    waiting: list[pa.RecordBatch] = []
    count = size = 0
    try:
        for coded in parquet.iter_batches(rows, row_groups=[number], use_threads=False):
            batch = _decoded(coded)
            if waiting and (count + batch.num_rows > _BATCH_ROWS or size + batch.nbytes > _BATCH_BYTES):
                yield _one(waiting)
                waiting, count, size = [], 0, 0
            waiting.append(batch)
            count += batch.num_rows
            size += batch.nbytes
    except _ERRORS as error:
        if waiting:
            yield _one(waiting)
        raise _UnreadableError(_fault(error)) from None
    if waiting:
        yield _one(waiting)


def _one(batches: list[pa.RecordBatch]) -> pa.RecordBatch:
    return batches[0] if len(batches) == 1 else pa.concat_batches(batches)


def _decoded(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The same rows with dictionaries as the values they stand for, so that their size shows."""
    arrays = [column.dictionary_decode() if pt.is_dictionary(column.type) else column for column in batch.columns]
    return pa.RecordBatch.from_arrays(arrays, batch.schema.names)


def _read_group(parquet: pq.ParquetFile, raw: Any, number: int, config: Config) -> Iterator[pa.RecordBatch]:
    """The rows of one row group.

    Raises:
        _UnreadableError: the row group is damaged, or has not the rows it should have.
    """
    left = parquet.metadata.row_group(number).num_rows
    for batch in _batches(parquet, number, _safe_rows(parquet, raw, number, config)):
        left -= batch.num_rows
        if left < 0:
            raise _UnreadableError(Fault("invalid-parquet", "a row group has more rows than the file says"))
        yield batch
    if left:
        raise _UnreadableError(Fault("truncated", f"a row group has {left} rows less than the file says"))


def _found(batch: pa.RecordBatch, file: InputFile, index: int, config: Config) -> Found:
    rows = batch.num_rows
    known = names(config)
    found = Found(rows, file.uri, range(index, index + rows))
    others: dict[str, pa.Array] = {}
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        ours = known.get(name)
        if ours and ours not in found.fields:
            found.fields[ours] = _field(column, ours, name, found)
        else:
            others[_free(name, others)] = column
    found.metadata = metadata.from_columns(others, rows)
    return found


def _free(name: str, taken: dict[str, pa.Array]) -> str:
    """A name for a column; Parquet lets two have the same."""
    while name in taken:
        name += "_"
    return name


def _field(column: pa.Array, ours: str, name: str, found: Found) -> pa.Array:
    """A column as texts (of `published`: moments); rows that cannot be are faults."""
    kind = column.type
    if pt.is_null(kind):
        return pa.nulls(found.rows, pa.string())
    if ours == "published" and (pt.is_timestamp(kind) or pt.is_date(kind)):
        return _moments(column)
    if ours == "id" and pt.is_integer(kind):
        return column.cast(pa.string())
    if pt.is_string(kind) or pt.is_large_string(kind) or pt.is_string_view(kind):
        return _texts(column.cast(pa.binary()), name, found)
    if pt.is_binary(kind) or pt.is_large_binary(kind) or pt.is_fixed_size_binary(kind) or pt.is_binary_view(kind):
        return _texts(column.cast(pa.binary()), name, found)
    for row in np.flatnonzero(column.is_valid().to_numpy(zero_copy_only=False)).tolist():
        found.faults.setdefault(row, Fault("wrong-type", f"'{name}' is of type {kind}, not a string"))
    return pa.nulls(found.rows, pa.string())


def _moments(column: pa.Array) -> pa.Array:
    """Moments or days as moments; as texts, to be parsed like others, where one lies outside the years 1 to 9999.

    No date of Python or pandas is outside them. The text of such a one is its number.
    """
    kind = column.type
    numbers = column.cast(pa.int32() if pt.is_date32(kind) else pa.int64()).cast(pa.int64())
    first, last = (min(max(edge, -_LARGEST), _LARGEST) for edge in _edges(kind))
    outside = pc.or_(pc.less(numbers, first), pc.greater(numbers, last))
    if not pc.any(outside).as_py():
        zone = kind.tz if pt.is_timestamp(kind) else None
        return column.cast(pa.timestamp("us", zone), safe=False).cast(dates.TIMESTAMP)
    inside = pc.if_else(outside, pa.scalar(None, kind), column)
    return pc.if_else(outside, numbers.cast(pa.string()), inside.cast(pa.string()))


def _edges(kind: pa.DataType) -> tuple[int, int]:
    """The first and the last moment of the years 1 to 9999, as a type counts them."""
    if pt.is_date32(kind):
        return _FIRST_DAY, _LAST_DAY
    each_day = 86_400 * _UNITS["ms" if pt.is_date64(kind) else kind.unit]
    return _FIRST_DAY * each_day, (_LAST_DAY + 1) * each_day - 1


def _texts(column: pa.Array, name: str, found: Found) -> pa.Array:
    """Bytes as texts; those that are not UTF-8 are faults."""
    try:
        texts = column.cast(pa.string())
        texts.validate(full=True)
    except pa.ArrowInvalid:
        values: list[str | None] = []
        for row, value in enumerate(column.to_pylist()):
            try:
                values.append(None if value is None else value.decode())
            except UnicodeDecodeError as error:
                values.append(None)
                found.raw.setdefault(row, value)
                words = f"byte {error.start} of '{name}' is not UTF-8"
                found.faults.setdefault(row, Fault("not-utf8", words))
        return pa.array(values, pa.string())
    return texts
