"""Write the dataset folder: the four tables, part by part, and then what describes and guards them."""

from __future__ import annotations

import contextlib
import re
import shutil
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import WriteError
from pipeline.records import TABLES, tables
from pipeline.write import card, croissant, facts, manifest, report
from pipeline.write.counts import PartCounts, count
from pipeline.write.durable import TEMPORARY, file_digest, new_file, new_folder, sync_folder, writing
from pipeline.write.tables import TableFile, by_outcome, route

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from pipeline.config import Config

PART: Final = re.compile(r"part-(\d{5,})\.parquet")
HASH_THREADS: Final = 4


class Input(Protocol):
    """What the manifest says of an input file; `read.inputs.InputFile` is one."""

    @property
    def uri(self) -> str:
        """Its name, relative to the input that the user gave."""

    @property
    def size(self) -> int:
        """Bytes."""

    @property
    def sha256(self) -> str:
        """Of its bytes as they are stored, in hex."""


def part_name(number: int) -> str:
    """The file name of a part; names sort as numbers do."""
    return f"part-{number:05d}.parquet"


def write_part(batches: Iterable[pa.RecordBatch], folder: Path, number: int, *, signals: bool = False) -> PartCounts:
    """Write finished records as part `number` of each table that gets a row, and the part's facts for the report.

    The bytes depend on the rows and their order alone, not on how they are batched. Each file is whole or absent;
    writing a part again replaces it.

    Args:
        batches: `records.RECORDS` with final outcomes.
        folder: the staging folder.
        number: position of this part among all parts, from 0.
        signals: give the documents the columns of `records.SIGNALS` too.

    Raises:
        WriteError: the disk is full or read-only, or the device fails.
    """
    counts, told = PartCounts(), facts.Facts()
    with writing(folder), contextlib.ExitStack() as stack:
        files = {
            table: stack.enter_context(TableFile(folder / table / part_name(number), schema))
            for table, schema in tables(signals=signals).items()
        }
        for batch in batches:
            sorted_out = by_outcome(batch)
            routed = route(sorted_out, signals=signals)
            for table, rows in routed.items():
                files[table].add(rows)
            counts += count(batch.num_rows, routed)
            told.add(routed["documents"], sorted_out["documents"]["removed"])
            told.add_duplicates(routed["duplicates"])
            told.add_quarantine(routed["quarantine"])
    with writing(folder):
        new_folder(folder / facts.FOLDER)
        facts.save(told, _facts_file(folder, number))
        for table, file in files.items():
            if not file.rows:  # an earlier try with other rows may have left one
                (folder / table / part_name(number)).unlink(missing_ok=True)
    return counts


def _facts_file(folder: Path, number: int) -> Path:
    return folder / facts.FOLDER / part_name(number)


def finish(
    folder: Path,
    counts: PartCounts,
    inputs: Sequence[Input],
    skipped: Mapping[str, Any],
    config: Config,
    versions: Mapping[str, str],
) -> dict[str, Any]:
    """Complete a staging folder that has all its parts: card, Croissant, report, manifest.

    Args:
        folder: the staging folder.
        counts: the sum of what `write_part` gave.
        inputs: every file that was read, in order.
        skipped: files that were not read, as JSON values.
        config: of this build.
        versions: of all that decides about bytes: pipeline, rules, model. Nothing of the machine.

    Returns:
        The content of the manifest.

    Raises:
        WriteError: a part is missing or holds other rows than were counted, or the disk fails.
    """
    with writing(folder):
        _remove_leftovers(folder)
        _complete_tables(folder, tables(signals=config.signals))
        files = _describe_parts(folder)
        _assert_accounted(counts, files)
        content = {
            "format": manifest.FORMAT,
            "accounting": {"records": counts.records} | _rows_by_table(files),
            "configuration": config.published_settings(),
            "counts": counts.to_json(),
            "inputs": [{"uri": file.uri, "size": file.size, "sha256": file.sha256} for file in inputs],
            "skipped": dict(skipped),
            "versions": {"pyarrow": pa.__version__} | dict(versions),
        }
        told = facts.collect(_parts(folder / facts.FOLDER))
        content["groups"] = {name: groups.largest() for name, groups in told.groups.items()}
        for name, data in _pages(content, files, told).items():
            _write(folder / name, data)
            files[name] = _describe(folder / name)
        _drop_facts(folder / facts.FOLDER)
        content["files"] = files
        _write(folder / manifest.FILE_NAME, manifest.render(content))
        sync_folder(folder)
    return content


def _drop_facts(folder: Path) -> None:
    """They are in the pages now; what cannot be removed would be published, so that is an error."""
    if folder.exists():
        shutil.rmtree(folder)


def _pages(content: Mapping[str, Any], files: Mapping[str, Mapping[str, Any]], told: facts.Facts) -> dict[str, bytes]:
    """The pages beside the tables, by name."""
    return {
        "README.md": card.render(content, files),
        "croissant.json": croissant.render(content, files),
        report.FILE_NAME: report.render(content, told),
    }


def _write(file: Path, data: bytes) -> None:
    with new_file(file) as stream:
        stream.write(data)


def _remove_leftovers(folder: Path) -> None:
    """Files that a worker left behind when it was killed must not be published."""
    for file in folder.glob(f"*/.*{TEMPORARY}"):
        file.unlink()


def _complete_tables(folder: Path, schemas: Mapping[str, pa.Schema]) -> None:
    """Give every table a file, so that every loader finds every table."""
    for table, schema in schemas.items():
        if not _parts(folder / table):
            with TableFile(folder / table / part_name(0), schema, even_empty=True):
                pass
        sync_folder(folder / table)


def _parts(folder: Path) -> list[Path]:
    """The parts of one table, in order."""
    parts = [file for file in folder.glob("*") if PART.fullmatch(file.name)]
    return sorted(parts, key=lambda file: (len(file.name), file.name))


def _describe_parts(folder: Path) -> dict[str, dict[str, Any]]:
    """Size, digest and rows of every part, by name relative to the folder, tables in their order."""
    parts = [file for table in TABLES for file in _parts(folder / table)]
    with ThreadPoolExecutor(HASH_THREADS) as pool:  # hashing lets go of the interpreter lock
        described = list(pool.map(_describe, parts))
    return {
        part.relative_to(folder).as_posix(): {**entry, "rows": pq.read_metadata(part).num_rows}
        for part, entry in zip(parts, described, strict=True)
    }


def _describe(file: Path) -> dict[str, Any]:
    size, digest = file_digest(file)
    return {"size": size, "sha256": digest}


def _rows_by_table(files: Mapping[str, Mapping[str, Any]]) -> dict[str, int]:
    return {
        table: sum(entry["rows"] for name, entry in files.items() if name.startswith(f"{table}/"))
        for table in TABLES
        if table != "removed"
    }


def _assert_accounted(counts: PartCounts, files: Mapping[str, Mapping[str, Any]]) -> None:
    """Every record that came in is in exactly one table, and the files hold what was counted.

    Raises:
        WriteError: they do not; publishing would lose records.
    """
    rows = _rows_by_table(files)
    counted = {table: counts.rows[table] for table in rows}
    if rows != counted:
        msg = f"the parts hold {rows}, but {counted} were written; nothing is published, build again"
        raise WriteError(msg)
    if counts.records != sum(rows.values()):
        msg = f"{counts.records} records came in, but {rows} went out; nothing is published, please report this"
        raise WriteError(msg)
