"""The vocabulary and the schemas: every fixed code and every table the package reads or writes.

One schema, `RECORDS`, runs through all stages: a stage fills its columns and never adds or drops a row. What a build
publishes are four projections of it: `DOCUMENTS`, `REMOVED`, `DUPLICATES` and `QUARANTINE`.
"""

from __future__ import annotations

from typing import Final

import pyarrow as pa

# What each label stands for.
LABEL_MEANINGS: Final = {
    "newsletter": "requests to sign up for a newsletter or for alerts",
    "donation": "appeals for money, with their buttons and forms",
    "subscription": "paywalls, offers of a subscription, requests to sign in",
    "related": "links to other stories, lists of them and their headings",
    "caption": "captions and credits of pictures",
    "disclaimer": "notes on opinions, liability, sponsors, and how a text was made",
    "share": "share buttons and requests to follow the publication",
    "comments": "readers' comments, their widgets and rules",
    "advert": "marks of advertisements and what is sold beside a story",
    "copyright": "notices of copyright and rights",
    "consent": "notices on cookies and privacy, consent to them",
    "navigation": "menus, tags, breadcrumbs, and the controls of players and galleries",
    "author_bio": "notes on the author",
    "app_promo": "requests to get the publication's app",
    "event_promo": "the publication's events, programmes and podcasts",
    "contact": "how to reach the newsroom: tips, corrections, addresses",
    "other": "boilerplate of another kind",
    "title": "the headline",
    "byline": "the line that names the author",
    "published": "the line that says when the article appeared or was changed",
}
# The index of a label is its code in the arrays of the strip stage; code 0 keeps the line.
LABELS: Final = ("", *LABEL_MEANINGS)
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

# Signals of quality that a build can measure of each document (`signals.py`); nothing is set aside for them. Measures
# and bounds are those of the papers: Gopher (Rae et al., 2021, arXiv:2112.11446, appendix A), C4 (Raffel et al., 2020,
# arXiv:1910.10683, section 2.2), FineWeb (Penedo et al., 2024, arXiv:2406.17557).
_SHARE: Final = pa.float32()
SIGNALS: Final = {
    "gopher_mean_word_length": (_SHARE, "characters of a word on average; Gopher keeps 3 to 10"),
    "gopher_hashes_per_word": (_SHARE, "hash signs by words; Gopher keeps up to 0.1"),
    "gopher_ellipses_per_word": (_SHARE, "ellipses by words; Gopher keeps up to 0.1"),
    "gopher_bullet_lines": (_SHARE, "share of lines that begin with a bullet; Gopher keeps up to 0.9"),
    "gopher_ellipsis_lines": (_SHARE, "share of lines that end with an ellipsis; Gopher keeps up to 0.3"),
    "gopher_alphabetic_words": (_SHARE, "share of words with a letter; Gopher keeps from 0.8"),
    "gopher_stop_words": (pa.int32(), "how many of the, be, to, of, and, that, have, with occur; Gopher keeps from 2"),
    "gopher_duplicate_lines": (_SHARE, "share of lines that came before in the text; Gopher keeps up to 0.3"),
    "gopher_duplicate_line_characters": (
        _SHARE,
        "share of characters in such lines; Gopher keeps up to 0.2, FineWeb up to 0.1",
    ),
    "gopher_duplicate_paragraphs": (_SHARE, "share of paragraphs that came before; Gopher keeps up to 0.3"),
    "gopher_duplicate_paragraph_characters": (_SHARE, "share of characters in them; Gopher keeps up to 0.2"),
    **{
        f"gopher_top_{size}gram": (
            _SHARE,
            f"share of characters in the most frequent run of {size} words; Gopher keeps up to {bound}",
        )
        for size, bound in ((2, 0.2), (3, 0.18), (4, 0.16))
    },
    **{
        f"gopher_duplicate_{size}grams": (
            _SHARE,
            f"share of characters in runs of {size} words that came before; Gopher keeps up to {bound}",
        )
        for size, bound in ((5, 0.15), (6, 0.14), (7, 0.13), (8, 0.12), (9, 0.11), (10, 0.1))
    },
    "c4_punctuated_lines": (
        _SHARE,
        "share of lines that end a sentence or quotation; C4 keeps such lines, FineWeb texts from 0.12",
    ),
    "c4_short_lines": (_SHARE, "share of lines with fewer than 5 words; C4 removes such lines"),
    "c4_sentences": (pa.int32(), "words that end a sentence; C4 keeps from 3"),
    "c4_curly_brackets": (pa.int32(), "curly brackets; C4 keeps texts without"),
    "c4_javascript": (pa.int32(), "how often javascript is named; C4 removes such lines"),
    "c4_policy_phrases": (pa.int32(), "how often a privacy or cookie policy is named; C4 removes such lines"),
    "c4_lorem_ipsum": (pa.int32(), "how often it says lorem ipsum; C4 keeps texts without"),
    "fineweb_short_lines": (_SHARE, "share of lines with up to 30 characters; FineWeb keeps up to 0.67"),
    "fineweb_lines_per_word": (_SHARE, "lines by words; FineWeb keeps up to 0.3"),
}
SIGNAL: Final = pa.struct([pa.field(name, kind) for name, (kind, _) in SIGNALS.items()])
_MEASURED: Final = pa.schema(
    [
        *DOCUMENTS,
        *(pa.field(name, kind, metadata={"description": about}) for name, (kind, about) in SIGNALS.items()),
    ]
)


def tables(*, signals: bool) -> dict[str, pa.Schema]:
    """The published tables by name; with `signals` the documents have a column for each of `SIGNALS` at the end."""
    return {**TABLES, "documents": _MEASURED} if signals else dict(TABLES)


# What travels from stage to stage. `text` is the input text until strip, the clean text after it; with `removed` it
# rebuilds the input. `outcome` null means on its way to the documents.
RECORDS: Final = pa.schema(
    [
        *DOCUMENTS,
        pa.field("removed", pa.list_(SPAN)),
        pa.field("signals", SIGNAL),  # null unless they are asked for
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
