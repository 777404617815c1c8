"""The stages one at a time, each from a folder of shards to another, for those who want to look or to put in their own.

A folder of shards holds `shard-00000.parquet` and so on, all of the schema `records.RECORDS`, and `inputs.json`, which
tells the last stage what was read.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

from pipeline import dedupe, shards
from pipeline.errors import UsageError
from pipeline.language import refuse_without_library
from pipeline.memory import share_out
from pipeline.read import discover, plan, read_shard
from pipeline.records import RECORDS
from pipeline.stages import finished, versions
from pipeline.strip.cleaner import load_cleaner, sightings_of
from pipeline.strip.repetition import SIGHTINGS, templates
from pipeline.write import publish
from pipeline.write.counts import PartCounts, total
from pipeline.write.dataset import finish, write_part
from pipeline.write.durable import writing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from pipeline.config import Config

INPUTS: Final = "inputs.json"


@dataclass(frozen=True, slots=True)
class ReadFile:
    """A file that the read stage read."""

    uri: str
    size: int
    sha256: str


def read(inputs: Sequence[str], folder: Path, config: Config) -> int:
    """Read inputs into a folder of shards; returns the number of records."""
    publish.check_output(folder, inputs)
    _check_empty(folder)
    found = discover(inputs, config)
    rows = 0
    for number, shard in enumerate(plan(found, config)):
        rows += shards.write_shard(_shard(folder, number), read_shard(shard, config), RECORDS)
    files = [{"uri": file.uri, "size": file.size, "sha256": file.sha256} for file in found.files]
    _write_inputs(folder, {"files": files, "skipped": dict(found.skipped)})
    return rows


def strip(source: Path, target: Path, config: Config) -> int:
    """Strip every record of a folder of shards."""
    cleaner = load_cleaner(config.rules, config.strictness, config.model)
    known = templates([partial(_sightings, file) for file in _shards(source)], _step_memory(config))
    return _map(source, target, lambda batch: cleaner.strip(batch, known))


def _step_memory(config: Config) -> int:
    return share_out(config.memory, 1, config.max_document).step


def validate_records(source: Path, target: Path, config: Config) -> int:
    """Validate every record of a folder of stripped shards; with what the configuration asks to be known of them."""
    refuse_without_library(config)
    return _map(source, target, lambda batch: finished(batch, config))


def dedupe_records(source: Path, target: Path, config: Config) -> int:
    """Set the duplicates in a folder of stripped shards aside."""
    files = _shards(source)
    if config.against is not None:
        msg = "--against works with `pipeline build` only"
        raise UsageError(msg)
    verdicts = dedupe.find(
        _held(_fingerprints(file) for file in files),
        texts=config.dedupe != "none",
        memory=_step_memory(config),
        near=_held(_signatures(file) for file in files) if config.dedupe == "near" else None,
    )
    rows = 0
    _copy_inputs(source, target)
    for number, (file, verdict) in enumerate(zip(files, verdicts, strict=True)):
        batches = shards.numbered(shards.read_shard(file, RECORDS))
        marked = (dedupe.mark(batch, first, verdict) for first, batch in batches)
        rows += shards.write_shard(_shard(target, number), marked, RECORDS)
    return rows


def write(source: Path, output: Path, config: Config) -> PartCounts:
    """Publish a folder of shards as a corpus."""
    publish.check_output(output, [source])
    described = _inputs(source)
    with publish.lock(output), publish.staging(output) as folder:
        parts = [
            write_part(shards.read_shard(file, RECORDS), folder, number, signals=config.signals)
            for number, file in enumerate(_shards(source))
        ]
        counts = total(parts)
        files = [ReadFile(**entry) for entry in described["files"]]
        finish(folder, counts, files, described["skipped"], config, versions(config))
        publish.switch(output, folder)
    return counts


def _map(source: Path, target: Path, function: Callable[[pa.RecordBatch], pa.RecordBatch]) -> int:
    rows = 0
    files = _shards(source)
    _copy_inputs(source, target)
    for number, file in enumerate(files):
        batches = (function(batch) for batch in shards.read_shard(file, RECORDS))
        rows += shards.write_shard(_shard(target, number), batches, RECORDS)
    return rows


def _sightings(file: Path) -> pa.Table:
    return pa.Table.from_batches([sightings_of(batch) for batch in shards.read_shard(file, RECORDS)], SIGHTINGS)


def _fingerprints(file: Path) -> pa.Table:
    batches = [dedupe.fingerprints(batch, first) for first, batch in shards.numbered(shards.read_shard(file, RECORDS))]
    return pa.Table.from_batches(batches, dedupe.FINGERPRINTS)


def _held(tables: Iterable[pa.Table]) -> list[Callable[[], pa.Table]]:
    """Tables that are opened many times, made once."""
    return [partial(_itself, table) for table in tables]


def _itself(table: pa.Table) -> pa.Table:
    return table


def _signatures(file: Path) -> pa.Table:
    batches = [dedupe.signatures_of(batch) for batch in shards.read_shard(file, RECORDS)]
    return pa.Table.from_batches(batches, dedupe.SIGNATURES)


def _shard(folder: Path, number: int) -> Path:
    return folder / f"shard-{number:05d}{shards.FOLDER_SUFFIX}"


def _shards(folder: Path) -> list[Path]:
    found = sorted(folder.glob(f"shard-*{shards.FOLDER_SUFFIX}"))
    if not found:
        msg = f"{folder} holds no shards; make some with: pipeline read INPUT -o {folder}"
        raise UsageError(msg)
    return found


def _check_empty(folder: Path) -> None:
    """Shards of an earlier run would be taken for part of this one."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        msg = f"{folder} is not empty; choose another folder with -o, or remove it first"
        raise UsageError(msg)


def _copy_inputs(source: Path, target: Path) -> None:
    _check_empty(target)
    _write_inputs(target, _inputs(source))


def _inputs(folder: Path) -> dict[str, Any]:
    """What was read; shards that came from elsewhere have no list of inputs."""
    try:
        described = json.loads((folder / INPUTS).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {"files": [], "skipped": {}}
    except (OSError, ValueError) as error:
        msg = f"{folder / INPUTS} cannot be read: {error}"
        raise UsageError(msg) from None
    if not isinstance(described, dict) or set(described) != {"files", "skipped"}:
        msg = f"{folder / INPUTS} is not what `pipeline read` writes"
        raise UsageError(msg)
    return described


def _write_inputs(folder: Path, described: dict[str, Any]) -> None:
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / INPUTS).write_text(json.dumps(described, indent=1, sort_keys=True) + "\n", encoding="utf-8")
