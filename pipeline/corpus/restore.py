"""Give back what was put in: the bytes of text files, the input text of every other record."""

from __future__ import annotations

import hashlib
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pipeline.corpus import Corpus, open_corpus, spans_by_document
from pipeline.errors import CorpusError, UsageError
from pipeline.strip.cut import rebuild

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import pyarrow as pa

# Of these the text is the whole file, so that its bytes can be given back.
TEXT_FILES: Final = (".txt", ".txt.gz", ".txt.zst")


class Restored(NamedTuple):
    """One record as it was put in.

    Attributes:
        id: of the record.
        origin: where it came from, see `records.ORIGIN`.
        data: of a text file its bytes, byte order mark included and decompressed; of another record its input text in
            UTF-8; of a record in quarantine its source bytes. None when they were not kept, such as those of a record
            that is too large: then only the input at `origin` has them.
    """

    id: str
    origin: dict[str, Any]
    data: bytes | None


def restore(corpus: Path, ids: Sequence[str] = ()) -> Iterator[Restored]:
    """The records with these ids, in this order, or all records of a corpus.

    A record whose id came twice (`duplicate-id`) is given back as often as it was put in.

    Raises:
        UsageError: an id that the corpus does not have; found before any record is given.
        CorpusError: the corpus is damaged: what would be given back is not what was put in.
    """
    opened = open_corpus(corpus)
    return _by_id(opened, ids) if ids else _everything(opened)


def _everything(corpus: Corpus) -> Iterator[Restored]:
    for documents, spans in corpus.documents():
        yield from _rows(documents, rebuild(documents["text"], spans))
    for table in ("duplicates", "quarantine"):
        for batch in corpus.batches(table):
            yield from _rows(batch, batch["text"])


def _by_id(corpus: Corpus, ids: Sequence[str]) -> Iterator[Restored]:
    documents = corpus.find("documents", "id", ids)
    spans = spans_by_document(documents["id"], corpus.find("removed", "document_id", ids))
    aside = [corpus.find(table, "id", ids) for table in ("duplicates", "quarantine")]
    rows = chain(_rows(documents, rebuild(documents["text"], spans)), *(_rows(batch, batch["text"]) for batch in aside))
    known: dict[str, list[Restored]] = {}
    for row in rows:
        known.setdefault(row.id, []).append(row)
    missing = [name for name in ids if name not in known]
    if missing:
        msg = f"the corpus has no record with the id {missing[0]}"
        raise UsageError(msg)
    return chain.from_iterable(known[name] for name in ids)


def _rows(batch: pa.RecordBatch, texts: pa.StringArray) -> Iterator[Restored]:
    """Each row of a table with its input text turned into bytes."""
    raws = batch["raw"] if "raw" in batch.schema.names else [None] * batch.num_rows
    rows = zip(batch["id"], batch["origin"], batch["raw_sha256"], texts, raws, strict=True)
    for name, origin, digest, text, raw in rows:
        source = raw.as_py() if raw is not None else None
        where = origin.as_py()
        if source is None and text.is_valid:
            source = _source_bytes(name.as_py(), where, digest.as_py(), text.as_buffer().to_pybytes())
        yield Restored(name.as_py(), where, source)


def _source_bytes(name: str, origin: dict[str, Any], digest: str | None, text: bytes) -> bytes:
    """The source bytes of a text file; the text itself of anything else.

    Raises:
        CorpusError: they are not what was put in.
    """
    if _digest(text) != origin["text_sha256"]:
        msg = f"the text of {name} cannot be rebuilt; run `pipeline check` to see what is damaged"
        raise CorpusError(msg)
    if not origin["uri"].lower().endswith(TEXT_FILES):
        return text
    whole = ("\ufeff" if origin["bom"] else "") + text.decode()
    source = whole.encode(origin["encoding"])
    if _digest(source) != digest:
        msg = f"the text of {name} in {origin['encoding']} is not the file that was read; its text is in the corpus"
        raise CorpusError(msg)
    return source


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
