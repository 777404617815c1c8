"""The stages as steps of the engine: each takes one shard from file to file through a pure batch function.

What a step has finished lies in the work folder under a key of everything its bytes depend on, so the next build that
needs the same finds it.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from pipeline import dedupe, shards
from pipeline.engine import blame_by_halves
from pipeline.read import Shard, read_shard
from pipeline.records import RECORDS
from pipeline.retry import LastBuild
from pipeline.strip.cleaner import load_cleaner, sightings_of
from pipeline.strip.repetition import SIGHTINGS
from pipeline.validate import quarantine, validate
from pipeline.write.counts import PartCounts
from pipeline.write.dataset import write_part

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import pyarrow as pa
    from numpy.typing import NDArray

    from pipeline.config import Config

_PACKAGE: Final = Path(__file__).parent
_CODE_SUFFIXES: Final = (".py", ".toml", ".npz")
# Settings that the readers look at; all others belong to strip and what comes after it.
_READ_SETTINGS: Final = ("columns", "encoding", "max_document")


@lru_cache(maxsize=1)
def code_digest() -> str:
    """A digest of the package's own code, rules and weights: finished shards of another version are not reused."""
    digest = hashlib.sha256()
    for file in sorted(_PACKAGE.rglob("*")):
        if file.suffix in _CODE_SUFFIXES:
            digest.update(file.relative_to(_PACKAGE).as_posix().encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()


def versions() -> dict[str, str]:
    """What decides about published bytes beside inputs and settings."""
    return {"pipeline": version("news-corpus-pipeline"), "code": code_digest()}


def key_of(*parts: object) -> str:
    """A key for work that depends on these parts and the package's code; parts are JSON values."""
    return hashlib.sha256(json.dumps([code_digest(), *parts], sort_keys=True).encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class ShardTask:
    """One shard on its way through the stages.

    Attributes:
        number: place in input order.
        work: folder of finished work.
        read_key: of everything the shard's records depend on.
        strip_key: of everything its stripped records depend on.
        source: what to read.
        rows: only these rows [low, high), when a guilty record is looked for.
        guilty: rows that killed a worker and are set aside.
        templates: keys of the template lines that occur in it, once they are known.
    """

    number: int
    work: Path
    read_key: str
    strip_key: str
    source: Shard | LastBuild
    rows: tuple[int, int] | None = None
    guilty: frozenset[int] = frozenset()
    templates: NDArray[np.uint64] | None = None

    def file(self, stage: str) -> Path:
        """Where a stage's result for this shard lies."""
        key = self.read_key if stage in ("read", "sightings") else self.strip_key
        return self.work / f"{key}.{stage}{shards.SUFFIX}"

    def __str__(self) -> str:
        return f"shard {self.number}"


@dataclass(frozen=True, slots=True)
class ReadStep:
    """Read one shard of the inputs into a file of records, and note which lines were seen in which article."""

    config: Config

    def __call__(self, task: ShardTask) -> None:
        """Writes the shard `read` and the shard `sightings`."""
        target = task.file("read")
        if shards.is_finished(target) and shards.is_finished(task.file("sightings")):
            return
        source = task.source
        batches = source.read(self.config) if isinstance(source, LastBuild) else read_shard(source, self.config)
        seen: list[pa.RecordBatch] = []
        shards.write_shard(target, _sighted(batches, seen), RECORDS)
        shards.write_shard(task.file("sightings"), seen, SIGHTINGS)

    def blame(self, task: ShardTask, dies: Callable[[ShardTask], bool]) -> ShardTask:
        """A reader works on bytes, not on records: nothing smaller than the shard to blame."""
        del dies
        return task


def _sighted(batches: Iterable[pa.RecordBatch], seen: list[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        seen.append(sightings_of(batch))
        yield batch


def with_templates(task: ShardTask, known: NDArray[np.uint64]) -> ShardTask:
    """The task with those template lines that occur in its shard: a new one elsewhere does not make it work again."""
    own = np.intersect1d(shards.read_table(task.file("sightings")).column("line").to_numpy(), known)
    key = key_of(task.strip_key, hashlib.sha256(own.tobytes()).hexdigest())
    return dataclasses.replace(task, strip_key=key, templates=own)


@dataclass(frozen=True, slots=True)
class StripStep:
    """Strip and validate the records of one shard, and take their fingerprints."""

    config: Config

    def __call__(self, task: ShardTask) -> None:
        """Writes the shard `stripped` and the shard `fingerprints`."""
        stripped, prints = task.file("stripped"), task.file("fingerprints")
        if task.rows is None and shards.is_finished(stripped) and shards.is_finished(prints):
            return
        keys: list[pa.RecordBatch] = []
        batches = self._batches(task, keys)
        if task.rows is not None:
            for _ in batches:
                pass
            return
        shards.write_shard(stripped, batches, RECORDS)
        shards.write_shard(prints, keys, dedupe.FINGERPRINTS)

    def _batches(self, task: ShardTask, keys: list[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        clean = load_cleaner(self.config.rules, self.config.strictness).strip
        for first, batch in shards.numbered(shards.read_shard(task.file("read"), RECORDS)):
            low, high = _overlap(first, len(batch), task.rows)
            if low == high:
                continue
            part = _set_aside_guilty(batch.slice(low, high - low), first + low, task.guilty)
            part = validate(clean(part, task.templates))
            keys.append(dedupe.fingerprints(part, first + low))
            yield part

    def blame(self, task: ShardTask, dies: Callable[[ShardTask], bool]) -> ShardTask:
        """Find the records that kill a worker by working on smaller and smaller ranges of rows."""
        count = sum(len(batch) for batch in shards.read_shard(task.file("read"), RECORDS))
        guilty = blame_by_halves(count, lambda low, high: dies(dataclasses.replace(task, rows=(low, high))))
        return dataclasses.replace(task, guilty=frozenset(guilty))


@dataclass(frozen=True, slots=True)
class WriteTask:
    """A stripped shard, what dedupe says of it, and where its part of the dataset goes."""

    shard: ShardTask
    verdicts: dedupe.Verdicts
    folder: Path

    def __str__(self) -> str:
        return str(self.shard)


@dataclass(frozen=True, slots=True)
class WriteStep:
    """Set the duplicates of one shard aside and write its part of every table."""

    def __call__(self, task: WriteTask) -> PartCounts:
        """Returns the counts of the part."""
        batches = (
            dedupe.mark(batch, first, task.verdicts)
            for first, batch in shards.numbered(shards.read_shard(task.shard.file("stripped"), RECORDS))
        )
        return write_part(batches, task.folder, task.shard.number)

    def blame(self, task: WriteTask, dies: Callable[[WriteTask], bool]) -> WriteTask:
        """Writing works on columns, not on records."""
        del dies
        return task


def _overlap(first: int, count: int, rows: tuple[int, int] | None) -> tuple[int, int]:
    """The part of a batch that lies in a range of the shard's rows, as [low, high) of the batch."""
    if rows is None:
        return 0, count
    return min(max(rows[0] - first, 0), count), min(max(rows[1] - first, 0), count)


def _set_aside_guilty(batch: pa.RecordBatch, first: int, guilty: frozenset[int]) -> pa.RecordBatch:
    own = [row - first for row in guilty if first <= row < first + len(batch)]
    if not own:
        return batch
    detail = "the worker process died on this record twice: it was killed, or out of memory"
    return quarantine(batch, dict.fromkeys(own, detail), "worker-died")


def shard_task(shard: Shard | LastBuild, number: int, work: Path, config: Config) -> ShardTask:
    """The task of one shard, with the keys of all its results."""
    settings = config.published_settings()
    reading = {name: settings.pop(name) for name in _READ_SETTINGS}
    read_key = key_of(shard.key, reading)
    cleaner = load_cleaner(config.rules, config.strictness)
    return ShardTask(number, work, read_key, key_of(read_key, settings, cleaner.digest), shard)
