"""Shards on disk: a file of record batches that is whole or absent.

Within a build shards are Arrow IPC files, memory mapped when they are read. Between stages that are run one at a time
they are Parquet files, which every tool can open.
"""

from __future__ import annotations

import uuid
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import InputError
from pipeline.write.durable import remove, writing

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

SUFFIX: Final = ".arrow"
FOLDER_SUFFIX: Final = ".parquet"
_BUFFER: Final = 1 << 16


def write_shard(path: Path, batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> int:
    """Write batches to a file, in Arrow's IPC format or as Parquet by its suffix.

    Returns:
        How many rows were written.

    Raises:
        WriteError: the disk is full or cannot be written to.
    """
    rows = 0
    aside = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with _writer(aside, schema, parquet=path.suffix == FOLDER_SUFFIX) as writer:
                for batch in batches:
                    writer.write_batch(batch)
                    rows += len(batch)
            aside.replace(path)
        finally:
            remove(aside)
    return rows


@contextmanager
def _writer(path: Path, schema: pa.Schema, *, parquet: bool) -> Iterator[pq.ParquetWriter | pa.RecordBatchFileWriter]:
    if parquet:
        with pq.ParquetWriter(path, schema, compression="zstd") as writer:
            yield writer
    else:
        # Most columns of a batch are a few bytes: together they go to the system at once.
        with (
            pa.OSFile(str(path), "wb") as file,
            pa.BufferedOutputStream(file, _BUFFER) as buffered,
            pa.ipc.new_file(buffered, schema) as writer,
        ):
            yield writer


def read_shard(path: Path, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """The batches of a shard, one at a time.

    Raises:
        InputError: the file is missing, damaged, or of another schema.
    """
    try:
        if path.suffix == FOLDER_SUFFIX:
            with pq.ParquetFile(path) as file:
                for batch in file.iter_batches():
                    yield batch.select(schema.names).cast(schema)
        else:
            with pa.memory_map(str(path)) as mapped:
                reader = pa.ipc.open_file(mapped)
                for number in range(reader.num_record_batches):
                    yield reader.get_batch(number)
    except (OSError, KeyError, pa.ArrowInvalid, pa.ArrowTypeError) as error:
        msg = f"{path} is no shard of this version's schema: {error}"
        raise InputError(msg) from None


def is_finished(path: Path) -> bool:
    """Whether an Arrow IPC shard is there and whole: a power cut may leave a file without its end."""
    try:
        with pa.memory_map(str(path)) as mapped:
            pa.ipc.open_file(mapped)
    except (OSError, pa.ArrowInvalid):
        return False
    return True


def read_table(path: Path) -> pa.Table:
    """A whole Arrow IPC shard as one table over its mapped file."""
    return pa.ipc.open_file(pa.memory_map(str(path))).read_all()


def numbered(batches: Iterable[pa.RecordBatch]) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Batches with the position of their first row in the shard."""
    first = 0
    for batch in batches:
        yield first, batch
        first += len(batch)
