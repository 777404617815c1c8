"""The last build as an input: `pipeline build --retry` gives what it set aside another chance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.corpus import open_corpus
from pipeline.read import read_quarantine
from pipeline.read.inputs import kind_of
from pipeline.records import TABLES, complete
from pipeline.strip.cut import rebuild

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pipeline.config import Config
    from pipeline.corpus import Corpus

# Columns of a document that it came with; all others are made anew.
_GIVEN: Final = ("id", "source", "url", "title", "byline", "published", "language", "metadata", "raw_sha256", "origin")
_FOUND: Final = ("title", "byline", "published", "language")
_TEXT_KINDS: Final = {("text", None), ("text", "gzip"), ("text", "zstd")}


@dataclass(frozen=True, slots=True)
class RetryFile:
    """A part of the last build that is read again."""

    uri: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class LastBuild:
    """The records of a published corpus.

    Attributes:
        corpus: its folder, resolved: the build stays where it is when a new one is published.
        key: the digest of its manifest and what of it is read: equal keys mean equal records.
        quarantine_only: leave out documents and duplicates, since the inputs of that build are read again too.
        cost: how much work it is, as bytes.
    """

    corpus: Path
    key: str
    quarantine_only: bool
    cost: int

    def files(self) -> list[RetryFile]:
        """The files that are read, as the manifest lists them."""
        return _files(open_corpus(self.corpus), quarantine_only=self.quarantine_only)

    def read(self, config: Config) -> Iterator[pa.RecordBatch]:
        """The records as batches of `records.RECORDS`, their input texts whole again."""
        corpus = open_corpus(self.corpus)
        if not self.quarantine_only:
            for documents, spans in corpus.documents():
                yield _as_given(documents, rebuild(documents["text"], spans))
            for batch in corpus.batches("duplicates"):
                yield _as_given(batch, batch["text"])
        for batch in corpus.batches("quarantine"):
            if len(batch):
                yield read_quarantine(batch, config)


def last_build(corpus: Path, *, quarantine_only: bool) -> LastBuild:
    """The build that is published now.

    Raises:
        CorpusError: there is none.
    """
    opened = open_corpus(corpus)
    what = "quarantine" if quarantine_only else "all"
    cost = sum(file.size for file in _files(opened, quarantine_only=quarantine_only))
    return LastBuild(opened.folder, f"{opened.manifest['digest']} {what}", quarantine_only, cost)


def _files(corpus: Corpus, *, quarantine_only: bool) -> list[RetryFile]:
    tables = ("quarantine",) if quarantine_only else tuple(TABLES)
    listed = [(name, corpus.manifest["files"][name]) for table in tables for name in corpus.parts(table)]
    return [RetryFile(f"corpus/{name}", entry["size"], entry["sha256"]) for name, entry in listed]


def _as_given(batch: pa.RecordBatch, texts: pa.StringArray) -> pa.RecordBatch:
    given = {name: batch[name] for name in _GIVEN}
    # A text file comes with its text only: what else there is was found in it, and is looked for again.
    is_text = pa.array(
        [kind_of(uri or "") in _TEXT_KINDS for uri in batch["origin"].field("uri").to_pylist()], pa.bool_()
    )
    for name in _FOUND:
        given[name] = pc.if_else(is_text, pa.scalar(None, given[name].type), given[name])
    if "flags" in batch.schema.names:
        given["flags"] = pa.array([_from_reader(flags) for flags in batch["flags"].to_pylist()], pa.list_(pa.string()))
    return complete({**given, "text": texts}, len(batch))


def _from_reader(flags: list[str] | None) -> list[str] | None:
    """Those flags that the reader gave; strip gives its own anew."""
    return [flag for flag in flags or () if flag == "unparsed-published"] or None
