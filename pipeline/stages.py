"""The stages as steps of the engine: each takes one shard from file to file through a pure batch function.

What a step has finished lies in the work folder under a key of everything its bytes depend on, so the next build that
needs the same finds it.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import sys
import uuid
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pipeline import dedupe, parts, shards
from pipeline.engine import blame_by_halves
from pipeline.language import library_version, tell_languages
from pipeline.memory import give_back
from pipeline.read import ONE_RECORD, Shard, read_shard
from pipeline.records import RECORDS
from pipeline.retry import LastBuild
from pipeline.signals import measure
from pipeline.strip.cleaner import load_cleaner, sightings_of
from pipeline.strip.model import weights_digest
from pipeline.strip.repetition import SIGHTINGS, of_shard
from pipeline.validate import quarantine, validate
from pipeline.write.durable import remove

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from pipeline.config import Config
    from pipeline.write.counts import PartCounts
    from pipeline.write.dataset import Input

_PACKAGE: Final = Path(__file__).parent
_CODE_SUFFIXES: Final = (".py", ".c", ".h", ".toml", ".npz", ".json", ".html", ".css", ".js")
# Settings that the readers look at; all others belong to strip and what comes after it.
_READ_SETTINGS: Final = ("columns", "encoding", "max_document")
# Settings of which the verdicts on duplicates are the only trace.
_DEDUPE_SETTINGS: Final = ("dedupe",)
# What dedupe needs of a shard: small, and enough to know that nothing else of it has to be made again.
GLOBAL_SHARDS: Final = ("fingerprints", "signatures")
_LIBRARIES: Final = ("pyarrow", "numpy", "pydantic", "google-re2")
# Those of the extras that read pages and archives.
_READERS: Final = ("fastwarc", "lxml", "trafilatura")


@lru_cache(maxsize=1)
def code_digest() -> str:
    """A digest of the package's own code, rules and weights: finished shards of another version are not reused."""
    digest = hashlib.sha256()
    for folder, _, names in sorted(os.walk(_PACKAGE)):
        place = Path(folder).relative_to(_PACKAGE).as_posix()
        for name in sorted(names):
            if name.endswith(_CODE_SUFFIXES):
                digest.update(f"{place}/{name}\0".encode() + Path(folder, name).read_bytes())
    return digest.hexdigest()


@lru_cache(maxsize=1)
def _surroundings() -> tuple[str, ...]:
    """The versions of all that has a hand in the bytes of a part: Python words some errors, Arrow compresses."""
    installed = [f"{name} {version(name)}" for name in _READERS if find_spec(name)]
    return (sys.version, *(version(name) for name in _LIBRARIES), *installed)


def versions(config: Config) -> dict[str, str]:
    """What decides about published bytes beside inputs and settings."""
    return {"pipeline": version("news-corpus-pipeline"), "code": code_digest(), **_other_versions(config)}


def _other_versions(config: Config) -> dict[str, str]:
    """Of what a configuration brings in beside the package: a library, weights of the user's own."""
    weights = {"model": weights_digest(config.model)} if config.model else {}
    return {**library_version(config), **weights}


def key_of(*parts: object) -> str:
    """A key for work that depends on these parts and the package's code; parts are JSON values."""
    content = [code_digest(), _surroundings(), *parts]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class ShardTask:
    """One shard on its way through the stages.

    Attributes:
        number: place in input order.
        work: folder of finished work.
        read_key: of everything the shard's records depend on.
        strip_key: of everything its stripped records depend on.
        source: what to read.
        rows: only these rows (of reading: these slices) [low, high), when a guilty record is looked for.
        guilty: rows that killed a worker and are set aside.
        templates: keys of the template lines that occur in it, once they are known.
        lasting: the keys tell all of its content, so what is made of it can serve the next build.
    """

    number: int
    work: Path
    read_key: str
    strip_key: str
    source: Shard | LastBuild
    rows: tuple[int, int] | None = None
    guilty: frozenset[int] = frozenset()
    templates: NDArray[np.uint64] | None = None
    lasting: bool = True

    def file(self, stage: str) -> Path:
        """Where a stage's result for this shard lies."""
        key = self.read_key if stage in ("read", "sightings") else self.strip_key
        return self.work / f"{key}.{stage}{shards.SUFFIX}"

    @property
    def cost(self) -> int:
        """How much work it is, as bytes of input."""
        return self.source.cost

    def __str__(self) -> str:
        return f"shard {self.number}"


def records(task: ShardTask, config: Config) -> Iterator[pa.RecordBatch]:
    """The records of a shard: those that the read stage left on the disk, else from the source again."""
    if shards.is_finished(task.file("read")):
        return shards.read_shard(task.file("read"), RECORDS)
    if isinstance(task.source, LastBuild):
        return task.source.read(config)
    return read_shard(task.source, config)


def stripped(task: ShardTask, config: Config) -> Iterator[pa.RecordBatch]:
    """The records of a shard after strip and validate, as far as `task.rows` goes."""
    clean = load_cleaner(config.rules, config.strictness, config.model).strip
    for first, batch in shards.numbered(records(task, config)):
        low, high = _overlap(first, len(batch), task.rows)
        if low < high:
            part = _set_aside_guilty(batch.slice(low, high - low), first + low, task.guilty)
            yield finished(clean(part, task.templates), config)


def finished(batch: pa.RecordBatch, config: Config) -> pa.RecordBatch:
    """Stripped records, validated, and with what the configuration asks to be known of them."""
    return measure(tell_languages(validate(batch), config), config)


@dataclass(frozen=True, slots=True)
class ReadStep:
    """Read one shard of the inputs into a file of records, and note which lines were seen in which article."""

    config: Config

    def __call__(self, task: ShardTask) -> None:
        """Writes the shard `sightings`, and the shard `read` for the next stage."""
        if task.rows is not None and isinstance(task.source, Shard):  # to see whether its files kill the worker
            for _ in _sighted(read_shard(task.source, self.config), []):
                pass
            return
        if shards.is_finished(task.file("sightings")):
            return
        seen: list[pa.RecordBatch] = []
        shards.write_shard(task.file("read"), _sighted(records(task, self.config), seen), RECORDS)
        shards.write_shard(task.file("sightings"), seen, SIGHTINGS)

    def blame(self, task: ShardTask, dies: Callable[[ShardTask], bool]) -> ShardTask:
        """Find the files that kill a worker; of those that hold many records none is known yet, and none is blamed."""
        if isinstance(task.source, LastBuild):
            return task
        source = task.source

        def kills(low: int, high: int) -> bool:
            few = dataclasses.replace(source, slices=source.slices[low:high])
            return dies(dataclasses.replace(task, source=few, rows=(low, high)))

        guilty = blame_by_halves(len(source.slices), kills)
        slices = tuple(
            part._replace(deadly=number in guilty and part.file.kind in ONE_RECORD)
            for number, part in enumerate(source.slices)
        )
        return dataclasses.replace(task, source=dataclasses.replace(source, slices=slices))


def _sighted(batches: Iterable[pa.RecordBatch], seen: list[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        seen.append(sightings_of(batch))
        yield batch


def with_templates(task: ShardTask, known: NDArray[np.uint64]) -> ShardTask:
    """The task with those template lines that occur in its shard: a new one elsewhere does not make it work again."""
    own = of_shard(shards.read_table(task.file("sightings")), known)
    key = key_of(task.strip_key, hashlib.sha256(own.tobytes()).hexdigest())
    return dataclasses.replace(task, strip_key=key, templates=own)


@dataclass(frozen=True, slots=True)
class StripStep:
    """Strip and validate the records of one shard, and take their fingerprints."""

    config: Config

    def __call__(self, task: ShardTask) -> None:
        """Writes `fingerprints`, of near-duplicates `signatures`, and `stripped` for the next stage; drops `read`."""
        signed: list[pa.RecordBatch] | None = [] if self.config.dedupe == "near" else None
        if task.rows is not None:  # to see whether they kill the worker
            for _ in _fingerprinted(stripped(task, self.config), [], signed):
                pass
            return
        signatures = task.file("signatures")
        if shards.is_finished(task.file("fingerprints")) and (signed is None or shards.is_finished(signatures)):
            return
        keys: list[pa.RecordBatch] = []
        shards.write_shard(task.file("stripped"), _fingerprinted(stripped(task, self.config), keys, signed), RECORDS)
        if signed is not None:
            shards.write_shard(signatures, signed, dedupe.SIGNATURES)
        shards.write_shard(task.file("fingerprints"), keys, dedupe.FINGERPRINTS)
        task.file("read").unlink(missing_ok=True)

    def blame(self, task: ShardTask, dies: Callable[[ShardTask], bool]) -> ShardTask:
        """Find the records that kill a worker by working on smaller and smaller ranges of rows."""
        count = sum(len(batch) for batch in records(task, self.config))
        guilty = blame_by_halves(count, lambda low, high: dies(dataclasses.replace(task, rows=(low, high))))
        return dataclasses.replace(task, guilty=frozenset(guilty))


def _fingerprinted(
    batches: Iterable[pa.RecordBatch], keys: list[pa.RecordBatch], signed: list[pa.RecordBatch] | None
) -> Iterator[pa.RecordBatch]:
    for first, batch in shards.numbered(batches):
        keys.append(dedupe.fingerprints(batch, first))
        if signed is not None:
            signed.append(dedupe.signatures_of(batch))
        yield batch


@dataclass(frozen=True, slots=True)
class WriteTask:
    """A stripped shard, what dedupe says of it, and where its part of the dataset goes."""

    shard: ShardTask
    verdicts: dedupe.Verdicts
    folder: Path

    @property
    def part(self) -> Path:
        """Where the finished part is kept: under a key of everything its bytes depend on."""
        return self.shard.work / (key_of(self.shard.strip_key, self.verdicts.digest()) + parts.SUFFIX)

    @property
    def cost(self) -> int:
        """As that of its shard."""
        return self.shard.cost

    def __str__(self) -> str:
        return str(self.shard)


@dataclass(frozen=True, slots=True)
class WriteStep:
    """Set the duplicates of one shard aside and write its part of every table, unless an earlier build did."""

    config: Config

    def __call__(self, task: WriteTask) -> PartCounts:
        """Returns the counts of the part; lets go of the shard `stripped`."""
        place = task.part
        counts = parts.find_part(place)
        if counts is None:
            batches = self._batches(task.shard)
            marked = (dedupe.mark(batch, first, task.verdicts) for first, batch in shards.numbered(batches))
            counts = parts.make_part(marked, place, signals=self.config.signals)
            task.shard.file("stripped").unlink(missing_ok=True)
            give_back()  # else what is kept gets split up: 60 MB more at the peak of 3 GB
        parts.link_part(place, task.folder, task.shard.number)
        return counts

    def _batches(self, shard: ShardTask) -> Iterator[pa.RecordBatch]:
        if shards.is_finished(shard.file("stripped")):
            return shards.read_shard(shard.file("stripped"), RECORDS)
        return stripped(shard, self.config)  # its verdicts are new, its records are those of an earlier build

    def blame(self, task: WriteTask, dies: Callable[[WriteTask], bool]) -> WriteTask:
        """Writing works on columns, not on records."""
        del dies
        return task


def build_key(
    tasks: Sequence[ShardTask],
    inputs: Sequence[Input],
    skipped: Mapping[str, int],
    config: Config,
    named: Mapping[str, str],
) -> str:
    """A key of everything that the bytes of a whole build depend on: its shards, and what its manifest says."""
    files = [[file.uri, file.size, file.sha256] for file in inputs]
    return key_of([task.strip_key for task in tasks], files, dict(skipped), config.published_settings(), dict(named))


def keep_for_next(work: Path, done: Sequence[WriteTask], counts: Sequence[PartCounts], also: Iterable[Path]) -> None:
    """Remove from the work folder what no next build can use: spilled records, and all that belongs to other inputs.

    What a worker died on may go well the next time, and a file without a digest may hold something else: nothing of
    their shards stays.

    Args:
        work: the work folder.
        done: what was written.
        counts: of every part.
        also: other files to keep.
    """
    keep = set(also)
    for task, counted in zip(done, counts, strict=True):
        if "worker-died" not in counted.quarantine and task.shard.lasting:
            keep |= {task.part, *(task.shard.file(stage) for stage in ("sightings", *GLOBAL_SHARDS))}
    for place in work.iterdir():
        if place not in keep:
            remove(place)


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
    stripping = {name: value for name, value in settings.items() if name not in _DEDUPE_SETTINGS}
    # A file that could not be read has no digest: nothing tells whether it is the same the next time.
    lasting = isinstance(shard, LastBuild) or all(part.file.sha256 for part in shard.slices)
    read_key = key_of(shard.key, reading, "" if lasting else uuid.uuid4().hex)
    strip_key = key_of(read_key, stripping, _pack_digests(config.rules), _other_versions(config))
    return ShardTask(number, work, read_key, strip_key, shard, lasting=lasting)


def _pack_digests(folders: tuple[Path, ...]) -> list[str]:
    """Of the user's own rule packs, in their order; the built-in ones are part of the package's code."""
    files = (file for folder in folders for file in sorted(folder.glob("*.toml")))
    return [
        hashlib.sha256(file.name.encode("utf-8", "surrogateescape") + b"\0" + file.read_bytes()).hexdigest()
        for file in files
    ]
