"""The read stage: from files to batches of `RECORDS`."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Final

import pyarrow as pa

from pipeline.read import columnar, delimited, jsonl, text, warc, web
from pipeline.read.inputs import ONE_RECORD, Discovery, InputFile, Shard, Slice
from pipeline.read.retry import read_quarantine
from pipeline.read.source import discover, plan
from pipeline.read.stream import Fault, Stream
from pipeline.read.tables import fault_row
from pipeline.read.text import decode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.config import Config

__all__ = [
    "ONE_RECORD",
    "Discovery",
    "InputFile",
    "Shard",
    "Slice",
    "decode",
    "discover",
    "plan",
    "read_quarantine",
    "read_shard",
]

_DEADLY: Final = Fault("worker-died", "the worker process died on this twice: it was killed, or out of memory")

# A batch holds about this many bytes of text, or one record.
BATCH_BYTES: Final = 8 << 20


def read_shard(shard: Shard, config: Config, batch_rows: int | None = None) -> Iterator[pa.RecordBatch]:
    """The records of a shard as batches of `RECORDS`, in input order.

    Args:
        shard: what to read.
        config: the configuration.
        batch_rows: most rows of a batch, `config.batch_rows` unless told; rows are the same whatever it is.
    """
    rows = batch_rows or config.batch_rows
    waiting: list[pa.RecordBatch] = []
    count = size = 0
    for batch in _batches(shard, config):
        for piece in _split(batch, rows):
            more = _size(piece)
            if waiting and (count + piece.num_rows > rows or size + more > BATCH_BYTES):
                yield _one(waiting)
                waiting, count, size = [], 0, 0
            waiting.append(piece)
            count += piece.num_rows
            size += more
    if waiting:
        yield _one(waiting)


def _batches(shard: Shard, config: Config) -> Iterator[pa.RecordBatch]:
    for (kind, deadly), group in groupby(shard.slices, key=lambda part: (part.file.kind, part.deadly)):
        if deadly:
            yield from (fault_row(part.file, part.first_index, _DEADLY) for part in group)
            continue
        if kind == "text":
            yield from text.read((part.file for part in group), config)
            continue
        if kind == "html":
            yield from web.read((part.file for part in group), config)
            continue
        for part in group:
            yield from _read_table(part, config)


def _read_table(part: Slice, config: Config) -> Iterator[pa.RecordBatch]:
    file = part.file
    if file.kind == "parquet":
        yield from columnar.read(part, config)
        return
    if file.kind == "warc":
        yield from warc.read(file, config)
        return
    whole = file.kind != "jsonl" or file.compression is not None
    start, stop = (0, None) if whole else (part.start, part.stop)
    reader = jsonl.read if file.kind == "jsonl" else delimited.read
    with Stream(file.root, file.path, file.compression, start, stop) as stream:
        if not start:
            stream.to_utf8()
        yield from reader(stream, part, config)


def _size(batch: pa.RecordBatch) -> int:
    return int(batch.column("text").nbytes) + int(batch.column("metadata").nbytes)


def _split(batch: pa.RecordBatch, rows: int) -> Iterator[pa.RecordBatch]:
    """Pieces of at most `rows` rows and about `BATCH_BYTES`."""
    todo = [batch.slice(start, rows) for start in range(0, batch.num_rows, rows)] if batch.num_rows > rows else [batch]
    todo.reverse()
    while todo:
        piece = todo.pop()
        if piece.num_rows == 1 or _size(piece) <= BATCH_BYTES + (1 << 20):
            yield piece
            continue
        middle = (piece.num_rows + 1) // 2
        todo += [piece.slice(middle), piece.slice(0, middle)]


def _one(batches: list[pa.RecordBatch]) -> pa.RecordBatch:
    return batches[0] if len(batches) == 1 else pa.concat_batches(batches)
