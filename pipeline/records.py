"""The vocabulary and the schemas: every fixed code and every table the package reads or writes.

One schema, `RECORDS`, runs through all stages: a stage fills its columns and never adds or drops a row. What a build
publishes are four projections of it: `DOCUMENTS`, `REMOVED`, `DUPLICATES` and `QUARANTINE`.
"""

from __future__ import annotations

from typing import Final

import pyarrow as pa

# The index of a label is its code in the arrays of the strip stage; code 0 keeps the line.
LABELS: Final = (
    "",
    "newsletter",
    "donation",
    "subscription",
    "related",
    "caption",
    "disclaimer",
    "share",
    "comments",
    "advert",
    "copyright",
    "consent",
    "navigation",
    "author_bio",
    "app_promo",
    "event_promo",
    "contact",
    "other",
    "title",
    "byline",
    "published",
)
# Labels whose text moves to a column of its own.
MOVED_LABELS: Final = ("title", "caption", "byline", "published")

# Evidence is one of these words, or `rule:` and the id of the rule.
RULE_EVIDENCE: Final = "rule:"
EVIDENCE: Final = ("model", "repeated", "context")

# What became of a record; null while it is still on its way to the documents.
DUPLICATE: Final = "duplicate"
QUARANTINE: Final = "quarantine"

# Why a record was set aside.
DUPLICATE_REASONS: Final = {
    "duplicate-id": "the same id and the same text came earlier",
    "exact": "the same clean text came earlier, apart from case and white space",
    "near": "nearly the same clean text came earlier",
    "published": "the same or nearly the same clean text is in the corpus of --against",
}
QUARANTINE_REASONS: Final = {
    "not-utf8": "the bytes are neither UTF-8 nor the declared encoding",
    "truncated": "the file or its compression ends too early or is damaged",
    "too-large": "the text is over --max-document, or the decompressed data is over the cap",
    "invalid-json": "the line is not one JSON object",
    "invalid-csv": "the row does not have the columns of its header",
    "invalid-parquet": "the file is not a Parquet file that can be read",
    "invalid-html": "the page cannot be parsed as HTML",
    "invalid-warc": "the archive, or what a site sent, is damaged",
    "missing-text": "there is no text, or it is empty",
    "wrong-type": "a field holds a value of a type it cannot have",
    "unreadable": "the file could not be opened or read",
    "empty-after-strip": "nothing of the text was left after stripping",
    "invalid-record": "a field does not fit the schema",
    "other-language": "it is in none of the languages that --language asks for",
    "unknown-language": "--language asks for certain languages, and that of the record cannot be told",
    "duplicate-id": "the same id came earlier with another text",
    "worker-died": "the process that worked on this record died twice",
}

# Flags on a published document: worth a look, no reason to set it aside.
FLAGS: Final = {
    "heavy-removal": "stripping would have removed nearly everything, so the text was kept as it was",
    "unparsed-published": "the publishing date could not be understood; its text is in metadata",
}

ORIGIN: Final = pa.struct(
    [
        pa.field("uri", pa.string()),  # the input as the user named it, relative to that input's parent folder
        pa.field("member", pa.string()),  # the record inside an archive, null elsewhere
        pa.field("index", pa.int64()),  # position of the record in its file, from 0
        pa.field("encoding", pa.string()),  # how the source bytes were decoded
        pa.field("bom", pa.bool_()),  # a byte order mark stood before the text
        pa.field("text_sha256", pa.string()),  # of the input text as UTF-8: what `restore` must give back
    ]
)

SPAN: Final = pa.struct(
    [
        pa.field("start", pa.int64()),
        pa.field("end", pa.int64()),
        pa.field("text", pa.string()),
        pa.field("label", pa.string()),
        pa.field("evidence", pa.list_(pa.string())),
        pa.field("score", pa.float32()),
    ]
)

_DESCRIBED: Final = {
    "id": "the record's own id, or 16 hex digits of the SHA-256 of its source bytes and position",
    "source": "the publication or feed the article comes from",
    "url": "the address of the article",
    "title": "the headline",
    "byline": "who wrote it",
    "published": "when it was published (UTC)",
    "language": "BCP 47 language tag",
    "text": "the article without boilerplate: the input text minus the removed spans",
    "captions": "picture captions that stood in the text",
    "word_count": "words of the clean text, separated by white space",
    "removed_ratio": "share of the input text's bytes that was removed",
    "flags": "what is worth a look",
    "metadata": "every other field of the input record, as one JSON object",
    "raw_sha256": "SHA-256 of the record's source bytes",
    "origin": "where the record came from and how it was decoded",
    "document_id": "the document the span was cut from",
    "start": "first byte of the span in the input text (UTF-8)",
    "end": "byte after the span in the input text (UTF-8)",
    "label": "what kind of boilerplate it is",
    "evidence": "what spoke for removing it: rule:<id>, model, repeated, context",
    "score": "how sure the cleaner is, 0 to 1",
    "reason": "why the record was set aside, a fixed code",
    "duplicate_of": "id of the document it repeats",
    "similarity": "Jaccard similarity to that document, 1 for equal texts",
    "detail": "the error in words",
    "raw": "the source bytes of the record, where they fit",
}


def _field(name: str, kind: pa.DataType, *, nullable: bool = True) -> pa.Field:
    return pa.field(name, kind, nullable=nullable, metadata={"description": _DESCRIBED[name]})


_ARTICLE: Final = [
    _field("source", pa.string()),
    _field("url", pa.string()),
    _field("title", pa.string()),
    _field("byline", pa.string()),
    _field("published", pa.timestamp("us", tz="UTC")),
    _field("language", pa.string()),
]

DOCUMENTS: Final = pa.schema(
    [
        _field("id", pa.string()),
        *_ARTICLE,
        _field("text", pa.string()),
        _field("captions", pa.list_(pa.string())),
        _field("word_count", pa.int32()),
        _field("removed_ratio", pa.float32()),
        _field("flags", pa.list_(pa.string())),
        _field("metadata", pa.string()),
        _field("raw_sha256", pa.string()),
        _field("origin", ORIGIN),
    ]
)
REMOVED: Final = pa.schema(
    [
        _field("document_id", pa.string()),
        _field("start", pa.int64()),
        _field("end", pa.int64()),
        _field("text", pa.string()).with_metadata({"description": "the removed text"}),
        _field("label", pa.string()),
        _field("evidence", pa.list_(pa.string())),
        _field("score", pa.float32()),
    ]
)
# A record that was set aside keeps its input text and fields, so that it can be restored or read again.
_SET_ASIDE: Final = [
    _field("id", pa.string()),
    _field("reason", pa.string()),
    *_ARTICLE,
    _field("text", pa.string()).with_metadata({"description": "the input text, nothing removed"}),
    _field("metadata", pa.string()),
    _field("raw_sha256", pa.string()),
    _field("origin", ORIGIN),
]
DUPLICATES: Final = pa.schema([*_SET_ASIDE, _field("duplicate_of", pa.string()), _field("similarity", pa.float32())])
QUARANTINED: Final = pa.schema([*_SET_ASIDE, _field("detail", pa.string()), _field("raw", pa.binary())])

TABLES: Final = {
    "documents": DOCUMENTS,
    "removed": REMOVED,
    "duplicates": DUPLICATES,
    "quarantine": QUARANTINED,
}

# What travels from stage to stage. `text` is the input text until strip, the clean text after it; with `removed` it
# rebuilds the input. `outcome` null means on its way to the documents.
RECORDS: Final = pa.schema(
    [
        *DOCUMENTS,
        pa.field("removed", pa.list_(SPAN)),
        pa.field("outcome", pa.string()),
        _field("reason", pa.string()),
        _field("detail", pa.string()),
        _field("raw", pa.binary()),
        _field("duplicate_of", pa.string()),
        _field("similarity", pa.float32()),
    ]
)


def replace_columns(batch: pa.RecordBatch, columns: dict[str, pa.Array]) -> pa.RecordBatch:
    """The same rows with some columns replaced.

    Raises:
        KeyError: a name that is not in the schema.
    """
    arrays = list(batch.columns)
    for name, array in columns.items():
        index = batch.schema.get_field_index(name)
        if index < 0:
            raise KeyError(name)
        arrays[index] = array
    return pa.RecordBatch.from_arrays(arrays, schema=batch.schema)


def complete(columns: dict[str, pa.Array], rows: int) -> pa.RecordBatch:
    """A batch of `RECORDS` from the columns that are known; the others are null."""
    arrays = [columns.get(field.name) for field in RECORDS]
    filled = [
        pa.nulls(rows, field.type) if array is None else array.cast(field.type)
        for field, array in zip(RECORDS, arrays, strict=True)
    ]
    return pa.RecordBatch.from_arrays(filled, schema=RECORDS)
