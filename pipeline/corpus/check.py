"""Read a published corpus again and say what is wrong with it: hashes, counts, accounting, reconstruction."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.corpus import Corpus, open_corpus
from pipeline.errors import CorpusError
from pipeline.records import DUPLICATE_REASONS, LABELS, QUARANTINE_REASONS, tables
from pipeline.strip.cut import rebuild
from pipeline.write import manifest
from pipeline.write.durable import file_digest

if TYPE_CHECKING:
    from collections.abc import Iterator

READ_THREADS: Final = 4
NAMED: Final = 3  # of many rows with one fault, this many are named


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong.

    Attributes:
        place: a file or a table.
        problem: in words.
    """

    place: str
    problem: str

    def __str__(self) -> str:
        return f"{self.place}: {self.problem}"


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What `check` found.

    Attributes:
        corpus: the folder.
        files: how many files were read.
        size: their bytes.
        rows: by table, as the manifest counts them.
        findings: empty when all is well.
    """

    corpus: Path
    files: int
    size: int
    rows: dict[str, int]
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Nothing is wrong."""
        return not self.findings


def check(folder: Path) -> CheckReport:
    """Read every byte of a published corpus, and rebuild every input text.

    The tables are looked into only when every file is as it was written and their rows are all there: damaged Parquet
    is not worth parsing.

    Raises:
        CorpusError: there is no such folder.
    """
    if not folder.is_dir():
        msg = f"{folder} is no folder; give the corpus to check, such as output/corpus"
        raise CorpusError(msg)
    try:
        corpus = open_corpus(folder)
    except CorpusError as error:
        return CheckReport(folder, 0, 0, {}, (Finding(manifest.FILE_NAME, str(error)),))
    listed = corpus.manifest["files"]
    findings = [*_name(corpus), *_files(corpus)] or list(_accounting(corpus)) or list(_tables(corpus))
    size = sum(entry["size"] for entry in listed.values()) + (corpus.folder / manifest.FILE_NAME).stat().st_size
    return CheckReport(folder, len(listed) + 1, size, corpus.manifest["counts"]["rows"], tuple(findings))


def _name(corpus: Corpus) -> Iterator[Finding]:
    """A build's folder is named by its manifest; a folder that was copied elsewhere may have any name."""
    if corpus.folder.parent.name != ".builds":
        return
    name = manifest.build_name((corpus.folder / manifest.FILE_NAME).read_bytes())
    if corpus.folder.name.partition(".")[0] != name:
        yield Finding(manifest.FILE_NAME, f"it is not the manifest of this build, {corpus.folder.name}")


def _files(corpus: Corpus) -> Iterator[Finding]:
    """Each file is there and whole, and there is no other."""
    listed = corpus.manifest["files"]
    there = set()
    for place, folders, names in os.walk(corpus.folder):
        for name in (*names, *(name for name in folders if (Path(place) / name).is_symlink())):
            there.add((Path(place) / name).relative_to(corpus.folder).as_posix())
    for name in sorted(there - listed.keys() - {manifest.FILE_NAME}):
        yield Finding(name, "this file is not part of the corpus")
    with ThreadPoolExecutor(READ_THREADS) as pool:
        problems = pool.map(lambda name: _file_problem(corpus.folder / name, listed[name]), listed)
        for name, problem in zip(listed, problems, strict=True):
            if problem:
                yield Finding(name, problem)


def _file_problem(file: Path, listed: dict[str, object]) -> str | None:
    try:
        size, digest = file_digest(file)
    except FileNotFoundError:
        return "the file is missing"
    except OSError as error:
        return f"the file cannot be read: {error.strerror}"
    if size != listed["size"]:
        return f"the file has {size} bytes, it was written with {listed['size']}"
    return None if digest == listed["sha256"] else "the file was changed: its SHA-256 is another one"


def _accounting(corpus: Corpus) -> Iterator[Finding]:
    """Rows in the files, rows in the manifest, and records in are the same numbers."""
    files, counts, account = (corpus.manifest[name] for name in ("files", "counts", "accounting"))
    measured = corpus.manifest["configuration"].get("signals", False)
    for table, schema in tables(signals=measured).items():
        parts = corpus.parts(table)
        if not parts:
            yield Finding(table, "the table has no file")
        rows = 0
        for name in parts:
            described = pq.read_metadata(corpus.folder / name)
            rows += described.num_rows
            if described.num_rows != files[name]["rows"]:
                yield Finding(name, f"it has {described.num_rows} rows, the manifest says {files[name]['rows']}")
            if not described.schema.to_arrow_schema().equals(schema):
                yield Finding(name, "it has other columns than this version writes")
        if rows != counts["rows"][table]:
            yield Finding(table, f"it has {rows} rows, the manifest counts {counts['rows'][table]}")
        elif rows != account.get(table, rows):
            yield Finding(table, f"it has {rows} rows, the manifest accounts for {account[table]}")
    if account["records"] != account["documents"] + account["duplicates"] + account["quarantine"]:
        yield Finding(manifest.FILE_NAME, f"records are not accounted for: {account}")


def _tables(corpus: Corpus) -> Iterator[Finding]:
    ids: list[pa.Array] = []
    labels: Counter[str] = Counter()
    try:
        for documents, spans in corpus.documents():
            ids.append(documents["id"])
            labels.update(spans.flatten().field("label").to_pylist())
            yield from _documents(documents, spans)
        known = pa.chunked_array(ids, pa.string())
        if len(known.unique()) != len(known):
            yield Finding("documents", f"{len(known) - len(known.unique())} documents have an id that came before")
        yield from _fixed_codes("removed", set(labels), set(LABELS) - {""})
        if labels != Counter(corpus.manifest["counts"]["spans"]):
            yield Finding("removed", "it has other numbers of spans by label than the manifest")
        yield from _set_aside(corpus, "duplicates", set(DUPLICATE_REASONS))
        yield from _set_aside(corpus, "quarantine", set(QUARANTINE_REASONS))
    except CorpusError as error:
        yield Finding("tables", str(error))


def _documents(documents: pa.RecordBatch, spans: pa.ListArray) -> Iterator[Finding]:
    """Each document has an id and a text, and its spans rebuild its input text."""
    for column in ("id", "text", "raw_sha256"):
        if documents[column].null_count:
            yield Finding("documents", f"{documents[column].null_count} documents have no {column}")
            return
    faulty = _faulty_spans(documents["text"], spans)
    if len(faulty):
        yield _named("removed", "spans overlap, are out of order, or do not fit their text", documents["id"], faulty)
        return
    yield from _texts("documents", documents, rebuild(documents["text"], spans))


def _faulty_spans(texts: pa.StringArray, spans: pa.ListArray) -> np.ndarray:
    """Rows whose spans cannot be put back: int[rows]."""
    flat = spans.flatten()
    owner = np.asarray(pc.list_parent_indices(spans))
    start, end = (np.asarray(flat.field(name).fill_null(-1)) for name in ("start", "end"))
    length = np.asarray(pc.binary_length(flat.field("text")).fill_null(-1))
    follows = np.concatenate([[False], owner[1:] == owner[:-1]])[: len(owner)]
    floor = np.where(follows, np.concatenate([[0], end[:-1]])[: len(end)], 0)
    whole = np.asarray(pc.binary_length(texts)) + np.bincount(owner, length, len(texts)).astype(np.int64)
    wrong = (start < floor) | (end <= start) | (length != end - start) | (end > whole[owner])
    return np.unique(owner[wrong])


def _set_aside(corpus: Corpus, table: str, reasons: set[str]) -> Iterator[Finding]:
    counted: Counter[str] = Counter()
    for batch in corpus.batches(table):
        counted.update(batch["reason"].to_pylist())
        if table == "duplicates" and batch["text"].null_count:
            yield Finding(table, f"{batch['text'].null_count} duplicates have no text")
        yield from _texts(table, batch, batch["text"])
    yield from _fixed_codes(table, set(counted), reasons)
    if counted != Counter(corpus.manifest["counts"][table]):
        yield Finding(table, "it has other numbers of rows by reason than the manifest")


def _texts(table: str, batch: pa.RecordBatch, texts: pa.StringArray) -> Iterator[Finding]:
    """Each input text that was kept is valid UTF-8 and has the digest that was taken when it was read."""
    try:
        texts.validate(full=True)
    except pa.ArrowInvalid:
        yield Finding(table, "an input text is not UTF-8")
    digests = pc.struct_field(batch["origin"], "text_sha256")
    data = memoryview(texts.buffers()[2] or b"")
    edges = np.frombuffer(texts.buffers()[1], np.int32)[texts.offset :][: len(texts) + 1].tolist() if len(texts) else []
    wrong = [
        row
        for row in np.flatnonzero(texts.is_valid()).tolist()
        if hashlib.sha256(data[edges[row] : edges[row + 1]]).hexdigest() != digests[row].as_py()
    ]
    if wrong:
        yield _named(table, "the input text cannot be rebuilt", batch["id"], np.array(wrong))


def _fixed_codes(table: str, used: set[str], fixed: set[str]) -> Iterator[Finding]:
    if unknown := used - fixed:
        yield Finding(table, f"unknown codes: {', '.join(sorted(map(str, unknown)))}")


def _named(table: str, problem: str, ids: pa.Array, rows: np.ndarray) -> Finding:
    names = ", ".join(str(name) for name in ids.take(pa.array(rows[:NAMED])).to_pylist())
    more = f" and {len(rows) - NAMED} more" if len(rows) > NAMED else ""
    return Finding(table, f"{problem}: {names}{more}")
